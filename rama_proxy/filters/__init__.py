"""The filter language: one expression, a predicate on flows and a condition for SQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rama_proxy.errors import FilterError
from rama_proxy.model.flow import Flow

FUNCTIONS: dict[str, tuple[int, Callable[..., int | None]]] = {}

__all__ = ["FUNCTIONS", "Filter", "FilterError", "Where", "parse_filter"]


@dataclass(slots=True, frozen=True)
class Where:
    """A condition on the store's `flows f`, with its bound parameters."""

    sql: str
    params: tuple[object, ...] = ()


@dataclass(slots=True, frozen=True)
class Filter:
    """A parsed filter expression."""

    text: str
    pattern: re.Pattern[str]

    def matches(self, flow: Flow) -> bool:
        """Whether `flow` is selected."""
        return not self.text or self.pattern.search(flow.request.pretty_url) is not None

    def where(self) -> Where:
        """The same as a condition for the store."""
        return Where("1")


def parse_filter(text: str) -> Filter:
    """The filter that `text` says; empty text selects every flow. Raises FilterError."""
    try:
        return Filter(text.strip(), re.compile(text.strip(), re.IGNORECASE))
    except re.error as error:
        raise FilterError(f"bad regular expression: {error}", error.pos or 0) from error
