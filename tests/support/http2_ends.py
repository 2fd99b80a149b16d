"""HTTP/2 peers in the test's own loop, on the h2 library: a client, and an origin of handlers.

Both show the peer's events as h2 gives them, header fields as bytes in wire order.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError

Fields = list[tuple[bytes, bytes]]
PATIENCE = 5.0


@dataclass(slots=True)
class Exchange:
    """What came on one stream. `reset` is the code of RST_STREAM, `over` the end of either kind."""

    number: int
    heads: list[Fields] = field(default_factory=list)  # 1xx first
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields | None = None
    ended: bool = False
    reset: int | None = None

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    @property
    def status(self) -> bytes:
        """The status of the last head."""
        return dict(self.heads[-1])[b":status"] if self.heads else b""


class Http2End:
    """One end of a connection. `acknowledge` off leaves the peer's windows closed."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool
    ) -> None:
        config = H2Configuration(
            client_side=client,
            header_encoding=None,
            normalize_inbound_headers=False,
            normalize_outbound_headers=False,
            validate_outbound_headers=False,
        )
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(config)
        self.exchanges: dict[int, Exchange] = {}
        self.goaway: int | None = None
        self.settings: dict[int, int] = {}
        self.acknowledge = True
        self.ended = False
        self.changed = asyncio.Condition()
        self.on_request: Callable[[Http2End, Exchange], Awaitable[None]] | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Write what the library has to say."""
        self.writer.write(self.h2.data_to_send())

    async def run(self) -> None:
        """Read until the peer ends."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await self.reader.read(65536):
                try:
                    received = self.h2.receive_data(data)
                except ProtocolError:
                    self.flush()
                    break
                for event in received:
                    self._take(event)
                self.flush()
                await self.notify()
        self.ended = True
        await self.notify()

    async def notify(self) -> None:
        """Let whoever waits look again."""
        async with self.changed:
            self.changed.notify_all()

    def _take(self, event: events.Event) -> None:
        number = getattr(event, "stream_id", None) or 0
        if isinstance(event, events.RequestReceived):
            exchange = self.exchanges[number] = Exchange(number, [list(event.headers)])
            if self.on_request is not None:
                task = asyncio.ensure_future(self.on_request(self, exchange))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        elif isinstance(event, events.ResponseReceived | events.InformationalResponseReceived):
            self.exchanges[number].heads.append(list(event.headers))
        elif isinstance(event, events.DataReceived):
            self.exchanges[number].body += event.data
            if self.acknowledge and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, number)
        elif isinstance(event, events.TrailersReceived):
            self.exchanges[number].trailers = list(event.headers)
        elif isinstance(event, events.StreamEnded):
            self.exchanges[number].ended = True
        elif isinstance(event, events.StreamReset):
            self.exchanges[number].reset = int(event.error_code)
        elif isinstance(event, events.ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
        elif isinstance(event, events.RemoteSettingsChanged):
            self.settings |= {int(k): v.new_value for k, v in event.changed_settings.items()}

    async def wait(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait until `condition` holds."""
        try:
            async with asyncio.timeout(PATIENCE), self.changed:
                await self.changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"{what or 'the condition'} did not come: {self.exchanges}")  # noqa: B904

    # --- a client

    def send(self, fields: Fields, body: bytes | None = None, *, end: bool = True) -> Exchange:
        """Send a request's head and body."""
        number = self.h2.get_next_available_stream_id()
        exchange = self.exchanges[number] = Exchange(number)
        self.h2.send_headers(number, fields, end_stream=end and body is None)
        if body is not None:
            self.h2.send_data(number, body, end_stream=end)
        self.flush()
        return exchange

    async def ask(self, fields: Fields, body: bytes | None = None) -> Exchange:
        """Send a request and wait for the end of its response."""
        exchange = self.send(fields, body)
        await self.wait(lambda: exchange.over or self.ended, "the end of the response")
        return exchange

    # --- an origin

    async def request(self, exchange: Exchange) -> Exchange:
        """Wait until a request is whole."""
        await self.wait(lambda: exchange.over or self.ended, "the end of the request")
        return exchange

    def answer(
        self,
        exchange: Exchange,
        fields: Fields,
        body: bytes = b"",
        trailers: Fields | None = None,
    ) -> None:
        """Send a whole response that the windows have room for."""
        number = exchange.number
        bare = not body and trailers is None
        self.h2.send_headers(number, fields, end_stream=bare)
        if body:
            self.h2.send_data(number, body, end_stream=trailers is None)
        if trailers is not None:
            self.h2.send_headers(number, trailers, end_stream=True)
        self.flush()

    def reset(self, exchange: Exchange, code: int) -> None:
        """End a stream."""
        self.h2.reset_stream(exchange.number, code)
        self.flush()


Handler = Callable[[Http2End, Exchange], Awaitable[None]]


@dataclass(slots=True)
class Http2Origin:
    """A running origin: its port and the connections it had."""

    port: int = 0
    ends: list[Http2End] = field(default_factory=list)

    @property
    def exchanges(self) -> list[Exchange]:
        """All requests of all connections."""
        return [one for end in self.ends for one in end.exchanges.values()]


@contextlib.asynccontextmanager
async def http2_origin(
    handler: Handler, context: ssl.SSLContext | None = None, *, connect_protocol: bool = False
) -> AsyncIterator[Http2Origin]:
    """A server of HTTP/2 whose requests go to `handler`; over TLS with `context`."""
    origin = Http2Origin()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = Http2End(reader, writer, client=False)
        if connect_protocol:
            end.h2.update_settings({8: 1})
            end.flush()
        end.on_request = handler
        origin.ends.append(end)
        try:
            await end.run()
        finally:
            await _close(writer)

    if context is not None:
        context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        for end in origin.ends:
            end.writer.close()


@contextlib.asynccontextmanager
async def http2_client(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[Http2End]:
    """An HTTP/2 client on a connection."""
    end = Http2End(reader, writer, client=True)
    task = asyncio.ensure_future(end.run())
    try:
        yield end
    finally:
        await _close(writer)
        await task


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


def request_fields(path: str, *more: tuple[bytes, bytes], method: str = "GET") -> Fields:
    """The head of a request to a server that does not care for its name."""
    return [
        (b":method", method.encode()),
        (b":authority", b"origin.test"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        *more,
    ]
