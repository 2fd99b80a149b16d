"""HTTP/2 frames read from bytes and checked one by one: all that needs no stream and no HPACK.

A header block comes out as one HEADERS frame, CONTINUATION joined, padding and priority gone.
What breaks RFC 9113 4 to 6 on this level, or comes too often, ends the connection.
"""

from __future__ import annotations

from typing import NamedTuple

from rama_proxy.errors import Http2Error
from rama_proxy.protocols.http2_events import Code
from rama_proxy.protocols.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEAD,
    GOAWAY,
    HAS_PRIORITY,
    HEAD,
    HEADERS,
    MAX_FRAME,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame_name,
    without_padding,
)
from rama_proxy.protocols.http2_limits import Flood, Limits

# RFC 9113 6: the one length of a payload, and whether the frame is on a stream.
_LENGTHS = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_ON_STREAM = {DATA: True, HEADERS: True, PRIORITY: True, RST_STREAM: True, SETTINGS: False}
_ON_STREAM |= {PUSH_PROMISE: True, PING: False, GOAWAY: False, CONTINUATION: True}
_COUNTED = {PRIORITY: "PRIORITY", RST_STREAM: "RST_STREAM", SETTINGS: "SETTINGS", PING: "PING"}
_COUNTED |= {WINDOW_UPDATE: "WINDOW_UPDATE", GOAWAY: "GOAWAY"}
_NOT_COUNTED = {DATA, HEADERS, CONTINUATION, PUSH_PROMISE}
_HANDED_ON = {RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE}


