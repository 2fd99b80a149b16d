"""The receiving half of an HTTP/2 connection: frames become events (RFC 9113 5, 6, 8).

What is wrong with a
message ends its stream (8.1.1), what is wrong with the connection ends that (5.4.1); either way a
Fault says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from rama_proxy.errors import Http2Error
from rama_proxy.model.headers import Field, Headers
from rama_proxy.protocols import http2_fields as rules
from rama_proxy.protocols import http2_frames as wire
from rama_proxy.protocols.http2_engine import Engine
from rama_proxy.protocols.http2_events import (
    Code,
    Data,
    Event,
    Fault,
    GoAway,
    InformationalHead,
    PingAnswered,
    RequestHead,
    ResponseHead,
    SettingsChanged,
    StreamReset,
    Trailers,
    WindowOpened,
)
from rama_proxy.protocols.http2_limits import Flood, Limits
from rama_proxy.protocols.http2_memo import FieldList
from rama_proxy.protocols.http2_reader import Frame, FrameReader
from rama_proxy.protocols.http2_start import StartRecorder
from rama_proxy.protocols.http2_streams import Stream, Streams, wrong_length

_END = wire.END_STREAM
MAX_TURN = 1000  # frames read at once, and two bytes of a header block count as one; some 5 ms


class Inbound(ABC):
    """Takes the peer's bytes. What is to be sent for them goes to the methods of the sender."""

    def __init__(self, client_side: bool, limits: Limits, engine: Engine) -> None:
        self.client_side = client_side
        self.limits = limits
        self.closed = False
        self.refusing = False
        self._engine = engine
        self._last_taken = wire.MAX_WINDOW  # streams above it are ignored: our GOAWAY said so
        self._highest = 0  # the last stream that was opened, by whoever may
        self._streams = Streams(limits)
        self._flood = Flood(limits.flood, limits.flood_seconds)
        self._reader = FrameReader(limits, self._flood, preface=not client_side)
        self._recorder = StartRecorder(preface=not client_side)
        self._events: list[Event] = []
        self._now = 0.0
        self.has_more = False  # of what was received

    @property
    def half_head(self) -> int:
        """A number for the head that has begun and is not whole, 0 where none has."""
        return self._reader.half_head

    @abstractmethod
    def reset(self, stream: int, code: int) -> None:
        """End a stream (the sending half does it)."""

    @abstractmethod
    def goaway(self, code: int, debug: bytes = b"", *, final: bool = False) -> None:
        """Announce the end (the sending half does it)."""

    @abstractmethod
    def acknowledge(self, stream: int, size: int) -> None:
        """Open windows (the sending half does it)."""

    @abstractmethod
    def _answer(self, frame: bytes) -> None:
        """Send a frame."""

    @abstractmethod
    def _give_back(self) -> None:
        """Announce what was acknowledged on the connection."""

    def receive(self, data: bytes | bytearray, now: float) -> list[Event]:
        """Take bytes from the peer at time `now`; what they mean. Never raises for what they are.

        A bytearray is given away. Answers may be there to send afterwards.
        """
        events = self.receive_part(data, now)
        while self.has_more:
            events += self.receive_part(b"", now)
        return events

    def receive_part(self, data: bytes | bytearray, now: float) -> list[Event]:
        """As `receive`, but what would take too long at once is left, and `has_more` set."""
        if self.closed:
            self.has_more = False
            return []
        if not self._recorder.done:
            self._recorder.feed(bytes(data))
        events: list[Event] = []
        self._events = events
        self._now = now
        self._reader.feed(data)
        left = MAX_TURN
        try:
            while not self.closed and left > 0 and (frame := self._reader.next(now)) is not None:
                left -= 1 if frame.kind != wire.HEADERS else 1 + len(frame.payload) // 2
                try:
                    _TAKE[frame.kind](self, frame)
                except Http2Error as error:
                    if not error.stream:
                        raise
                    self._refuse(error, now)
        except Http2Error as error:
            self._break(error)
        self.has_more = left <= 0 and not self.closed
        self._give_back()
        return events

    def _refuse(self, error: Http2Error, now: float) -> None:
        """Answer a fault of one stream. Raises where there were too many."""
        self._events.append(Fault(error.stream, error.code, str(error), error.fields))
        self.reset(error.stream, error.code)
        flood = self._flood.count("RST_STREAM", now)  # CVE-2025-8671: they made us send it
        if flood:
            raise Http2Error(Code.ENHANCE_YOUR_CALM, flood)

    def _break(self, error: Http2Error) -> None:
        """End the connection for a fault of the peer's."""
        self._events.append(Fault(0, error.code, str(error)))
        self.goaway(error.code, str(error).encode("latin-1", "replace")[:256], final=True)

    def _on_headers(self, frame: Frame) -> None:
        fields = self._engine.decode(frame.payload)
        number, end = frame.stream, bool(frame.flags & _END)
        stream = self._streams.known.get(number)
        if stream is None:
            if number > self._last_taken:
                self._highest = max(number, self._highest)
                return
            if self.client_side or number <= self._highest or number % 2 == 0:
                if not self._streams.was_reset(number):
                    raise self._misplaced(frame)
                flood = self._flood.count("HEADERS on closed streams", self._now)
                if flood:
                    raise Http2Error(Code.ENHANCE_YOUR_CALM, flood)
            else:
                self._on_request(number, fields, end)
        elif stream.remote_done:
            raise Http2Error(
                Code.STREAM_CLOSED, "HEADERS after the end of the stream (RFC 9113 5.1)", number
            )
        elif self.client_side and not stream.head_done:
            self._on_response(stream, fields, end)
        else:
            self._on_trailers(stream, fields, end)

    def _on_request(self, number: int, fields: FieldList, end: bool) -> None:
        self._highest = number
        full = self._streams.active >= self.limits.max_streams
        stream = self._streams.add(number)
        self._flood.streams_opened += 1
        stream.head_done = True
        if full:
            raise Http2Error(
                Code.REFUSED_STREAM,
                f"more than {self.limits.max_streams} streams at once (RFC 9113 5.1.2)",
                number,
                fields,
            )
        if not fields.sound:
            fault = rules.request_fault(fields, connect_protocol=self.limits.connect_protocol)
            if fault:
                raise Http2Error(Code.PROTOCOL_ERROR, fault, number, fields)
            fields.sound = True
        stream.expected = rules.content_length(fields)
        if end:
            self._end_remote(stream, fields)
        pseudo = [field for field in fields if field[0][0] == 0x3A]
        headers = Headers.of(fields[len(pseudo) :])
        self._events.append(RequestHead(number, pseudo, headers, end))

    def _on_response(self, stream: Stream, fields: FieldList, end: bool) -> None:
        number = stream.number
        if not fields.sound:
            fault = rules.response_fault(fields)
            if fault:
                raise Http2Error(Code.PROTOCOL_ERROR, fault, number, fields)
            fields.sound = True
        status, headers = int(fields[0][1]), Headers.of(fields[1:])
        if status < 200:
            if end:
                raise Http2Error(
                    Code.PROTOCOL_ERROR,
                    f"status {status} at the end (RFC 9113 8.1)",
                    number,
                    fields,
                )
            self._count_informational(stream, fields)
            self._events.append(InformationalHead(number, status, headers))
            return
        stream.head_done = True
        if stream.is_head or status in {204, 304}:
            stream.expected = 0
        else:
            stream.expected = rules.content_length(fields)
        if end:
            self._end_remote(stream, fields)
        self._events.append(ResponseHead(number, status, headers, end))

    def _count_informational(self, stream: Stream, fields: FieldList) -> None:
        """No window holds back 1xx heads: those of one response are bounded as a head is."""
        stream.informational += sum([len(name) + len(value) + 32 for name, value in fields])
        if stream.informational > self.limits.max_header_list:
            raise Http2Error(
                Code.ENHANCE_YOUR_CALM,
                f"1xx heads of more than {self.limits.max_header_list} bytes",
                stream.number,
            )

    def _on_trailers(self, stream: Stream, fields: FieldList, end: bool) -> None:
        fault = rules.trailers_fault(fields, response=self.client_side)
        if not end:
            fault = fault or "a second head without the end of the stream (RFC 9113 8.1)"
        if fault:
            raise Http2Error(Code.PROTOCOL_ERROR, fault, stream.number, fields)
        self._end_remote(stream, fields)
        self._events.append(Trailers(stream.number, Headers.of(fields.copy())))

    def _on_data(self, frame: Frame) -> None:
        streams, size, number = self._streams, len(frame.payload), frame.stream
        payload = wire.without_padding(frame.flags, frame.payload)
        if payload is None:
            raise Http2Error(Code.PROTOCOL_ERROR, "DATA with too much padding (RFC 9113 6.1)")
        streams.take(size)
        stream = streams.known.get(number)
        if stream is None:
            if self._is_idle(number):
                raise self._misplaced(frame)
            streams.ignore(size)
            return
        streams.take_on(stream, size)
        if stream.remote_done:
            raise Http2Error(
                Code.STREAM_CLOSED, "DATA after the end of the stream (RFC 9113 5.1)", number
            )
        if not stream.head_done:
            raise Http2Error(Code.PROTOCOL_ERROR, "DATA before the head (RFC 9113 8.1)", number)
        stream.got += len(payload)
        if stream.expected is not None and stream.got > stream.expected:
            raise wrong_length(stream, [])
        end = bool(frame.flags & _END)
        if end:
            self._end_remote(stream, [])
        elif not payload:
            self.acknowledge(number, size)
            return
        self._events.append(Data(number, payload, size, end))

    def _on_reset(self, frame: Frame) -> None:
        number, code = frame.stream, int.from_bytes(frame.payload, "big")
        stream = self._streams.known.get(number)
        if stream is None:
            if self._is_idle(number):
                raise self._misplaced(frame)
            return
        self._streams.drop(stream, by_us=False)
        self._events.append(StreamReset(number, code))

    def _on_settings(self, frame: Frame) -> None:
        if frame.flags & wire.ACK:
            return
        settings = wire.parse_settings(frame.payload)
        if len(settings) > self.limits.max_settings:
            raise Http2Error(
                Code.ENHANCE_YOUR_CALM,
                f"SETTINGS of {len(settings)} values, {self.limits.max_settings} allowed",
            )
        self._answer(self._engine.settings_came(settings))
        self._streams.change_initial(self._engine.initial_window)
        self._events.append(SettingsChanged(tuple(settings)))
        self._events.append(WindowOpened(0))

    def _on_ping(self, frame: Frame) -> None:
        if frame.flags & wire.ACK:
            self._events.append(PingAnswered(frame.payload))
        else:
            self._answer(wire.serialize_frame(wire.PING, wire.ACK, 0, frame.payload))

    def _on_goaway(self, frame: Frame) -> None:
        last = int.from_bytes(frame.payload[:4], "big") & 0x7FFFFFFF
        code = int.from_bytes(frame.payload[4:8], "big")
        self.refusing = True
        self._events.append(GoAway(code, last, frame.payload[8:]))
        if not self.client_side:
            return
        for stream in [one for number, one in self._streams.known.items() if number > last]:
            self._streams.drop(stream, by_us=True)
            self._events.append(StreamReset(stream.number, Code.REFUSED_STREAM))

    def _on_window(self, frame: Frame) -> None:
        number = frame.stream
        if number and self._is_idle(number):
            raise self._misplaced(frame)
        if self._streams.open_window(number, int.from_bytes(frame.payload, "big") & 0x7FFFFFFF):
            self._events.append(WindowOpened(number))

    def _on_push(self, frame: Frame) -> None:
        raise Http2Error(
            Code.PROTOCOL_ERROR,
            f"PUSH_PROMISE on stream {frame.stream}, though push is off (RFC 9113 8.4)",
        )

    def _end_remote(self, stream: Stream, fields: list[Field]) -> None:
        stream.remote_done = True
        if stream.expected is not None and stream.got != stream.expected:
            raise wrong_length(stream, fields)
        self._streams.settle(stream)

    def _is_idle(self, number: int) -> bool:
        """Whether nobody has opened stream `number` (RFC 9113 5.1); even ones only push opens."""
        return number > self._highest or number % 2 == 0

    def _misplaced(self, frame: Frame) -> Http2Error:
        name = wire.frame_name(frame.kind)
        if self._is_idle(frame.stream):
            return Http2Error(
                Code.PROTOCOL_ERROR, f"{name} on idle stream {frame.stream} (RFC 9113 5.1)"
            )
        return Http2Error(
            Code.STREAM_CLOSED, f"{name} on closed stream {frame.stream} (RFC 9113 5.1)"
        )


_TAKE: dict[int, Callable[[Inbound, Frame], None]] = {
    wire.DATA: Inbound._on_data,
    wire.HEADERS: Inbound._on_headers,
    wire.RST_STREAM: Inbound._on_reset,
    wire.SETTINGS: Inbound._on_settings,
    wire.PUSH_PROMISE: Inbound._on_push,
    wire.PING: Inbound._on_ping,
    wire.GOAWAY: Inbound._on_goaway,
    wire.WINDOW_UPDATE: Inbound._on_window,
}
