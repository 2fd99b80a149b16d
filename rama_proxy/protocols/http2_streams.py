"""The streams of one HTTP/2 connection and the windows both ways (RFC 9113 5.1, 5.2, 6.9).

A stream is kept until both halves have ended and all that came on it was acknowledged; then
nothing of it is left. Knows no frames' bytes: what it gives to send are increments.
"""

from __future__ import annotations

from rama_proxy.errors import Http2Error
from rama_proxy.model.headers import Field
from rama_proxy.protocols.http2_events import Code
from rama_proxy.protocols.http2_frames import MAX_WINDOW
from rama_proxy.protocols.http2_limits import Limits

INITIAL_WINDOW = 65535  # of every connection, and of streams until SETTINGS (RFC 9113 6.9.2)
MAX_REMEMBERED = 1024  # streams that we reset, on which frames may still be under way


class Stream:
    """One stream. `held` bytes came and were not acknowledged, `spent` are not announced yet."""

    __slots__ = (
        "counted",
        "expected",
        "got",
        "head_done",
        "held",
        "informational",
        "is_head",
        "local_done",
        "number",
        "remote_done",
        "spent",
        "window_in",
        "window_out",
    )

    def __init__(self, number: int, window_in: int, window_out: int) -> None:
        self.number = number
        self.window_in = window_in
        self.window_out = window_out
        self.expected: int | None = None  # the body's length, where the peer said it
        self.got = 0
        self.held = 0
        self.spent = 0
        self.informational = 0  # bytes of the peer's 1xx heads
        self.counted = True  # against MAX_CONCURRENT_STREAMS
        self.is_head = False  # the request was HEAD: its response has no body
        self.head_done = False  # the peer's head, past all 1xx, has come
        self.remote_done = False
        self.local_done = False


class Streams:
    """All streams that are known, and the connection's windows."""

    __slots__ = (
        "_credit",
        "_limits",
        "_reset",
        "active",
        "initial_out",
        "known",
        "window_in",
        "window_out",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._credit = 0  # acknowledged on the connection, not announced yet
        self._reset: dict[int, None] = {}
        self.known: dict[int, Stream] = {}
        self.active = 0  # streams that count against MAX_CONCURRENT_STREAMS (RFC 9113 5.1.2)
        self.window_in = max(limits.connection_window, INITIAL_WINDOW)
        self.window_out = INITIAL_WINDOW
        self.initial_out = INITIAL_WINDOW

    def add(self, number: int) -> Stream:
        """A new stream."""
        stream = Stream(number, self._limits.stream_window, self.initial_out)
        self.known[number] = stream
        self.active += 1
        return stream

    def settle(self, stream: Stream) -> None:
        """Forget `stream` if it has come to its end on both sides and was read."""
        if stream.local_done and stream.remote_done:
            self._uncount(stream)
            if not stream.held:
                self.known.pop(stream.number, None)

    def drop(self, stream: Stream, *, by_us: bool) -> None:
        """Forget `stream` at once; what it held counts as acknowledged."""
        self.known.pop(stream.number, None)
        self._uncount(stream)
        self._credit += stream.held
        stream.held = 0
        if by_us:
            self._reset[stream.number] = None
            if len(self._reset) > MAX_REMEMBERED:
                del self._reset[next(iter(self._reset))]

    def _uncount(self, stream: Stream) -> None:
        self.active -= stream.counted
        stream.counted = False

    def was_reset(self, number: int) -> bool:
        """Whether we reset this stream lately: what still comes on it is to be ignored."""
        return number in self._reset

    # --- what comes in

    def take(self, size: int) -> None:
        """Count `size` bytes against the connection's window. Raises Http2Error."""
        self.window_in -= size
        if self.window_in < 0:
            raise Http2Error(
                Code.FLOW_CONTROL_ERROR,
                f"{-self.window_in} bytes beyond the connection's window (RFC 9113 6.9.1)",
            )

    def take_on(self, stream: Stream, size: int) -> None:
        """Count `size` bytes against the window of `stream`. Raises Http2Error."""
        stream.held += size
        stream.window_in -= size
        if stream.window_in < 0:
            raise Http2Error(
                Code.FLOW_CONTROL_ERROR,
                f"{-stream.window_in} bytes beyond the stream's window (RFC 9113 6.9.1)",
                stream.number,
            )

    def ignore(self, size: int) -> None:
        """Hand back `size` bytes of a stream that is gone."""
        self._credit += size

    def acknowledge(self, number: int, size: int) -> int:
        """Note that `size` bytes were passed on; the increment to announce on the stream, or 0."""
        stream = self.known.get(number)
        if stream is None:
            return 0
        size = min(size, stream.held)
        stream.held -= size
        self._credit += size
        if stream.remote_done:
            self.settle(stream)
            return 0
        stream.spent += size
        if stream.spent * 4 < self._limits.stream_window:
            return 0
        increment, stream.spent = stream.spent, 0
        stream.window_in += increment
        return increment

    def connection_increment(self) -> int:
        """The increment to announce on the connection, or 0."""
        if self._credit * 2 < self._limits.connection_window:
            return 0
        increment, self._credit = self._credit, 0
        self.window_in += increment
        return increment

    # --- what goes out

    def open_window(self, number: int, increment: int) -> bool:
        """The peer's WINDOW_UPDATE; False for a stream that is gone. Raises Http2Error."""
        if number and number not in self.known:
            return False
        if not increment:
            raise Http2Error(Code.PROTOCOL_ERROR, "WINDOW_UPDATE by 0 (RFC 9113 6.9)", number)
        if not number:
            self.window_out += increment
            if self.window_out > MAX_WINDOW:
                raise _too_wide(0)
            return True
        stream = self.known[number]
        stream.window_out += increment
        if stream.window_out > MAX_WINDOW:
            raise _too_wide(number)
        return True

    def change_initial(self, size: int) -> None:
        """The peer's INITIAL_WINDOW_SIZE changed (RFC 9113 6.9.2). Raises Http2Error."""
        change = size - self.initial_out
        self.initial_out = size
        for stream in self.known.values():
            stream.window_out += change
            if stream.window_out > MAX_WINDOW:
                raise _too_wide(0)

    def room(self, stream: Stream) -> int:
        """Bytes that may be sent on `stream`; SETTINGS can have made a window negative."""
        return max(0, min(self.window_out, stream.window_out))


def _too_wide(stream: int) -> Http2Error:
    return Http2Error(
        Code.FLOW_CONTROL_ERROR, "a window of more than 2**31 - 1 bytes (RFC 9113 6.9.1)", stream
    )


def wrong_length(stream: Stream, fields: list[Field]) -> Http2Error:
    """The error for a body of another length than announced."""
    return Http2Error(
        Code.PROTOCOL_ERROR,
        f"body of {stream.got} bytes, content-length {stream.expected} (RFC 9113 8.1.1)",
        stream.number,
        fields,
    )
