"""What goes out on an HTTP/2 connection: all that was written in a turn of the loop, in one piece.

Data takes turns among the streams, a slice each, so that none waits for another's large body, and
none goes out that the peer, its window or the wire does not take.
"""

from __future__ import annotations

import asyncio

from rama_proxy.errors import PeerClosed, ProtocolError
from rama_proxy.net.channel import Channel
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_events import Code
from rama_proxy.relay.http2_stream import Http2Stream

SLICE = 64 * 1024  # bytes of one stream that go out before others have their turn
ALONE = 512 * 1024  # the same where there are no others


class Output:
    """Writes for one connection. `ready` are the streams that have something, and a window."""

    __slots__ = ("_channel", "_http2", "_loop", "_scheduled", "ready")

    def __init__(self, channel: Channel, http2: Http2Connection) -> None:
        self.ready: dict[Http2Stream, None] = {}
        self._channel = channel
        self._http2 = http2
        self._scheduled = False
        self._loop = asyncio.get_running_loop()

    def sends(self, stream: Http2Stream) -> None:
        """`stream` has something to send."""
        self.ready[stream] = None
        self.schedule()

    def schedule(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write frames until nothing is left, or the peer does not take more."""
        self._scheduled = False
        channel, http2, ready = self._channel, self._http2, self.ready
        while not channel.lost:
            if ready and not channel.stalled and not http2.closed:
                size = SLICE if len(ready) > 1 else ALONE
                for stream in tuple(ready):
                    self._push(stream, size)
            if http2.has_output:
                channel.write(http2.data_to_send())
            if not ready or channel.stalled or http2.closed:
                break

    def _push(self, stream: Http2Stream, size: int) -> None:
        """Send up to `size` bytes of what `stream` has, as far as its window goes."""
        out, number = stream.out, stream.number
        fields = stream.last_fields
        try:
            while out:
                piece = memoryview(out[0])[stream.skip : stream.skip + size]
                whole = len(piece) == stream.waiting
                last = whole and stream.ending and not (fields and fields.fields)
                sent = self._http2.send_data(number, piece, end_stream=last)
                if sent < len(piece):
                    self.ready.pop(stream, None)  # until a window opens
                if sent:
                    stream.pushed(sent)
                size -= sent
                if sent < len(piece) or (not size and out):
                    return
                stream.ended = last
            if stream.ending and not stream.ended:
                self._send_end(stream)
        except PeerClosed:
            out.clear()  # the stream is gone; its task knows, or gets to know
        self.ready.pop(stream, None)
        stream.link.settle(stream)

    def _send_end(self, stream: Http2Stream) -> None:
        fields = stream.last_fields
        try:
            if fields is not None and fields.fields:
                self._http2.send_trailers(stream.number, fields)
            else:
                self._http2.end(stream.number)
        except ProtocolError:
            self._http2.reset(stream.number, Code.INTERNAL_ERROR)
        stream.ended = True
