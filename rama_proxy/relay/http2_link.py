"""An HTTP/2 connection on a channel, shared by many tasks.

Nobody waits for the connection itself: what comes is read in the callback that brings it, and
goes to the streams, whose tasks wake. What they write goes out by `http2_output`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rama_proxy.errors import (
    PeerClosed,
    ProtocolError,
    RamaError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.model.headers import Field, Headers
from rama_proxy.net.channel import Channel, monotonic
from rama_proxy.net.sweeper import Sweeper
from rama_proxy.net.waiting import CLOSING, Signal
from rama_proxy.protocols import http2_events as events
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_events import Code, code_name
from rama_proxy.protocols.http2_limits import Limits
from rama_proxy.relay.http2_output import Output
from rama_proxy.relay.http2_stream import Http2Stream

# seconds; curl 7.88 takes a RST_STREAM that comes with the response for a failure
RESET_DELAY = 0.1


class Link:
    """One connection. `ended` is set when it is over, `error` says why, `fault` that the peer
    broke the protocol; `over` wakes then.

    `on_request` gets the requests of a client, and the faults of a stream that has none.
    """

    def __init__(self, channel: Channel, sweeper: Sweeper, limits: Limits, *, client: bool) -> None:
        """`client`: we are the client, the peer is a server."""
        self.channel = channel
        self.client_side = client
        self.http2 = Http2Connection(client_side=client, limits=limits)
        self.streams: dict[int, Http2Stream] = {}
        self.ended = False
        self.error: RamaError | None = None
        self.fault: ProtocolError | None = None
        self.settled = False  # the peer's SETTINGS came
        self.over = Signal()
        self.on_request: Callable[[events.RequestHead | events.Fault], None] | None = None
        self.on_change: Callable[[], None] | None = None  # after all that came at once
        self.waiting: dict[Signal, None] = {}  # for a stream, or for the peer's SETTINGS
        self._sweeper = sweeper
        self.output = Output(channel, self.http2)
        self._more: asyncio.Handle | None = None  # reads the rest of what came
        self._started = False
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin: send our preface, read what is in the buffer, and what comes from then on."""
        self.channel.phase = None
        self.channel.watch = self._changed
        self._changed()
        self.output.schedule()

    def detach(self) -> None:
        """Send what is left and read no more."""
        if self._more is not None:
            self._more.cancel()
        self.output.flush()
        self.channel.watch = None

    def retire(self) -> None:
        """Say that no more will come, and close. Only where no stream is open."""
        if not self.ended:
            self.http2.goaway(Code.NO_ERROR, final=True)
            self.output.flush()
            self.channel.close()

    # --- what the relay does

    def make_stream(self, number: int = 0) -> Http2Stream:
        """The channel of stream `number`, which the peer opened, or of one to be opened."""
        stream = Http2Stream(self, number, self.channel.info)
        if number:
            self._add(stream)
        return stream

    def _add(self, stream: Http2Stream) -> None:
        self.streams[stream.number] = stream
        self._sweeper.watch(stream)

    def open(
        self, stream: Http2Stream, pseudo: list[Field], headers: Headers, *, end: bool
    ) -> None:
        """Open `stream` with a request. Raises ProtocolError for fields that cannot be sent."""
        try:
            stream.number = self.http2.open(pseudo, headers, end_stream=end)
        except PeerClosed as error:
            raise UpstreamError(str(error)) from error
        stream.ending = stream.ended = end
        self._add(stream)
        self.output.schedule()

    def send_head(self, stream: Http2Stream, status: int, headers: Headers, *, end: bool) -> None:
        """Send a response's head. Raises ProtocolError for fields that cannot be sent."""
        if not stream.lost:
            self.http2.send_head(stream.number, status, headers, end_stream=end)
            if end:
                stream.ending = stream.ended = True
                self.settle(stream)
            self.output.schedule()

    def acknowledge(self, stream: Http2Stream, size: int) -> None:
        """`size` bytes that came on `stream` were used up."""
        self.http2.acknowledge(stream.number, size)
        if self.http2.has_output:
            self.output.schedule()

    def reset(self, stream: Http2Stream, code: int) -> None:
        """End `stream` with RST_STREAM, if it has not ended."""
        if stream.lost:
            return
        self.http2.reset(stream.number, code)
        self._forget(stream)
        self.output.schedule()

    def settle(self, stream: Http2Stream) -> None:
        """Forget a stream that has ended both ways, or on which no more is wanted."""
        if not stream.ended or stream.lost:
            return
        if self.http2.is_over(stream.number):  # `eof` may say that its time was over
            self._forget(stream)
        elif stream.phase is CLOSING and not self.client_side:
            # RFC 9113 8.1: what the client still sends is not wanted.
            self._loop.call_later(RESET_DELAY, self.reset, stream, Code.NO_ERROR)

    @property
    def usable(self) -> bool:
        """Whether it takes new streams, at once or later."""
        return not (self.ended or self.http2.refusing or self.http2.closed or self.channel.eof)

    # --- what comes in

    def _changed(self) -> None:
        """The channel has changed: read what came, and see whether it has ended."""
        channel = self.channel
        if channel.buf and not self.ended and self._more is None:
            self._receive()
        read = not channel.buf and self._more is None
        if (self.http2.closed or (channel.eof and read)) and not self.ended:
            self._finish()
        if self.output.ready or self.http2.has_output:
            self.output.schedule()

    def _receive(self) -> None:
        """Read what came, or a part: then the rest when others have had their turn."""
        data, self.channel.buf = self.channel.buf, bytearray()
        received = self.http2.receive_part(data, monotonic())
        if self.http2.has_more:
            self._more = self._loop.call_soon(self._read_on)
        self.channel.before_wait()
        for event in received:
            take = _TAKE.get(type(event))
            if take is not None:
                take(self, event)
        if self.on_change is not None:
            self.on_change()

    def _read_on(self) -> None:
        self._more = None
        if not self.ended:
            self._receive()
        self._changed()

    def _on_request(self, event: events.RequestHead) -> None:
        self._note_start()
        if self.on_request is not None:
            self.on_request(event)

    def _on_head(self, event: events.ResponseHead | events.InformationalHead) -> None:
        self._note_start()
        stream = self.streams.get(event.stream)
        if stream is None:
            return
        stream.last = monotonic()
        stream.heads.append(event)
        if isinstance(event, events.ResponseHead) and event.end_stream:
            self._remote_end(stream)
        stream.wake()

    def _note_start(self) -> None:
        if not self._started:
            self._started = True
            self.channel.info.h2_start = self.http2.start.raw

    def _on_data(self, event: events.Data) -> None:
        stream = self.streams.get(event.stream)
        if stream is None:
            self.http2.acknowledge(event.stream, event.flow_length)
            return
        stream.took(event.payload, event.flow_length)
        if event.end_stream:
            self._remote_end(stream)

    def _on_trailers(self, event: events.Trailers) -> None:
        stream = self.streams.get(event.stream)
        if stream is not None:
            stream.trailers = event.headers
            self._remote_end(stream)

    def _remote_end(self, stream: Http2Stream) -> None:
        stream.eof = True
        stream.wake()
        self.settle(stream)

    def _on_reset(self, event: events.StreamReset) -> None:
        stream = self.streams.get(event.stream)
        if stream is not None:
            reason = f"the {self._peer} reset the stream: {code_name(event.code)}"
            if self.client_side and stream.eof and event.code == Code.NO_ERROR:
                self._forget(stream)  # its response is whole (RFC 9113 8.1)
            else:
                self._fail(stream, reason, event.code)

    def _on_fault(self, event: events.Fault) -> None:
        if not event.stream:
            self.fault = ProtocolError(event.message)
            return
        stream = self.streams.get(event.stream)
        if stream is not None:
            self._fail(stream, f"the {self._peer} broke HTTP/2: {event.message}", event.code)
        elif self.on_request is not None:
            self.on_request(event)

    def _on_settings(self, event: events.SettingsChanged) -> None:
        self.settled = True
        self._wake_waiting()

    def _on_window(self, event: events.WindowOpened) -> None:
        if event.stream:
            stream = self.streams.get(event.stream)
            if stream is not None and stream.out:
                self.output.sends(stream)
            return
        for stream in self.streams.values():
            if stream.out:
                self.output.sends(stream)

    def _on_goaway(self, event: events.GoAway) -> None:
        if self.client_side and not self.streams:
            self._loop.call_soon(self._leave)
        said = f": {event.debug[:100]!r}" if event.debug else ""
        self.error = self._problem(f"the {self._peer} ended HTTP/2, {code_name(event.code)}{said}")
        self.error.code = event.code
        self._wake_waiting()

    # --- ends

    @property
    def _peer(self) -> str:
        return "server" if self.client_side else "client"

    def _problem(self, reason: str) -> UpstreamError | PeerClosed:
        return UpstreamError(reason) if self.client_side else PeerClosed(reason)

    def _fail(self, stream: Http2Stream, reason: str, code: int) -> None:
        error = self._problem(reason)
        error.code = code
        self._drop(stream)
        stream.fail(error)

    def _forget(self, stream: Http2Stream) -> None:
        """A stream has ended as it should; what came on it can still be read."""
        self._drop(stream)
        stream.gone_for_good()

    def _drop(self, stream: Http2Stream) -> None:
        self.streams.pop(stream.number, None)
        self.output.ready.pop(stream, None)
        self._wake_waiting()
        if not self.streams:
            if self.client_side and self.http2.refusing and not self.ended:
                self._loop.call_soon(self._leave)
            if self.on_change is not None:
                self.on_change()

    def _leave(self) -> None:
        """Close after a GOAWAY, when the last stream has ended."""
        if not self.streams and not self.ended:
            self.output.flush()
            self.channel.close()

    def _wake_waiting(self) -> None:
        for signal in self.waiting:
            signal.wake()

    def _finish(self) -> None:
        """The connection is over: so is every stream."""
        self.ended = True
        channel = self.channel
        cause = self.fault or channel.error or self.error
        for stream in list(self.streams.values()):
            if self.client_side and stream.eof and stream.error is None:
                self._forget(stream)  # its response is whole
                continue
            self._drop(stream)
            stream.fail(self._ending(cause))
        self.error = cause
        self._wake_waiting()
        if self.client_side:
            if self.fault is not None:
                channel.info.error = channel.info.error or str(self.fault)
            self.output.flush()  # our GOAWAY
            channel.close()
        self.over.wake()

    def _ending(self, cause: RamaError | None) -> RamaError:
        """What a stream is told of the end of its connection."""
        if not self.client_side:
            return PeerClosed(f"the client's connection ended{_because(cause)}")
        kind = UpstreamTimeout if isinstance(cause, UpstreamTimeout) else UpstreamError
        return kind(f"the server's connection ended{_because(cause)}")


def _because(cause: RamaError | None) -> str:
    return f": {cause}" if cause is not None else ""


_TAKE: dict[type, Callable[[Link, Any], None]] = {
    events.RequestHead: Link._on_request,
    events.ResponseHead: Link._on_head,
    events.InformationalHead: Link._on_head,
    events.Data: Link._on_data,
    events.Trailers: Link._on_trailers,
    events.StreamReset: Link._on_reset,
    events.Fault: Link._on_fault,
    events.SettingsChanged: Link._on_settings,
    events.WindowOpened: Link._on_window,
    events.GoAway: Link._on_goaway,
}
