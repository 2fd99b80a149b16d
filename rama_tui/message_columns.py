"""The columns of the list of messages: which there are, how wide, and what a message shows in each.

Pure functions of a MessageHead; colours are named here by what they mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from rama_proxy.content.messages import message_line, opcode_name
from rama_proxy.model.websocket import (
    CLOSE,
    DROPPED,
    EDITED,
    INCOMPLETE,
    INJECTED,
    PING,
    PONG,
    TRUNCATED,
    UNREAD,
)
from rama_proxy.store.reader import MessageHead
from rama_tui.columns import short_size

SENT, RECEIVED = "→", "←"
REMARKS = {
    DROPPED: "dropped",
    EDITED: "edited",
    INJECTED: "injected",
    INCOMPLETE: "broken off",
    UNREAD: "not decompressed",
    TRUNCATED: "truncated",
}
MIN_DIGITS = 3
CLOCK_FROM = 84  # cells from which the time of day has a column of its own


class MessageColumn(NamedTuple):
    """One column; a width of 0 takes what is left. `text` is given when the flow started."""

    name: str
    title: str
    width: int
    right: bool
    text: Callable[[MessageHead, float], str]


def direction(head: MessageHead) -> str:
    """An arrow: who sent it."""
    return SENT if head.from_client else RECEIVED


def clock(at: float) -> str:
    """The time of day, to the millisecond."""
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03}"


def elapsed(seconds: float) -> str:
    """Time since the flow started, in at most nine characters: `+0.012`, `+12:34.567`, `+5:01:02`.

    Negative where the clock was put back.
    """
    sign, millis = ("-" if seconds < -0.0005 else "+"), round(abs(seconds) * 1000)
    minutes, millis = divmod(millis, 60_000)
    if minutes == 0:
        return f"{sign}{millis // 1000}.{millis % 1000:03}"
    if minutes < 60:
        return f"{sign}{minutes}:{millis // 1000:02}.{millis % 1000 // 100}"
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{millis // 1000:02}"


def remarks(flags: int) -> str:
    """What happened to a message, in a word each."""
    return ", ".join(word for flag, word in REMARKS.items() if flags & flag)


def tone_of(head: MessageHead) -> str:
    """The name of the colour of what it says: control frames stay in the background."""
    if head.flags & DROPPED:
        return "dropped"
    if head.opcode == CLOSE:
        return "close"
    return "dim" if head.opcode in (PING, PONG) else ""


def preview(head: MessageHead) -> str:
    """What it says, in a line that may be longer than any screen."""
    return message_line(head.opcode, head.flags, head.start)


def columns_for(width: int, last: int) -> tuple[tuple[MessageColumn, int], ...]:
    """The columns with their widths for `width` cells and messages up to number `last`."""
    digits = max(MIN_DIGITS, len(str(last)))
    columns = [column for column in _COLUMNS if column.name != "clock" or width >= CLOCK_FROM]
    used = sum(column.width + 1 for column in columns) + digits
    flexible = {"number": digits, "says": max(0, width - used)}
    return tuple((column, column.width or flexible[column.name]) for column in columns)


_COLUMNS = (
    MessageColumn("number", "#", 0, True, lambda head, started: str(head.seq)),
    MessageColumn("direction", "", 1, False, lambda head, started: direction(head)),
    MessageColumn("clock", "Time", 12, False, lambda head, started: clock(head.at)),
    MessageColumn("elapsed", "After", 9, True, lambda head, started: elapsed(head.at - started)),
    MessageColumn("type", "Type", 6, False, lambda head, started: opcode_name(head.opcode)),
    MessageColumn("size", "Size", 5, True, lambda head, started: short_size(head.size)),
    MessageColumn("says", "Message", 0, False, lambda head, started: preview(head)),
)
