"""WebSocket messages (RFC 6455, 7692): the bytes of one direction in, parts and messages out.

Judges for the record only: each part carries the bytes as they were on the wire, so that whoever
relays them passes on what came, malformed or not. Knows neither sockets nor time.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import NamedTuple

from rama_proxy.errors import ProtocolError
from rama_proxy.model.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INCOMPLETE,
    PING,
    PONG,
    TEXT,
    TRUNCATED,
    UNREAD,
)
from rama_proxy.protocols.websocket import (
    MAX_CONTROL,
    RSV1,
    FrameHeader,
    mask_bytes,
    parse_frame_header,
)
from rama_proxy.protocols.websocket_deflate import MAX_INFLATED, Deflate, Inflater

_KNOWN = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})


class Message:
    """One message, or control frame, of a direction.

    `data` is what was kept of it, `size` all of it, both decompressed if `compressed` is set.
    `flags` are those of model.websocket; `problem` says what is wrong with it, "" if nothing.
    """

    __slots__ = ("chunks", "compressed", "flags", "kept", "opcode", "problem", "size")

    def __init__(self, opcode: int, compressed: bool = False) -> None:
        self.opcode = opcode
        self.compressed = compressed
        self.chunks: list[bytes] = []
        self.kept = 0
        self.size = 0
        self.flags = 0
        self.problem = ""

    @property
    def data(self) -> bytes:
        """What was kept."""
        if len(self.chunks) > 1:
            self.chunks = [b"".join(self.chunks)]
        return self.chunks[0] if self.chunks else b""

    def add(self, data: bytes, limit: int) -> None:
        """Count `data`, and keep what fits below `limit` bytes."""
        self.size += len(data)
        room = limit - self.kept
        if len(data) > room:
            self.flags |= TRUNCATED
            data = data[:room]
        if data:
            self.chunks.append(data)
            self.kept += len(data)


class Part(NamedTuple):
    """Bytes of one frame as on the wire; `message` is there when they complete one.

    `unread`: the direction broke the protocol, and these bytes may be anything.
    """

    wire: bytes
    control: bool
    message: Message | None
    unread: bool = False


class MessageReader:
    """Reads one direction, however its bytes are cut.

    `masked` says whether its sender has to mask, `limit` how many bytes of a message are kept.
    `problem` is set once the direction broke the protocol: what follows comes back unread.
    """

    __slots__ = ("_compressed", "_control", "_frame", "_left", "_message", "_partial", "inflater",
                 "limit", "masked", "problem")  # fmt: skip

    def __init__(self, *, masked: bool, limit: int, deflate: Deflate | None = None) -> None:
        self.masked = masked
        self.limit = limit
        self.inflater = None if deflate is None else Inflater(deflate)
        self.problem = ""
        self._partial = b""  # of a header
        self._frame: FrameHeader | None = None
        self._left = 0  # bytes of its payload to come
        self._message: Message | None = None  # a data message under way
        self._control: Message | None = None

    @property
    def idle(self) -> bool:
        """Whether no frame or message is under way: one may be put in between."""
        return self._message is None and self._frame is None and not self._partial

    @property
    def in_header(self) -> bool:
        """Whether a piece of a header waits for its rest."""
        return bool(self._partial)

    def feed(self, data: bytes) -> list[Part]:
        """The parts that `data` adds. A piece of a header waits for its rest and is in no part."""
        if self._partial:
            data = self._partial + data
            self._partial = b""
        parts: list[Part] = []
        at, size = 0, len(data)
        while at < size:
            start = at
            frame = self._frame
            if frame is None:
                try:
                    found = None if self.problem else parse_frame_header(data, at)
                    if found is not None:
                        self._begin(found[0])
                except ProtocolError as error:
                    self.problem = str(error)
                if self.problem:
                    parts.append(Part(data[start:], False, None, True))
                    break
                if found is None:
                    self._partial = data[start:]
                    break
                frame = found[0]
                at += found[1]
            control = frame.opcode >= CLOSE
            if self._left:
                taken = min(self._left, size - at)
                if taken:
                    self._add(frame, data[at : at + taken])
                    at += taken
            message = None if self._left else self._end(frame)
            parts.append(Part(data[start:at], control, message))
        return parts

    def unfinished(self) -> Message | None:
        """The data message that was under way when the connection ended."""
        message = self._message
        if message is not None:
            message.flags |= INCOMPLETE
        return message

    def take_partial(self) -> bytes:
        """The piece of a header that waits; it is read no further."""
        partial, self._partial = self._partial, b""
        return partial

    # --- a frame

    def _begin(self, frame: FrameHeader) -> None:
        """Check what a header says, and make ready for its payload. Raises ProtocolError."""
        opcode = frame.opcode
        if opcode not in _KNOWN:
            raise ProtocolError(f"reserved opcode {opcode} (RFC 6455 5.2)")
        if bool(frame.mask) is not self.masked:
            raise ProtocolError(
                f"frame that is {'not ' if self.masked else ''}masked (RFC 6455 5.1)"
            )
        first = opcode in (TEXT, BINARY)
        if frame.rsv and not (frame.rsv == RSV1 and first and self.inflater is not None):
            raise ProtocolError(f"reserved bits {frame.rsv:03b} (RFC 6455 5.2)")
        if opcode >= CLOSE:
            if frame.length > MAX_CONTROL or not frame.fin:
                raise ProtocolError(
                    f"control frame of {frame.length} bytes" if frame.fin
                    else "control frame in fragments"
                )  # fmt: skip
            self._control = Message(opcode)
        elif first:
            if self._message is not None:
                raise ProtocolError("a message begins inside another (RFC 6455 5.4)")
            message = self._message = Message(opcode, bool(frame.rsv))
            if message.compressed and self.inflater is not None and self.inflater.lost:
                message.flags |= UNREAD
        elif self._message is None:
            raise ProtocolError("continuation of no message (RFC 6455 5.4)")
        self._frame = frame
        self._left = frame.length

    def _add(self, frame: FrameHeader, data: bytes) -> None:
        before = frame.length - self._left
        self._left -= len(data)
        if frame.opcode >= CLOSE:
            message, limit = self._control, MAX_CONTROL
        else:
            message, limit = self._message, self.limit
        assert message is not None
        reading = message.compressed and not message.flags & UNREAD
        if not reading and message.kept >= limit:
            message.size += len(data)
            message.flags |= TRUNCATED
            return
        if frame.mask:
            turn = before & 3
            data = mask_bytes(data, frame.mask[turn:] + frame.mask[:turn] if turn else frame.mask)
        if reading:
            self._inflate(message, data, last=False)
        else:
            message.add(data, limit)

    def _inflate(self, message: Message, data: bytes, *, last: bool) -> None:
        inflater = self.inflater
        if inflater is None or message.problem:
            return
        room = MAX_INFLATED - message.size
        try:
            out = inflater.end(room) if last else inflater.inflate(data, room)
        except ProtocolError as error:
            message.problem = str(error)
            message.flags |= TRUNCATED
            return
        if len(out) > room:
            message.problem = f"more than {MAX_INFLATED} bytes decompressed, not read further"
        message.add(out, min(self.limit, MAX_INFLATED))

    def _end(self, frame: FrameHeader) -> Message | None:
        """The message that the end of `frame` completes."""
        self._frame = None
        if frame.opcode >= CLOSE:
            control, self._control = self._control, None
            return control
        if not frame.fin:
            return None
        message, self._message = self._message, None
        assert message is not None
        if message.compressed and not message.flags & UNREAD:
            self._inflate(message, b"", last=True)
        if message.opcode == TEXT and not message.flags & UNREAD and not _is_text(message):
            message.problem = message.problem or "text that is no UTF-8 (RFC 6455 8.1)"
        return message


def _is_text(message: Message) -> bool:
    try:
        utf_8_decode(message.data, "strict", not message.flags & TRUNCATED)
    except UnicodeDecodeError:
        return False
    return True
