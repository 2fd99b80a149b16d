"""The demo's servers: HTTP, HTTPS and an echo on ports of loopback, all names in one process.

Writes what answers.py says, byte by byte; the certificate depends on the name that a client asks
for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import timedelta
from http import HTTPStatus

from rama_proxy.demo.answers import HOSTS, answer
from rama_proxy.demo.certificates import DemoAuthority
from rama_proxy.demo.messages import Asked, Reply
from rama_proxy.demo.origin_http2 import Http2Server
from rama_proxy.demo.ticker import Talk, accept_of

HOST = "127.0.0.1"
MAX_HEAD = 64 * 1024
BAD_HOSTS = ("expired.demo.test", "elsewhere.demo.test", "selfmade.demo.test")
CLOSED = ("closed.demo.test", 8080)
ECHO = ("echo.demo.test", 7007)
CLOSED_PORT = 1  # tcpmux, which nobody runs


class Origin:
    """Serves from `start` to `close`. `pace` stretches what comes piece by piece."""

    def __init__(self, authority: DemoAuthority, pace: float = 1.0) -> None:
        self.authority = authority
        self.pace = pace
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on three free ports."""
        for serve, context in (
            (self._serve, None),
            (self._serve, self._context()),
            (self._echo, None),
        ):
            server = await asyncio.start_server(serve, HOST, 0, ssl=context, limit=MAX_HEAD)
            self._servers.append(server)

    def resolve(self) -> list[str]:
        """What `--resolve` needs so that the demo's names lead here."""
        http, https, echo = (server.sockets[0].getsockname()[1] for server in self._servers)
        return [
            *(f"{name}:80:{HOST}:{http}" for name in HOSTS),
            *(f"{name}:443:{HOST}:{https}" for name in (*HOSTS, *BAD_HOSTS)),
            f"{ECHO[0]}:{ECHO[1]}:{HOST}:{echo}",
            f"{CLOSED[0]}:{CLOSED[1]}:{HOST}:{CLOSED_PORT}",
        ]

    async def close(self) -> None:
        """Stop, and break what is open."""
        for server in self._servers:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for server in self._servers:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await server.wait_closed()

    def _context(self) -> ssl.SSLContext:
        """A context that shows the right certificate, or for BAD_HOSTS a wrong one."""
        context = self.authority.server_context("*.demo.test", "demo.test")
        expired, elsewhere, selfmade = BAD_HOSTS
        others = {
            expired: self.authority.server_context(expired, age=timedelta(days=30)),
            elsewhere: self.authority.server_context("www.example.test"),
            selfmade: self.authority.server_context(selfmade, self_signed=True),
        }

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name in others:
                connection.context = others[name]

        context.sni_callback = choose
        return context

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if _speaks_http2(writer):
                    await Http2Server(reader, writer, self.pace).serve()
                    return
                while asked := await _read(reader, writer):
                    if "upgrade" in asked.fields:
                        await self._talk(reader, writer, asked)
                        return
                    if not await _reply(writer, asked, self.pace):
                        return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked
    ) -> None:
        """Become a WebSocket, and hold this end of the ticker."""
        accept = accept_of(asked.fields.get("sec-websocket-key", ""))
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nServer: demo\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        talk = Talk(is_server=True)
        while not talk.over:
            if due := talk.due():
                await asyncio.sleep(due[0] * self.pace)
                writer.write(due[1])
            elif data := await reader.read(4096):
                talk.hear(data)
            else:
                return

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(4096):
                    writer.write(data.upper())
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()


def _speaks_http2(writer: asyncio.StreamWriter) -> bool:
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return tls is not None and tls.selected_alpn_protocol() == "h2"


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
    """The next request; None at the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    if fields.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = b""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif length := int(fields.get("content-length", 0)):
        body = await reader.readexactly(length)
    return Asked(method, target, fields, body)


async def _reply(writer: asyncio.StreamWriter, asked: Asked, pace: float) -> bool:
    """Write the reply; gives whether the connection stays open."""
    reply = answer(asked)
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.reset:
        writer.transport.abort()
        return False
    writer.write(_head(reply))
    if asked.method != "HEAD":
        await _write_body(writer, reply, pace)
    await writer.drain()
    return reply.cut is None and asked.fields.get("connection", "").lower() != "close"


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.head()]
    if reply.pieces or reply.trailers:
        lines.append("Transfer-Encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode()


async def _write_body(writer: asyncio.StreamWriter, reply: Reply, pace: float) -> None:
    if not reply.pieces and not reply.trailers:
        writer.write(reply.body[: reply.cut])
        return
    for wait, data in reply.pieces:
        if wait:
            await writer.drain()
            await asyncio.sleep(wait * pace)
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    trailers = "".join(f"{name}: {value}\r\n" for name, value in reply.trailers)
    writer.write(b"0\r\n" + trailers.encode() + b"\r\n")
