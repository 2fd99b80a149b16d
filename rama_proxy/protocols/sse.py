"""Server-sent events (WHATWG HTML 9.2): the bytes of an event stream in, its events out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rama_proxy.model.websocket import INCOMPLETE, TRUNCATED

BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"\r\n[\r\n]|\n[\r\n]|\r\r")  # two ends of lines, of which CR LF is one
_FIELD = re.compile(rb"(?:\A|[\r\n])[^:\r\n]")  # of a line that is no comment
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Block:
    """One event as it stands in the stream, without the blank line that ends it.

    `data` is what was kept of its `size` bytes; `flags` are those of model.websocket.
    """

    __slots__ = ("data", "flags", "size")

    def __init__(self, data: bytes, size: int, flags: int) -> None:
        self.data = data
        self.size = size
        self.flags = flags


class Splitter:
    """Splits a stream, however its bytes are cut; `limit` is how many bytes of an event are kept.

    A block that has nothing but comments is no event.
    """

    __slots__ = ("_chunks", "_kept", "_rest", "_size", "_start", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._start: bytes | None = b""  # what may become a byte order mark; None: it is over
        self._rest = b""  # an end of a line that may be the first of two
        self._chunks: list[bytes] = []  # of the event under way
        self._kept = self._size = 0

    def feed(self, payload: bytes) -> list[Block]:
        """The events that `payload` completes."""
        if self._start is not None:
            payload = self._start + payload
            if len(payload) < len(BOM) and BOM.startswith(payload):
                self._start = payload
                return []
            self._start = None
            payload = payload.removeprefix(BOM)
        data = self._rest + payload if self._rest else payload
        self._rest = b""
        found: list[Block] = []
        at = 0 if self._size else _skip(data, 0)
        is_in = b"\n\n" in data or b"\n\r" in data or b"\r\r" in data  # ten times as fast
        while is_in and (match := _BLANK.search(data, at)) is not None:
            self._add(data[at : match.start()])
            block = self._take(0)
            if block is not None:
                found.append(block)
            at = _skip(data, match.end())
        end = len(data)
        while end > at and data[end - 1] in b"\r\n":  # two at most
            end -= 1
        self._rest = data[end:]
        self._add(data[at:end])
        return found

    def end(self) -> Block | None:
        """The event that was under way when the stream ended; a browser forgets it."""
        if self._start:
            self._add(self._start)
            self._start = None
        return self._take(INCOMPLETE)

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        data = data[: self.limit - self._kept]
        if data:
            self._chunks.append(data)
            self._kept += len(data)

    def _take(self, flags: int) -> Block | None:
        data, size = b"".join(self._chunks), self._size
        self._chunks = []
        self._kept = self._size = 0
        if not _FIELD.search(data):
            return None
        return Block(data, size, flags | (TRUNCATED if size > len(data) else 0))


def _skip(data: bytes, at: int) -> int:
    """Where the ends of lines from `at` on are over: blank lines between events say nothing."""
    while at < len(data) and data[at] in b"\r\n":
        at += 1
    return at


@dataclass(slots=True)
class Event:
    """What a block says; None for what it does not. `comments` are its lines that say nothing."""

    event: str | None = None
    id: str | None = None
    retry: int | None = None
    data: str | None = None
    comments: list[str] = field(default_factory=list)


def parse_event(block: bytes) -> Event:
    """The event of a block (WHATWG HTML 9.2.6). Never fails: what is no field is ignored."""
    event = Event()
    data: list[str] = []
    for line in _LINE_END.split(block):
        name, _, rest = line.partition(b":")
        value = rest.removeprefix(b" ").decode("utf-8", "replace")
        if not line:
            continue
        if not name:
            event.comments.append(value)
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            event.event = value
        elif name == b"id" and "\0" not in value:
            event.id = value
        elif name == b"retry" and value.isascii() and value.isdigit() and len(value) < 16:
            event.retry = int(value)
    if data:
        event.data = "\n".join(data)
    return event
