"""What an operator of the language is, and the ways in which most of them are made.

Each says the same thing twice: as a predicate on a flow in memory and as a condition on the store's
`flows f`. A condition is never NULL, so that NOT turns it round as it does the predicate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NamedTuple

from rama_proxy.errors import FilterError
from rama_proxy.filters.ranges import Argument, Read, read_range
from rama_proxy.filters.regex import check_regex
from rama_proxy.filters.search import split_pair
from rama_proxy.model.flow import Flow

Predicate = Callable[[Flow], bool]

_WANTS = {
    "number": "a whole number such as 7, 7-9 or >7",
    "status": "a status such as 404, 4xx, 400-499 or >=500",
    "gRPC status": "a status such as 5, not_found or >0",
    "size": "a size such as >1m, <500 or 1k-64k",
    "duration": "a duration such as >500ms, <2s or 1s-2s",
    "time": "a time such as 14:30, >2026-11-24 or 14:30-15:00",
    "since": "a duration such as 10m, or a time such as 14:30",
}


class Where(NamedTuple):
    """A condition on the store's `flows f`, with its bound parameters."""

    sql: str
    params: tuple[str | int, ...] = ()


class Condition(NamedTuple):
    """An operator with its argument: as a predicate and for the store."""

    matches: Predicate
    where: Where


Make = Callable[[Argument], Condition]  # raises FilterError


@dataclass(slots=True, frozen=True)
class Operator:
    """One `~code`.

    `takes` says what follows it: "" for nothing, "regex", "body regex", "name=value", "network" or
    one of the kinds of numbers. `word` is its name in `word > value`, "" where it has none, and
    `values` are some that are often asked for.
    """

    code: str
    takes: str
    help: str
    make: Make
    word: str = ""
    values: tuple[str, ...] = ()

    @property
    def is_ordered(self) -> bool:
        """Whether < and > mean something."""
        return self.takes in _WANTS and self.takes != "since"


def fact(matches: Predicate, sql: str) -> Make:
    """There is no argument."""
    condition = Condition(matches, Where(sql))
    return lambda argument: condition


def within(takes: str, read: Read, number: Callable[[Flow], int | None], sql: str) -> Make:
    """A number in a range; `sql` gives what `number` gives, or NULL."""

    def make(argument: Argument) -> Condition:
        wanted = read_range(argument, read, _WANTS[takes])
        return Condition(
            lambda flow: wanted.has(number(flow)),
            Where(f"coalesce({sql} BETWEEN ? AND ?, 0)", tuple(wanted)),
        )

    return make


def regex(matches: Callable[[str, Flow], object], sql: str, *, of_bytes: bool = False) -> Make:
    """A regex; it is each of the parameters of `sql`."""

    def make(argument: Argument) -> Condition:
        check_regex(argument.text, argument.position, of_bytes)
        return _of_text(argument.text, matches, sql)

    return make


def pair(matches: Callable[[str, Flow], object], sql: str) -> Make:
    """`name=value`, of which both are regexes."""

    def make(argument: Argument) -> Condition:
        name, value = argument.text.partition("=")[0], split_pair(argument.text)[1]
        check_regex(name, argument.position)
        check_regex(split_pair(argument.text)[0], argument.position)
        if value is not None:
            check_regex(value, argument.position + len(name) + 1)
        return _of_text(argument.text, matches, sql)

    return make


def network(matches: Callable[[str, Flow], object], sql: str) -> Make:
    """An address or a network."""

    def make(argument: Argument) -> Condition:
        try:
            ip_network(argument.text, strict=False)
        except ValueError as error:
            raise FilterError(
                f"{argument.text!r} is not an address or a network",
                argument.position,
                "such as 10.0.0.0/8 or ::1; ~src and ~dst take a regex",
            ) from error
        return _of_text(argument.text, matches, sql)

    return make


def _of_text(text: str, matches: Callable[[str, Flow], object], sql: str) -> Condition:
    return Condition(lambda flow: bool(matches(text, flow)), Where(sql, (text,) * sql.count("?")))
