"""Bodies on the wire: readers for each framing, and the chunked coding (RFC 9112 6 and 7).

A reader takes bytes from the front of a buffer that it does not own and gives back those wire
bytes, to be passed on as they are, with the payload in them. It takes all it can (of many tiny
chunks, some at a time) and never a byte beyond its message.
"""

from __future__ import annotations

import re

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Headers
from rama_proxy.protocols.http1_framing import Framing
from rama_proxy.protocols.http1_grammar import (
    REQUEST_FIELDS,
    RESPONSE_FIELDS,
    TOKEN,
    parse_fields,
    quoted,
    refuse_endless,
)

LAST_CHUNK = b"0\r\n\r\n"
MAX_CHUNK_LINE = 4096  # node and hyper 16k for all extensions, h11 the head's limit
MAX_CHUNKS = 1024  # read at once, about 3 ms
MAX_TRAILERS = 16 * 1024  # node counts them into its 16k for the head
MAX_TRAILER_FIELDS = 256

# RFC 9112 7.1 and 7.1.1
_SIZE = rb"([0-9A-Fa-f]{1,20}+)"  # as h11; leading zeros are padding
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_VALUE = rb"(?:" + TOKEN + rb"++|" + _QUOTED + rb")"
_EXTENSION = rb";[ \t]*+" + TOKEN + rb"++(?:[ \t]*+=[ \t]*+" + _VALUE + rb")?+"
# Nobody may send a blank before the semicolon, and h11 and llhttp both refuse it.
_REQUEST_CHUNK = re.compile(_SIZE + rb"(?:" + _EXTENSION + rb")*+\r\n")
# Servers used to pad the size with blanks, and some still do; browsers and h11 take it.
_RESPONSE_CHUNK = re.compile(_SIZE + rb"(?:[ \t]*+" + _EXTENSION + rb")*+[ \t]*+\r\n")
_CHUNK_START = re.compile(rb"[0-9A-Fa-f]{0,20}+(?:[ \t;][^\x00-\x08\x0a-\x1f\x7f]*+)?+\r?+\Z")

# RFC 9110 6.5.1: who merges trailers into the head would measure the message anew.
_FORBIDDEN_TRAILERS = {b"content-length", b"transfer-encoding", b"host"}


class BodyReader:
    """The body of a message that has none; base of the other readers.

    `done` once the end was read. `trailers` is set with it where the wire carried a trailer field.
    """

    __slots__ = ("done", "status", "trailers")

    def __init__(self, status: int) -> None:
        self.done = True
        self.trailers: Headers | None = None
        self.status = status

    def read(self, buf: bytearray) -> tuple[bytes, bytes]:
        """Wire bytes removed from the front of `buf`, and the payload in them.

        Raises ProtocolError with the framing's status.
        """
        return b"", b""

    def eof(self) -> None:
        """Take note that the peer closed. Raises ProtocolError if the body is not at its end."""
        if not self.done:
            raise ProtocolError(f"closed in the middle of the body, {self._rest()}", self.status)

    def _rest(self) -> str:
        return "0 bytes missing"


class LengthReader(BodyReader):
    """A body of a known number of bytes."""

    __slots__ = ("left", "length")

    def __init__(self, length: int, status: int) -> None:
        super().__init__(status)
        self.done = length == 0
        self.length = self.left = length

    def read(self, buf: bytearray) -> tuple[bytes, bytes]:
        """As BodyReader.read; both are the same bytes, copied once."""
        data = _take(buf, min(len(buf), self.left))
        self.left -= len(data)
        self.done = self.left == 0
        return data, data

    def _rest(self) -> str:
        return f"{self.left} of {self.length} bytes missing (RFC 9112 8)"


class CloseReader(BodyReader):
    """A body that ends where the connection does."""

    __slots__ = ()

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.done = False

    def read(self, buf: bytearray) -> tuple[bytes, bytes]:
        """As BodyReader.read; both are all that came."""
        data = _take(buf, len(buf))
        return data, data

    def eof(self) -> None:
        """Take note that the peer closed, which is the end."""
        self.done = True


