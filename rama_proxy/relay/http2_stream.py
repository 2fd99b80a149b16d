"""One stream of an HTTP/2 connection as a channel: what it carries, and how its end is told.

Its bytes are the payload of DATA frames. A task reads and writes it as it does a TCP connection;
`Link` moves what was written into frames as the windows allow, and opens the peer's window as
what came is used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rama_proxy.errors import ConnectionProblem, PeerClosed, RamaError
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
        "trailers",
        "unread",
    )

    shared = True

    def __init__(self, link: Link, number: int, info: ConnectionInfo) -> None:
        super().__init__(info)
        self.link = link
        self.number = number
        self.heads: list[InformationalHead | ResponseHead] = []
        self.trailers: Headers | None = None
        self.out = bytearray()
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
        self.buf += self._decrypt(payload) if self.engines else payload
        self.wake()

    def acknowledge(self) -> None:
        """Open the window for what was used up."""
        used = self.unread - len(self.buf)
        if used > 0:
            self.unread -= used
            self.link.acknowledge(self, used)

    def before_wait(self) -> None:
        if self.unread > len(self.buf):
            self.acknowledge()

    def take(self, most: int) -> bytes:
        """Up to `most` bytes of what came."""
        buf = self.buf
        if len(buf) <= most:
            data = bytes(buf)
            buf.clear()
        else:
            data = bytes(buf[:most])
            del buf[:most]
        self.acknowledge()
        return data

    # --- what goes out

    def _transmit(self, data: bytes | bytearray) -> None:
        if self.ending or self.lost:
            return
        out = self.out
        out += data
        if len(out) > HIGH_WATER and not self.stalled:
            self.stalled = True
            self.since = monotonic()
        self.link.sends(self)

    def pushed(self) -> None:
        """The link has sent a part of `out`."""
        self.since = monotonic()
        if self.stalled and len(self.out) <= HIGH_WATER // 2:
            self.stalled = False
            self.wake()

    def end(self, trailers: Headers | None = None) -> None:
        """End our half once all that was written is out, with `trailers`."""
        if self.ending or self.lost:
            return
        self.ending = True
        self.last_fields = trailers
        self.link.sends(self)

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
        self.acknowledge()

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


def code_of(error: BaseException | None) -> int | None:
    """The code with which a peer ended a stream or connection, None where it was no such end."""
    return error.code if isinstance(error, ConnectionProblem) else None


def client_left(reason: str, code: int | None = None) -> PeerClosed:
    """The error of a stream whose client is gone."""
    error = PeerClosed(reason)
    error.code = code
    return error
