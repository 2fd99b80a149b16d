"""The sending half of an HTTP/2 connection: heads, data and ends become frames (RFC 9113 6, 8)."""

from __future__ import annotations

from rama_proxy.errors import PeerClosed, ProtocolError
from rama_proxy.model.headers import Field, Headers
from rama_proxy.protocols import http2_fields as rules
from rama_proxy.protocols import http2_frames as wire
from rama_proxy.protocols.http2_engine import Engine
from rama_proxy.protocols.http2_inbound import Inbound
from rama_proxy.protocols.http2_limits import Limits
from rama_proxy.protocols.http2_start import ConnectionStart
from rama_proxy.protocols.http2_streams import INITIAL_WINDOW, Stream

MAX_FRAME_OUT = 64 * 1024  # where the peer takes more: other streams get a turn
_END = wire.END_STREAM


class Outbound(Inbound):
    """Sends. What was asked for on a stream that is gone raises PeerClosed."""

    def __init__(self, client_side: bool, limits: Limits, engine: Engine) -> None:
        super().__init__(client_side, limits, engine)
        self._out: list[bytes | memoryview] = []
        self._send_opening()

    def _send_opening(self) -> None:
        limits = self.limits
        settings = [
            (wire.INITIAL_WINDOW_SIZE, limits.stream_window),
            (wire.MAX_HEADER_LIST_SIZE, limits.max_header_list),
        ]
        if self.client_side:
            self._out.append(wire.PREFACE)
            settings.insert(0, (wire.ENABLE_PUSH, 0))
        else:
            settings.insert(0, (wire.MAX_CONCURRENT_STREAMS, limits.max_streams))
            if limits.connect_protocol:
                settings.append((wire.ENABLE_CONNECT_PROTOCOL, 1))
        self._out.append(wire.serialize_settings(settings))
        if limits.connection_window > INITIAL_WINDOW:
            self._out.append(wire.window_update(0, limits.connection_window - INITIAL_WINDOW))

    @property
    def start(self) -> ConnectionStart:
        """How the peer began, as far as that has come."""
        return self._recorder.start

    @property
    def active(self) -> int:
        """Streams that have not ended on both sides."""
        return self._streams.active

    @property
    def can_open(self) -> bool:
        """Whether the peer takes another stream."""
        if self.refusing or self.closed or self._highest >= wire.MAX_WINDOW - 2:
            return False
        return self.active < self._engine.max_streams

    @property
    def peer_connect_protocol(self) -> bool:
        """Whether the peer takes extended CONNECT (RFC 8441 3)."""
        return self._engine.connect_protocol

    @property
    def has_output(self) -> bool:
        """Whether there is something to be written to the peer."""
        return bool(self._out)

    def is_over(self, stream: int) -> bool:
        """Whether both halves of a stream have ended, or it is gone."""
        one = self._streams.known.get(stream)
        return one is None or (one.local_done and one.remote_done)

    def data_to_send(self) -> bytes:
        """What is to be written to the peer; it is then no longer here."""
        out, self._out = self._out, []
        return b"".join(out)

    # --- heads

    def open(self, pseudo: list[Field], headers: Headers, *, end_stream: bool) -> int:
        """Send a request; gives its stream. Only where `can_open` says so."""
        fields = [*pseudo, *headers.fields]
        fault = rules.request_fault(fields, connect_protocol=True)
        if fault:
            raise ProtocolError(f"the request cannot be sent: {fault}", 500)
        if not self.can_open:
            raise PeerClosed("the server takes no more streams on this connection")
        number = self._highest + 2 if self._highest else 1
        self._highest = number
        stream = self._streams.add(number)
        stream.is_head = (b":method", b"HEAD") in pseudo
        self._send_fields(stream, fields, end_stream)
        return number

    def send_head(self, stream: int, status: int, headers: Headers, *, end_stream: bool) -> None:
        """Send a response's head, or a 1xx."""
        fields = [(b":status", b"%d" % status), *headers.fields]
        fault = rules.response_fault(fields)
        if fault:
            raise ProtocolError(f"the response cannot be sent: {fault}", 500)
        self._send_fields(self._sending(stream), fields, end_stream)

    def send_trailers(self, stream: int, headers: Headers) -> None:
        """Send trailers, which end our half of the stream."""
        fault = rules.trailers_fault(headers.fields, response=not self.client_side)
        if fault:
            raise ProtocolError(f"the trailers cannot be sent: {fault}", 500)
        self._send_fields(self._sending(stream), headers.fields, True)

    def _send_fields(self, stream: Stream, fields: list[Field], end: bool) -> None:
        if not fields:
            self.end(stream.number)
            return
        block, most = self._engine.encode(fields), self._engine.max_frame
        kind, flags = wire.HEADERS, _END if end else 0
        while len(block) > most:
            self._out.append(wire.serialize_frame(kind, flags, stream.number, block[:most]))
            kind, flags, block = wire.CONTINUATION, 0, block[most:]
        self._out.append(wire.serialize_frame(kind, flags | wire.END_HEADERS, stream.number, block))
        if end:
            self._end_local(stream)

    # --- bodies

    def room(self, stream: int) -> int:
        """How many bytes the windows let go on `stream`; 0 where it is gone."""
        found = self._streams.known.get(stream)
        return self._streams.room(found) if found is not None else 0

    def send_data(self, stream: int, data: bytes | memoryview, *, end_stream: bool = False) -> int:
        """Send of `data` what the windows allow, and give how much that is.

        `end_stream` counts only where all went. After less, wait for WindowOpened.
        """
        one = self._sending(stream)
        size = min(len(data), self._streams.room(one))
        end = end_stream and size == len(data)
        most = min(self._engine.max_frame, MAX_FRAME_OUT)
        view = memoryview(data)
        for at in range(0, size, most):
            last = min(at + most, size)
            flags = _END if end and last == size else 0
            self._out.append(wire.frame_head(last - at, wire.DATA, flags, stream))
            self._out.append(view[at:last])
            self._flood.data_sent += 1
        if end and not size:
            self._out.append(wire.frame_head(0, wire.DATA, _END, stream))
        self._streams.window_out -= size
        one.window_out -= size
        if end:
            self._end_local(one)
        return size

    def end(self, stream: int) -> None:
        """End our half of the stream."""
        self.send_data(stream, b"", end_stream=True)

    def acknowledge(self, stream: int, size: int) -> None:
        """Say that `size` bytes of `Data.flow_length` were passed on; opens the windows.

        Anything on a stream that is gone was given back when it went.
        """
        increment = self._streams.acknowledge(stream, size)
        if increment and not self.closed:
            self._answer(wire.window_update(stream, increment))
        self._give_back()

    # --- ends

    def reset(self, stream: int, code: int) -> None:
        """End the stream at once; what it held is given back. Nothing where it is gone."""
        one = self._streams.known.get(stream)
        if one is None:
            return
        if not (one.local_done and one.remote_done):
            self._answer(wire.serialize_frame(wire.RST_STREAM, 0, stream, code.to_bytes(4, "big")))
        self._streams.drop(one, by_us=True)
        self._give_back()

    def goaway(self, code: int, debug: bytes = b"", *, final: bool = False) -> None:
        """Announce the end: no streams after those so far. `final` ends the connection here."""
        last = 0 if self.client_side else min(self._highest, self._last_taken)
        self._last_taken = last if not self.client_side else self._last_taken
        payload = last.to_bytes(4, "big") + code.to_bytes(4, "big") + debug
        self._answer(wire.serialize_frame(wire.GOAWAY, 0, 0, payload))
        self.closed = self.closed or final

    def ping(self, data: bytes) -> None:
        """Send a PING with 8 bytes; PingAnswered brings them back."""
        self._answer(wire.serialize_frame(wire.PING, 0, 0, data))

    # --- inside

    def _sending(self, number: int) -> Stream:
        stream = self._streams.known.get(number)
        if stream is None or stream.local_done or self.closed:
            raise PeerClosed(f"stream {number} is closed")
        return stream

    def _end_local(self, stream: Stream) -> None:
        stream.local_done = True
        self._streams.settle(stream)

    def _answer(self, frame: bytes) -> None:
        self._out.append(frame)

    def _give_back(self) -> None:
        increment = self._streams.connection_increment()
        if increment and not self.closed:
            self._answer(wire.window_update(0, increment))