class ChunkedReader(BodyReader):
    """A body in chunks (RFC 9112 7.1), extensions passed over, trailers kept."""

    __slots__ = ("_expect", "_left", "_line")

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.done = False
        self._line = _REQUEST_CHUNK if status == 400 else _RESPONSE_CHUNK
        self._expect = "size"
        self._left = 0

    def read(self, buf: bytearray) -> tuple[bytes, bytes]:
        """As BodyReader.read; size lines and trailers are taken once they are whole.

        At most MAX_CHUNKS chunks: a buffer of tiny ones would hold up who calls.
        """
        used, total = 0, len(buf)
        spans: list[tuple[int, int]] = []
        while used < total and not self.done and len(spans) < MAX_CHUNKS:
            if self._expect == "data":
                end = min(total, used + self._left)
                spans.append((used, end))
                self._left -= end - used
                if self._left == 0:
                    self._expect = "end"
            elif self._expect == "size":
                end = self._read_size(buf, used)
            elif self._expect == "end":
                end = self._read_end(buf, used)
            else:
                end = self._read_trailers(buf, used)
            if end == used:
                break
            used = end
        wire = _take(buf, used)
        if len(spans) == 1:
            return wire, wire[spans[0][0] : spans[0][1]]
        view = memoryview(wire)
        return wire, b"".join([view[start:end] for start, end in spans])

    def _read_size(self, buf: bytearray, start: int) -> int:
        line = self._line.match(buf, start)
        if line is None:
            self._refuse_size(buf, start)
            return start
        if line.end() - start > MAX_CHUNK_LINE:
            raise ProtocolError(f"chunk size line over {MAX_CHUNK_LINE} bytes", self.status)
        self._left = int(line[1], 16)
        if self._left >= 1 << 63:
            raise ProtocolError(f"chunk size {quoted(line[1])} is too large", self.status)
        self._expect = "data" if self._left else "trailers"
        return line.end()

    def _refuse_size(self, buf: bytearray, start: int) -> None:
        """Raise unless the line at `start` may become a size line."""
        end = buf.find(b"\n", start, start + MAX_CHUNK_LINE) + 1
        if end == 0 and len(buf) - start > MAX_CHUNK_LINE:
            raise ProtocolError(f"chunk size line over {MAX_CHUNK_LINE} bytes", self.status)
        if end == 0 and _CHUNK_START.match(buf, start):
            return
        line = bytes(buf[start : end or None])
        what = "bare LF in" if end and not line.endswith(b"\r\n") else "bad"
        shown = quoted(line.removesuffix(b"\r\n"))
        raise ProtocolError(f"{what} chunk size {shown} (RFC 9112 7.1)", self.status)

    def _read_end(self, buf: bytearray, start: int) -> int:
        end = bytes(buf[start : start + 2])
        if end == b"\r\n":
            self._expect = "size"
            return start + 2
        if end == b"\r":
            return start
        raise ProtocolError(f"{quoted(end)} where a chunk should end (RFC 9112 7.1)", self.status)

    def _read_trailers(self, buf: bytearray, start: int) -> int:
        if buf.startswith(b"\r\n", start):
            self.done = True
            return start + 2
        end = buf.find(b"\n\r\n", start) + 3
        if (end if end >= 3 else len(buf)) - start > MAX_TRAILERS:
            raise ProtocolError(f"trailers of more than {MAX_TRAILERS} bytes", self.status)
        if end < 3:
            refuse_endless(buf, start, self.status)
            return start
        block = bytes(buf[start:end])
        lines = block.count(b"\n") - 1
        if lines > MAX_TRAILER_FIELDS:
            raise ProtocolError(
                f"{lines} trailer fields, {MAX_TRAILER_FIELDS} allowed", self.status
            )
        grammar = REQUEST_FIELDS if self.status == 400 else RESPONSE_FIELDS
        fields = parse_fields(block, 0, lines, grammar, self.status)
        for name, _ in fields:
            if name.lower() in _FORBIDDEN_TRAILERS:
                raise ProtocolError(f"{quoted(name)} as a trailer (RFC 9110 6.5.1)", self.status)
        self.trailers = Headers.of(fields)
        self.done = True
        return end

    def _rest(self) -> str:
        return "before the last chunk (RFC 9112 8)"


def body_reader(framing: Framing) -> BodyReader:
    """A reader of one body; of none and tunnel it is done at once."""
    if framing.kind == "length":
        return LengthReader(framing.length, framing.status)
    if framing.kind == "chunked":
        return ChunkedReader(framing.status)
    if framing.kind == "close":
        return CloseReader(framing.status)
    return BodyReader(framing.status)


def chunk(data: bytes) -> bytes:
    """`data` as one chunk; nothing for no data, as an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: Headers | None = None) -> bytes:
    """The end of a chunked body, with its trailers (RFC 9112 7.1.2)."""
    return LAST_CHUNK if trailers is None else b"0\r\n%b\r\n" % bytes(trailers)


def _take(buf: bytearray, size: int) -> bytes:
    """The first `size` bytes, copied once, and removed from `buf`."""
    if size == len(buf):
        data = bytes(buf)
        buf.clear()
        return data
    with memoryview(buf) as view:
        data = bytes(view[:size])
    del buf[:size]
    return data
