"""An origin that speaks HTTP/2 by the `h2` library, and HTTP/1.1 beside it by h11.

What it answers is in `origin_answers`. It corrects nothing of what it gets and keeps it in `seen`:
fields in order, pseudo fields among them, cookies in as many fields as they came.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator, Sequence
from typing import Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import h2.stream
import h11
import hpack
import pytest
from hyperframe.frame import GoAwayFrame

from tests.support.certificates import TestAuthority
from tests.support.http1_origin import Http1Side
from tests.support.origin_answers import (
    ANSWERS,
    GoAway,
    Head,
    Incoming,
    Push,
    Reset,
    Step,
    Trailers,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Settings = dict[h2.settings.SettingCodes, int]


class Http2Side:
    """One connection: a task for each request, which waits where the client gives no window."""

    def __init__(
        self,
        origin: Http2Origin,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self._origin, self._reader, self._writer, self._number = origin, reader, writer, number
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._room = asyncio.Condition()
        self._requests: dict[int, Incoming] = {}
        self._parts: dict[int, asyncio.Queue[tuple[bytes, int] | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, data: bytes) -> None:
        """Serve until the client leaves; `data` has come already."""
        self._h2.initiate_connection()
        if self._origin.settings:
            self._h2.update_settings(
                dict(self._origin.settings.items())
            )  # they hold once acknowledged
        try:
            while data:
                events = self._h2.receive_data(data)
                for event in events:
                    self._on_event(event)
                await self._flush()
                async with self._room:
                    self._room.notify_all()
                data = await self._reader.read(65536)
        except h2.exceptions.ProtocolError as error:
            self._origin.faults.append(f"{type(error).__name__}: {error}")
            await self._flush()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()

    def _on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._on_request(event)
        elif isinstance(event, h2.events.DataReceived):
            part = (event.data or b"", event.flow_controlled_length or 0)
            self._parts[event.stream_id].put_nowait(part)
        elif isinstance(event, h2.events.TrailersReceived):
            self._requests[event.stream_id].trailers = [(n, v) for n, v in event.headers or []]
        elif isinstance(event, h2.events.StreamEnded):
            self._parts[event.stream_id].put_nowait(None)
        elif isinstance(event, h2.events.StreamReset) and event.stream_id in self._requests:
            self._requests[event.stream_id].reset = int(event.error_code or 0)
            self._tasks[event.stream_id].cancel()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._origin.terminated.append(int(event.error_code or 0))
            # h2 takes it for the end; the streams that are open go on (RFC 9113 6.8)
            self._h2.state_machine.state = h2.connection.ConnectionState.SERVER_OPEN
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            changed = [(int(code), item.new_value) for code, item in event.changed_settings.items()]
            self._origin.client_settings.append(changed)

    def _on_request(self, event: h2.events.RequestReceived) -> None:
        stream = event.stream_id
        fields = [(bytes(name), bytes(value)) for name, value in event.headers or []]
        pseudo = dict(reversed([field for field in fields if field[0][:1] == b":"]))
        request = Incoming(
            "HTTP/2",
            pseudo.get(b":method", b"").decode(),
            pseudo.get(b":path", b"/").decode("latin-1"),
            fields,
            lambda: self._pull(stream),
            self._number,
            stream,
            never_indexed=[
                bytes(field[0])
                for field in event.headers or []
                if isinstance(field, hpack.NeverIndexedHeaderTuple)
            ],
        )
        self._origin.arrived(request)
        self._requests[stream] = request
        self._parts[stream] = asyncio.Queue()
        self._tasks[stream] = asyncio.create_task(self._answer(request))

    async def _pull(self, stream: int) -> bytes | None:
        """The next part of the body. What is not asked for is not given back to the window."""
        part = await self._parts[stream].get()
        if part is None:
            return None
        data, size = part
        if size:  # h2's own bookkeeping waits for half a window, which may never come
            self._h2.increment_flow_control_window(size)
            with contextlib.suppress(h2.exceptions.StreamClosedError):
                self._h2.increment_flow_control_window(size, stream)
            await self._flush()
        return data

    async def _answer(self, request: Incoming) -> None:
        steps = ANSWERS[request.path](request)
        try:
            async for step in steps:
                await self._take(request, step)
                if isinstance(step, GoAway) and not step.processed:
                    return
            if self._is_open(request.stream):
                self._h2.end_stream(request.stream)
                await self._flush()
        except (h2.exceptions.StreamClosedError, ConnectionError):
            pass  # the client gave the stream or the connection up
        except h2.exceptions.ProtocolError as error:
            self._origin.faults.append(f"{type(error).__name__}: {error}")

    def _is_open(self, stream: int) -> bool:
        """Whether the response has not ended."""
        return stream in self._h2.streams and self._h2.streams[stream].state_machine.state in (
            h2.stream.StreamState.OPEN,
            h2.stream.StreamState.HALF_CLOSED_REMOTE,
        )

    async def _take(self, request: Incoming, step: Step) -> None:
        stream = request.stream
        if isinstance(step, Head):
            end = step.status >= 200 and (step.end or request.method == "HEAD")
            fields = [(b":status", b"%d" % step.status), *step.fields]
            self._h2.send_headers(stream, fields, end_stream=end)
        elif isinstance(step, bytes):
            if self._is_open(stream):
                await self._send_data(stream, step)
        elif isinstance(step, Trailers):
            self._h2.send_headers(stream, list(step.fields), end_stream=True)
        elif isinstance(step, Reset):
            self._h2.reset_stream(stream, step.code)
        elif isinstance(step, GoAway):
            last = stream if step.processed else stream - 2
            frame = GoAwayFrame(0, last_stream_id=max(last, 0), error_code=step.code)
            self._writer.write(self._h2.data_to_send() + frame.serialize())
        elif isinstance(step, Push):
            self._push(request, step)
        await self._flush()

    async def _send_data(self, stream: int, data: bytes) -> None:
        while data:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room > 0:
                self._h2.send_data(stream, data[:room])
                data = data[room:]
                await self._flush()
            else:
                async with self._room:
                    await self._room.wait()

    def _push(self, request: Incoming, step: Push) -> None:
        if not self._h2.remote_settings.enable_push:
            return
        pseudo = [(name, value) for name, value in request.fields if name[:1] == b":"]
        promised = self._h2.get_next_available_stream_id()
        fields = [(n, step.path if n == b":path" else v) for n, v in pseudo]
        self._h2.push_stream(request.stream, promised, fields)
        self._h2.send_headers(promised, [(b":status", b"200")])
        self._h2.send_data(promised, b"pushed", end_stream=True)


class Http2Origin:
    """Listens on a port of 127.0.0.1 until closed, in a thread of its own.

    `context` lets it speak TLS as localhost; `protocols` are what ALPN may choose there, and what
    it takes on plain TCP. `settings` are the SETTINGS that it sends.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        protocols: Sequence[str] = ("h2", "http/1.1"),
        settings: Settings | None = None,
    ) -> None:
        if context is not None:
            context.set_alpn_protocols(list(protocols))
        self._context, self._protocols = context, protocols
        self.settings: Settings = settings or {}
        self.seen: list[Incoming] = []
        self.connections = 0
        self.faults: list[str] = []  # what h2 found wrong with what it got
        self.terminated: list[int] = []  # the codes of the clients' GOAWAYs
        self.client_settings: list[list[tuple[int, int]]] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        scheme, host = ("https", "localhost") if context else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self.port}"

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(
            self._on_connection, "127.0.0.1", 0, ssl=self._context, backlog=512
        )
        self.port: int = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        number = self.connections
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            data = await self._first(reader)
            if self._speaks_h2(writer, data):
                await Http2Side(self, reader, writer, number).run(data)
            elif data:
                await self._serve_http1(Http1Side(reader, writer, number, self.arrived), data)
        writer.close()
        gone = (ConnectionError, ssl.SSLError, TimeoutError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            await writer.wait_closed()

    async def _serve_http1(self, side: Http1Side, data: bytes) -> None:
        try:
            await side.run(data)
        except h11.RemoteProtocolError as error:
            self.faults.append(f"{type(error).__name__}: {error}")

    async def _first(self, reader: asyncio.StreamReader) -> bytes:
        """Enough bytes to tell the versions apart."""
        data = await reader.read(65536)
        while data and len(data) < len(PREFACE) and PREFACE.startswith(data):
            data += await reader.read(65536)
        return data

    def _speaks_h2(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        if tls is not None:
            return tls.selected_alpn_protocol() == "h2"
        return "h2" in self._protocols and data.startswith(PREFACE)

    def arrived(self, request: Incoming) -> None:
        """Keep a request whose head is there."""
        request.repeat = sum(other.target == request.target for other in self.seen)
        self.seen.append(request)

    def close(self) -> None:
        """Stop listening and break every connection."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def http2_origin() -> Iterator[Http2Origin]:
    """An origin that takes HTTP/2 by prior knowledge, and HTTP/1.1."""
    with Http2Origin() as origin:
        yield origin


@pytest.fixture
def tls_http2_origin(ca: TestAuthority) -> Iterator[Http2Origin]:
    """The same over TLS, as localhost; ALPN chooses."""
    with Http2Origin(ca.server_context("localhost", "127.0.0.1")) as origin:
        yield origin