class Frame(NamedTuple):
    """One frame; of HEADERS the payload is the whole block, of DATA that of some in a row."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class FrameReader:
    """Takes bytes, gives frames. Time is only passed on to the counters."""

    __slots__ = ("_block", "_buf", "_flood", "_heads", "_limits", "_parts", "_preface", "_settled")

    def __init__(self, limits: Limits, flood: Flood, *, preface: bool) -> None:
        self._buf = bytearray()
        self._limits = limits
        self._flood = flood
        self._preface = preface
        self._settled = False  # the first frame, SETTINGS, has come
        self._block: Frame | None = None  # a HEADERS frame that waits for its CONTINUATION
        self._heads = 0  # whole ones so far
        self._parts = 0

    @property
    def half_head(self) -> int:
        """A number for the head that has begun and is not whole, 0 where none has."""
        buf = self._buf
        begun = self._block is not None or (len(buf) > 3 and buf[3] == HEADERS)
        return self._heads + 1 if begun else 0

    def feed(self, data: bytes | bytearray) -> None:
        """Take bytes as they came; a bytearray becomes the reader's own."""
        if self._buf or type(data) is bytes:
            self._buf += data
        else:
            self._buf = data if type(data) is bytearray else bytearray(data)

    def next(self, now: float) -> Frame | None:
        """The next frame, None without a whole one. Raises Http2Error; then all is over."""
        if self._preface and not self._skip_preface():
            return None
        buf = self._buf
        while len(buf) >= FRAME_HEAD:
            high, low, kind, flags, stream = HEAD.unpack_from(buf)
            length = high << 8 | low
            if length > MAX_FRAME:
                raise Http2Error(
                    Code.FRAME_SIZE_ERROR,
                    f"{frame_name(kind)} of {length} bytes, {MAX_FRAME} allowed (RFC 9113 4.2)",
                )
            end = FRAME_HEAD + length
            if len(buf) < end:
                if not self._settled:
                    self._check_first(kind, flags)
                return None
            frame = Frame(kind, flags, stream & 0x7FFFFFFF, bytes(memoryview(buf)[FRAME_HEAD:end]))
            if kind == DATA and length and not flags & (END_STREAM | PADDED):
                frame, end = self._join(frame, end)
            del buf[:end]
            found = self._check(frame, now)
            if found is not None:
                return found
        return None

    def _join(self, frame: Frame, end: int) -> tuple[Frame, int]:
        """A DATA frame with those that follow on its stream, as one, and where that ends.

        They mean the same; large bodies come in frames of 8 KiB, and each would cost its way up.
        """
        buf, flags = self._buf, frame.flags
        spans: list[tuple[int, int]] = []
        while len(buf) >= end + FRAME_HEAD and not flags & END_STREAM:
            high, low, kind, more, stream = HEAD.unpack_from(buf, end)
            start, last = end + FRAME_HEAD, end + FRAME_HEAD + (high << 8 | low)
            if kind != DATA or stream & 0x7FFFFFFF != frame.stream or more & PADDED:
                break
            if not start < last <= start + MAX_FRAME or len(buf) < last:
                break
            spans.append((start, last))
            end, flags = last, more
        if not spans:
            return frame, end
        with memoryview(buf) as view:
            payload = b"".join([frame.payload, *[view[start:last] for start, last in spans]])
        return Frame(DATA, flags, frame.stream, payload), end

    def _skip_preface(self) -> bool:
        buf = self._buf
        if not PREFACE.startswith(bytes(buf[: len(PREFACE)])):
            raise Http2Error(Code.PROTOCOL_ERROR, "no HTTP/2 connection preface (RFC 9113 3.4)")
        if len(buf) < len(PREFACE):
            return False
        del buf[: len(PREFACE)]
        self._preface = False
        return True

    def _check_first(self, kind: int, flags: int) -> None:
        if kind != SETTINGS or flags & ACK:
            raise Http2Error(
                Code.PROTOCOL_ERROR, f"{frame_name(kind)} before SETTINGS (RFC 9113 3.4)"
            )

    def _check(self, frame: Frame, now: float) -> Frame | None:
        """`frame`, or the header block that it completes; None where there is nothing to do."""
        kind, flags, stream, payload = frame
        if not self._settled:
            self._check_first(kind, flags)
            self._settled = True
        if self._block is not None and (kind != CONTINUATION or stream != self._block.stream):
            raise Http2Error(
                Code.PROTOCOL_ERROR, f"{frame_name(kind)} inside a header block (RFC 9113 4.3)"
            )
        if kind not in _NOT_COUNTED:
            self._count(_COUNTED.get(kind, "other frames"), now)
        on_stream = _ON_STREAM.get(kind)
        if on_stream is not None and on_stream != (stream != 0):
            raise Http2Error(
                Code.PROTOCOL_ERROR, f"{frame_name(kind)} on stream {stream} (RFC 9113 6)"
            )
        if kind == DATA:
            padding = payload[0] + 1 if flags & PADDED and payload else 0
            if len(payload) == padding and not flags & END_STREAM:
                self._count("empty DATA", now)
            return frame
        if kind == HEADERS:
            return self._begin_block(frame)
        if kind == CONTINUATION:
            return self._continue_block(frame)
        wrong = len(payload) != _LENGTHS.get(kind, len(payload))
        if kind == SETTINGS:
            wrong = bool(payload) if flags & ACK else len(payload) % 6 != 0
        if wrong or (kind == GOAWAY and len(payload) < 8):
            raise Http2Error(
                Code.FRAME_SIZE_ERROR,
                f"{frame_name(kind)} of {len(payload)} bytes (RFC 9113 6)",
            )
        # RFC 9113 5.3.2: priorities are no longer acted upon. 5.5: unknown frames are ignored.
        return frame if kind in _HANDED_ON else None

    def _begin_block(self, frame: Frame) -> Frame | None:
        block = without_padding(frame.flags, frame.payload)
        if block is None:
            raise Http2Error(Code.PROTOCOL_ERROR, "HEADERS with too much padding (RFC 9113 6.2)")
        if frame.flags & HAS_PRIORITY:
            if len(block) < 5:
                raise Http2Error(
                    Code.FRAME_SIZE_ERROR, "HEADERS without its priority (RFC 9113 6.2)"
                )
            block = block[5:]
        frame = frame._replace(payload=block)
        if frame.flags & END_HEADERS:
            self._heads += 1
            return frame
        self._block, self._parts = frame, 0
        return None

    def _continue_block(self, frame: Frame) -> Frame | None:
        begun = self._block
        if begun is None:
            raise Http2Error(Code.PROTOCOL_ERROR, "CONTINUATION without HEADERS (RFC 9113 6.10)")
        self._parts += 1
        limits = self._limits
        size = len(begun.payload) + len(frame.payload)
        if self._parts > limits.max_continuations or size > limits.max_header_block:
            raise Http2Error(
                Code.ENHANCE_YOUR_CALM,
                f"header block of {size} bytes in {self._parts} CONTINUATION; "
                f"{limits.max_header_block} bytes in {limits.max_continuations} allowed",
            )
        begun = begun._replace(payload=begun.payload + frame.payload)
        if frame.flags & END_HEADERS:
            self._heads += 1
            self._block = None
            return begun
        self._block = begun
        return None

    def _count(self, kind: str, now: float) -> None:
        flood = self._flood.count(kind, now)
        if flood:
            raise Http2Error(Code.ENHANCE_YOUR_CALM, flood)
