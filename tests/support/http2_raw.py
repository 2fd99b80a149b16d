"""An HTTP/2 client on the `h2` library that sends fields exactly as it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack

from tests.support.http2_clients import Route
from tests.support.origin_answers import Field, Fields

Settings = dict[h2.settings.SettingCodes, int]


@dataclass(slots=True, eq=False)
class Fetched:
    """What came on one stream."""

    heads: list[Fields] = field(default_factory=list)  # informational ones first
    body: bytes = b""
    trailers: Fields | None = None
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        """Of the last head, 0 without one."""
        return int(dict(self.heads[-1])[b":status"]) if self.heads else 0

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self.ended or self.reset is not None


class RawClient:
    """One connection. `settings` are what it sends; it gives no window back unless `reads`."""

    def __init__(
        self, route: Route, settings: Settings | None = None, *, reads: bool = True
    ) -> None:
        self._route, self._reads = route, reads
        self.socket = _connect(route)
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        if settings is not None:
            self._h2.local_settings = h2.settings.Settings(True, settings)
        self.streams: dict[int, Fetched] = {}
        self.goaway: int | None = None
        self._h2.initiate_connection()
        self._flush()

    def send(
        self,
        fields: Sequence[Field | hpack.HeaderTuple],
        body: bytes = b"",
        trailers: Sequence[Field] = (),
    ) -> int:
        """Send a whole request; the number of its stream."""
        stream = self._h2.get_next_available_stream_id()
        self.streams[stream] = Fetched()
        self._h2.send_headers(stream, list(fields), end_stream=not (body or trailers))
        while body:
            room = min(self._h2.local_flow_control_window(stream), 16384)
            if room == 0:
                self.receive()
                continue
            part, body = body[:room], body[room:]
            self._h2.send_data(stream, part, end_stream=not (body or trailers))
            self._flush()
        if trailers:
            self._h2.send_headers(stream, list(trailers), end_stream=True)
        self._flush()
        return stream

    def reset(self, stream: int, code: int) -> None:
        """Give a stream up."""
        self._h2.reset_stream(stream, code)
        self._flush()

    def fetch(
        self,
        fields: Sequence[Field | hpack.HeaderTuple],
        body: bytes = b"",
        trailers: Sequence[Field] = (),
    ) -> Fetched:
        """Send a request and wait for the end of its stream."""
        return self.finish(self.send(fields, body, trailers))

    def finish(self, stream: int) -> Fetched:
        """What came on a stream, once it is over."""
        while not self.streams[stream].over:
            self.receive()
        return self.streams[stream]

    def get(self, path: str) -> Fetched:
        """A plain GET."""
        return self.fetch(self.pseudo("GET", path))

    def pseudo(self, method: str, path: str) -> Fields:
        """The pseudo fields of a request to the origin, in the order that Firefox has."""
        url = urlsplit(self._route.url)
        values = (method, path, url.netloc, url.scheme)
        names = (b":method", b":path", b":authority", b":scheme")
        return [(name, value.encode()) for name, value in zip(names, values, strict=True)]

    def receive(self) -> None:
        """Read what has come. Raises ConnectionError at the end of the connection."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the connection was closed")
        for event in self._h2.receive_data(data):
            self._on_event(event)
        self._flush()

    def _on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
            # h2 takes it for the end; the streams that are open go on (RFC 9113 6.8)
            self._h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
            return
        fetched = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if fetched is None:
            return
        if isinstance(event, h2.events.ResponseReceived | h2.events.InformationalResponseReceived):
            fetched.heads.append(_plain(event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            fetched.trailers = _plain(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            fetched.body += event.data or b""
            if self._reads:
                size = event.flow_controlled_length or 0
                self._h2.acknowledge_received_data(size, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            fetched.ended = True
        elif isinstance(event, h2.events.StreamReset):
            fetched.reset = int(event.error_code or 0)

    def _flush(self) -> None:
        self.socket.sendall(self._h2.data_to_send())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._h2.close_connection()
            self._flush()
        self.socket.close()


def _plain(fields: Sequence[Field | hpack.HeaderTuple] | None) -> Fields:
    return [(bytes(pair[0]), bytes(pair[1])) for pair in fields or []]


def _connect(route: Route) -> socket.socket:
    url = urlsplit(route.url)
    via = urlsplit(route.proxy) if route.proxy else url
    sock = socket.create_connection(("127.0.0.1", via.port or 0), 10)
    if route.proxy:
        authority = url.netloc.encode()
        sock.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            part = sock.recv(1)
            assert part, answer
            answer += part
        assert answer.startswith(b"HTTP/1.1 200 "), answer
    if route.secure:
        context = ssl.create_default_context(cafile=route.trust)
        context.set_alpn_protocols(["h2"])
        secured = context.wrap_socket(sock, server_hostname=url.hostname)
        assert secured.selected_alpn_protocol() == "h2"
        return secured
    return sock
