"""Numbers, sizes, durations and times in filters, and ranges of them.

Everything becomes a range of whole numbers with both ends in it: of microseconds for durations and
times. One value is a range too: `4xx` is 400 to 499, a day is its microseconds. Reads no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from rama_proxy.errors import FilterError
from rama_proxy.model.grpc import CODES
from rama_proxy.units import parse_duration, parse_size

MOST = 2**63 - 1  # SQLite's largest integer
SIGNS = ("<=", ">=", "==", "=", "<", ">")  # the longer ones first

_STATUS_CLASS = re.compile(r"([0-9])xx", re.IGNORECASE)
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)?(?:(?(day)[T ])(?P<minute>\d\d?:\d\d)(?P<second>:\d\d)?)?", re.ASCII
)
_GRPC_NAMES = {name.lower(): code for code, (name, _) in CODES.items()}


class Range(NamedTuple):
    """Whole numbers from `low` to `high`, both of them in it."""

    low: int
    high: int

    def has(self, number: int | None) -> bool:
        """Whether `number` is there and in it."""
        return number is not None and self.low <= number <= self.high


class Argument(NamedTuple):
    """What follows an operator: its text, its place in the expression.

    `now` is the wall clock of whoever parses, None where nobody has said.
    """

    text: str
    position: int = 0
    now: float | None = None


Read = Callable[[Argument], Range]


def read_range(argument: Argument, read: Read, wants: str) -> Range:
    """The range that `[sign]value` or `value-value` says; `read` knows values.

    `wants` says what there could be. Raises FilterError.
    """
    text = argument.text
    signs = () if read is read_since else SIGNS
    sign = next((sign for sign in signs if text.startswith(sign)), "")
    try:
        if sign in {"=", "=="}:
            return _between(argument._replace(text=text[len(sign) :].strip()), read)
        if sign:
            value = read(argument._replace(text=text[len(sign) :].strip()))
            return _compared(sign, value)
        return _between(argument, read)
    except (ValueError, OverflowError, OSError) as error:
        raise FilterError(f"{text!r} is not {wants}", argument.position) from error


def _compared(sign: str, value: Range) -> Range:
    match sign:
        case "<":
            return Range(-MOST, value.low - 1)
        case "<=":
            return Range(-MOST, value.high)
        case ">":
            return Range(min(value.high + 1, MOST), MOST)
        case _:
            return Range(value.low, MOST)


def _between(argument: Argument, read: Read) -> Range:
    """A value, or two with a hyphen between; days have hyphens of their own."""
    text = argument.text
    try:
        return read(argument)
    except ValueError:
        for cut in re.finditer("-", text):
            try:
                low = read(argument._replace(text=text[: cut.start()].strip()))
                high = read(argument._replace(text=text[cut.end() :].strip()))
            except ValueError:
                continue
            return Range(low.low, high.high)
        raise


def read_number(argument: Argument) -> Range:
    """`200`. Raises ValueError, as all of these."""
    text = argument.text
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(f"not a number: {text!r}")
    return Range(int(text), int(text))


def read_status(argument: Argument) -> Range:
    """`404`, or `4xx` for all that begin so."""
    found = _STATUS_CLASS.fullmatch(argument.text)
    if found:
        return Range(int(found[1]) * 100, int(found[1]) * 100 + 99)
    return read_number(argument)


def read_grpc(argument: Argument) -> Range:
    """`5`, or `not_found`."""
    code = _GRPC_NAMES.get(argument.text.lower())
    return read_number(argument) if code is None else Range(code, code)


def read_size(argument: Argument) -> Range:
    """`100`, `64k`, `1.5M`."""
    return _one(parse_size(_ascii(argument.text)))


def read_duration(argument: Argument) -> Range:
    """`10`, `500ms`, `1m30s`, in microseconds."""
    return _one(round(parse_duration(_ascii(argument.text)) * 1_000_000))


def read_time(argument: Argument) -> Range:
    """`14:30`, `2026-11-24`, `2026-11-24T14:30:05`: that day, minute or second, local time."""
    found = _MOMENT.fullmatch(argument.text)
    if not (found and argument.text):
        raise ValueError(f"not a time: {argument.text!r}")
    day = found["day"] or _today(argument)
    clock = (found["minute"] or "0:00") + (found["second"] or ":00")
    start = datetime.fromisoformat(f"{day}T{clock:0>8}")
    if found["second"]:
        length = timedelta(seconds=1)
    elif found["minute"]:
        length = timedelta(minutes=1)
    else:
        length = timedelta(days=1)
    return Range(_microseconds(start), _microseconds(start + length) - 1)


def read_since(argument: Argument) -> Range:
    """`10m` ago, or since a time as `read_time` has it; until ever after."""
    try:
        duration = read_duration(argument)
    except ValueError:
        return Range(read_time(argument).low, MOST)
    return _one(round(_now(argument) * 1_000_000) - duration.low)._replace(high=MOST)


def _one(number: int) -> Range:
    if number > MOST:
        raise ValueError("too large")
    return Range(number, number)


def _ascii(text: str) -> str:
    if not text.isascii():
        raise ValueError("digits are those of ASCII")
    return text


def _now(argument: Argument) -> float:
    if argument.now is None:
        raise FilterError(
            "a time that counts from now has no meaning here", argument.position, "say the day"
        )
    return argument.now


def _today(argument: Argument) -> str:
    return datetime.fromtimestamp(_now(argument)).date().isoformat()


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
