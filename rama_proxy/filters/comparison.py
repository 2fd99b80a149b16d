"""`name > value`, the other way of writing an operator and its argument: finding and reading it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rama_proxy.errors import FilterError
from rama_proxy.filters.operator import Operator
from rama_proxy.filters.ranges import SIGNS, Argument


class Token(NamedTuple):
    """A piece of an expression. `kind` is "code", "word", "quoted", a sign, or "end"."""

    kind: str
    text: str
    position: int


class Sign(NamedTuple):
    """What stands between name and value. `rest` is a value written without a space after it.

    `end` is the index of the token after those that it was made of.
    """

    text: str
    rest: str
    position: int
    end: int


def sign_at(tokens: Sequence[Token], index: int) -> Sign | None:
    """The sign of a comparison at `index`, None for anything else."""
    first = tokens[index]
    if first.kind == "!":
        second = sign_at(tokens, index + 1)
        if second and second.position == first.position + 1 and second.text in {"=", "~"}:
            return second._replace(text="!" + second.text, position=first.position)
        return None
    if first.kind == "code" and first.text == "~":
        return Sign("~", "", first.position, index + 1)
    text = next((sign for sign in SIGNS if first.text.startswith(sign)), "")
    if first.kind != "word" or not text:
        return None
    return Sign(text, first.text[len(text) :], first.position, index + 1)


def plain_argument(operator: Operator, sign: Sign, value: Argument) -> Argument:
    """What `~code` would be given for `name sign value`; a ! is left to the caller."""
    equal = sign.text in {"=", "==", "!="}
    if operator.is_ordered:
        ordered = sign.text in SIGNS and not equal
        return value._replace(text=sign.text + value.text) if ordered else value
    if sign.text in {"<", "<=", ">", ">="}:
        raise FilterError(
            f"{operator.word} has no order for {sign.text}",
            sign.position,
            "there are = and != for the whole, ~ and !~ for a regex",
        )
    if equal and operator.takes.endswith("regex"):
        return value._replace(text=f"^(?:{re.escape(value.text)})$")
    return value
