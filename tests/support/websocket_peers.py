"""A WebSocket server that echoes and a client, both of the `websockets` package."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

LARGEST = 64 * 1024 * 1024


@dataclass(slots=True)
class EchoServer:
    """Sends every message back. `url` is where; `closes` are the codes and reasons it got."""

    url: str
    closes: list[tuple[int | None, str | None]]


@contextlib.asynccontextmanager
async def echo_server(
    context: ssl.SSLContext | None = None, deflate: ServerPerMessageDeflateFactory | None = None
) -> AsyncIterator[EchoServer]:
    """An echo server on a free port; it closes with 4001 when asked to by the text "close"."""
    closes: list[tuple[int | None, str | None]] = []

    async def echo(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if message == "close":
                    await socket.close(4001, "as you wish")
                else:
                    await socket.send(message)
        closes.append((socket.close_code, socket.close_reason))

    extensions = [deflate] if deflate is not None else None
    server = await serve(
        echo,
        "127.0.0.1",
        0,
        ssl=context,
        compression=None,
        extensions=extensions,
        max_size=LARGEST,
    )
    port = next(iter(server.sockets)).getsockname()[1]
    async with server:
        yield EchoServer(f"{'ws' if context is None else 'wss'}://127.0.0.1:{port}/echo", closes)


def client(
    url: str,
    proxy: str,
    context: ssl.SSLContext | None = None,
    deflate: ClientPerMessageDeflateFactory | None = None,
) -> connect:
    """A client's connection to `url` through `proxy`, to be entered with `async with`."""
    return connect(
        url,
        proxy=proxy,
        ssl=context,
        compression=None,
        extensions=[deflate] if deflate is not None else None,
        max_size=LARGEST,
        open_timeout=20,
    )


__all__ = ["ClientConnection", "EchoServer", "client", "echo_server"]
