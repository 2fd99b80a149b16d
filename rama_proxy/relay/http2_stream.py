"""One stream of an HTTP/2 connection as a channel: what it carries, and how its end is told.

Its bytes are the payload of DATA frames. A task reads and writes it as it does a TCP connection;
`http2_output` moves what was written into frames as the windows allow, and the peer's window opens
as what came is used up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rama_proxy.errors import RamaError
from rama_proxy.model.body import GROWN, SMALL
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.headers import Headers
from rama_proxy.net.channel import Channel, monotonic
from rama_proxy.net.waiting import CLOSING
from rama_proxy.protocols.http2_events import Code, InformationalHead, ResponseHead

if TYPE_CHECKING:
    from rama_proxy.relay.http2_link import Link

HIGH_WATER = 256 * 1024  # bytes that wait for a window before the relay is made to wait


class Http2Stream(Channel):
    """Stream `number` of a connection. `info` is the connection's, which others share.

    `heads` are response heads that came and were not read; `trailers` came at the end. `out` waits
    for a window; with `ending` the end follows it, and `last_fields` are its trailers.
    """

    __slots__ = (
        "ended",
        "ending",
        "heads",
        "last_fields",
        "link",
        "number",
        "out",
        "parts",
        "skip",
        "trailers",
        "tunnelled",
        "unread",
        "waiting",
    )

    shared = True

    def __init__(self, link: Link, number: int, info: ConnectionInfo) -> None:
        super().__init__(info)
        self.link = link
        self.number = number
        self.heads: list[InformationalHead | ResponseHead] = []
        self.trailers: Headers | None = None
        self.parts: deque[bytes] = deque()  # of a body; what a tunnel carries is in `buf`
        self.tunnelled = False
        self.out: deque[bytes] = deque()
        self.skip = 0  # bytes of the first piece of `out` that were sent
        self.waiting = 0  # bytes of `out` that were not
        self.ending = False
        self.ended = False  # END_STREAM was sent
        self.last_fields: Headers | None = None
        self.unread = 0  # bytes that came and were not acknowledged

    @property
    def left(self) -> bool:
        return self.lost  # to end its half is what a client does after each request

    @property
    def writable(self) -> bool:
        return not self.stalled and not (self.lost and self.error is not None)

    # --- what comes in, from the link

    def took(self, payload: bytes, flow_length: int) -> None:
        """DATA came; `flow_length` counts its padding."""
        self.last = monotonic()
        if self.phase is CLOSING:
            self.link.acknowledge(self, flow_length)  # nobody reads it any more
            return
        self.unread += flow_length
        if not self.tunnelled:
            _append(self.parts, payload)
        else:
            self.buf += self._decrypt(payload) if self.engines else payload
        self.wake()

    def become_tunnel(self) -> None:
        """What comes is no body from here on: it is read as from any connection."""
        self.tunnelled = True
        self.buf += b"".join(self.parts)
        self.parts.clear()

    def before_wait(self) -> None:
        """Open the window for what was used up."""
        held = len(self.buf)
        for part in self.parts:
            held += len(part)
        used = self.unread - held
        if used > 0:
            self.unread -= used
            self.link.acknowledge(self, used)

    def take(self, most: int) -> bytes:
        """Parts of the body that came, `most` bytes or one part; b"" without any."""
        parts = self.parts
        if not parts:
            return b""
        data = parts.popleft()
        if parts and len(data) + len(parts[0]) <= most:
            joined = [data]
            size = len(data)
            while parts and size + len(parts[0]) <= most:
                size += len(parts[0])
                joined.append(parts.popleft())
            data = b"".join(joined)
        self.before_wait()
        return data

    # --- what goes out

    def _transmit(self, data: bytes | bytearray) -> None:
        if self.ending or self.lost:
            return
        _append(self.out, data if type(data) is bytes else bytes(data))
        self.waiting += len(data)
        if self.waiting > HIGH_WATER and not self.stalled:
            self.stalled = True
            self.since = monotonic()
        self.link.output.sends(self)

    def pushed(self, size: int) -> None:
        """The link has sent `size` bytes of the first piece of `out`."""
        self.since = monotonic()
        self.waiting -= size
        self.skip += size
        if self.skip == len(self.out[0]):
            self.out.popleft()
            self.skip = 0
        if self.stalled and self.waiting <= HIGH_WATER // 2:
            self.stalled = False
            self.wake()

    def end(self, trailers: Headers | None = None) -> None:
        """End our half once all that was written is out, with `trailers`."""
        if self.ending or self.lost:
            return
        self.ending = True
        self.last_fields = trailers
        self.link.output.sends(self)

    def _end(self) -> None:
        self.end()

    def _shut(self) -> None:
        if self.link.client_side:
            self.abort(Code.CANCEL)
        else:
            self.end()
            self.link.settle(self)

    def close(self) -> None:
        super().close()
        self._discard()

    def _discard(self) -> None:
        """Drop what nobody will read; else the connection's window would lose it for good."""
        self.buf.clear()
        self.parts.clear()
        self.before_wait()

    def reset(self) -> None:
        """End the stream so that the peer sees a failure, not an end."""
        self.abort(Code.CANCEL)

    def abort(self, code: int) -> None:
        """End the stream with RST_STREAM; nothing where it has ended."""
        self.phase = None
        if not self.lost:
            self.link.reset(self, code)
        self._discard()

    def fail(self, error: RamaError) -> None:
        """The peer or its connection ended the stream before its time."""
        self.error = self.error or error
        self.gone_for_good()

    async def linger(self, phase: object) -> None:
        """Close. The peer may still be sending: RST_STREAM with NO_ERROR tells it to stop."""
        self.close()


def _append(pieces: deque[bytes], data: bytes) -> None:
    """Add a piece; small ones grow together: bytes objects of one byte cost forty times that."""
    if len(data) < SMALL and pieces and len(pieces[-1]) < GROWN:
        pieces[-1] += data
    elif data:
        pieces.append(data)
