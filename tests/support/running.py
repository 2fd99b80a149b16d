"""The engine in the test's own loop, with asyncio's streams as its clients and servers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rama_proxy.config import Options
from rama_proxy.engine import Proxy
from rama_proxy.model.flow import Flow
from rama_proxy.store.reader import Reader

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Running:
    """A started proxy. `logs` are its messages, `flows()` what it has stored."""

    proxy: Proxy
    store: Path
    logs: list[tuple[str, str, str]] = field(default_factory=list)

    async def connect(self) -> Pair:
        """A connection to the proxy."""
        return await asyncio.open_connection(*self.proxy.addresses[0])

    async def tunnel(self, host: str, port: int) -> Pair:
        """A connection to the proxy after a CONNECT that it accepted."""
        reader, writer = await self.connect()
        writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return reader, writer

    def trusting(self, alpn: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
        """A context of a client that trusts the proxy's authority and nobody else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.proxy.authority.path)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    async def ended(self, count: int = 1) -> None:
        """Wait until `count` flows have ended."""
        async with asyncio.timeout(5):
            while self.proxy.capture.flows < count:  # noqa: ASYNC110  no event for a test
                await asyncio.sleep(0.005)

    def flows(self) -> list[Flow]:
        """The flows in the store, with their bodies, in order."""
        assert self.proxy.writer.flush(5)
        with Reader(self.store) as reader:
            flows = [flow for number in reader.ids() if (flow := reader.flow(number)) is not None]
            for flow in flows:
                reader.load_bodies(flow)
        return flows


@contextlib.asynccontextmanager
async def running(area: Path, options: Options | None = None) -> AsyncIterator[Running]:
    """An engine on a free port; it has stopped well when this ends."""
    options = options or Options()
    options.port = 0
    options.confdir = options.confdir or str(area / "ca")
    options.shutdown_timeout = 2.0
    logs: list[tuple[str, str, str]] = []
    proxy = Proxy(options, area / "flows.db", lambda *entry: logs.append(entry))
    await proxy.start()
    try:
        yield Running(proxy, area / "flows.db", logs)
    finally:
        await proxy.stop()


@contextlib.asynccontextmanager
async def origin(
    answer: bytes, context: ssl.SSLContext | None = None, seen: list[bytes] | None = None
) -> AsyncIterator[int]:
    """A server that answers every request head with `answer`, on the port given."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if seen is not None:
                    seen.append(head)
                writer.write(answer)
                await writer.drain()
                if b"\r\nConnection: close\r\n" in head:
                    break
        await closed(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection of the test, however the other side took it."""
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
