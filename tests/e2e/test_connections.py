"""Connections that end badly, are not read, or are too many: nothing of them stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest

from rama_proxy.config import Options
from rama_proxy.net.stream import Stream
from tests.support.abuse import fill, on_uvloop, server, small_client, until, vanish
from tests.support.peers import free_port
from tests.support.running import Running, closed, origin, running


def get(port: int, fields: str = "") -> bytes:
    """A request for a server on `port`."""
    return f"GET http://h:{port}/ HTTP/1.1\r\nHost: h:{port}\r\n{fields}\r\n".encode()


def put(port: int, size: int) -> bytes:
    """The head of an upload of `size` bytes."""
    return get(port, f"Content-Length: {size}\r\n").replace(b"GET", b"PUT", 1)


def options(port: int, **more: float) -> Options:
    """Options that resolve the name h to loopback."""
    made = Options(resolve=(f"h:{port}:127.0.0.1",))
    for name, value in more.items():
        setattr(made, name, value)
    return made


def find_client(engine: Running) -> Stream:
    """The proxy's end of the only connection of a client."""
    (stream,) = engine.proxy.listener.tasks.values()
    return stream


def at_rest(engine: Running) -> bool:
    """Whether no connection and no flow is left."""
    proxy = engine.proxy
    return not (proxy.listener.tasks or proxy.sweeper.streams or proxy.capture.active)


class TestUnread:
    """A client that does not take its response."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + bytes(60000)

    async def leave_unread(self, engine: Running, port: int) -> socket.socket:
        """Ask for the answer and read nothing: most of it waits in the proxy, all of it written."""
        sock = small_client(engine.proxy.addresses[0])
        await until(lambda: engine.proxy.listener.tasks, "the connection")
        end = find_client(engine).transport.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # type: ignore[attr-defined]
        sock.send(get(port))
        await engine.ended()
        return sock

    @on_uvloop
    async def test_the_rest_is_sent_when_it_reads_on(self, tmp_path: Path) -> None:
        settings = {"idle_timeout": 0.1, "stream_timeout": 60}
        async with origin(self.ANSWER) as port, running(tmp_path, options(port, **settings)) as e:
            sock = await self.leave_unread(e, port)
            await until(lambda: e.proxy.sweeper.sweep(), "the idle timeout")
            reader, writer = await asyncio.open_connection(sock=sock)
            assert len(e.proxy.listener.tasks) == 1  # it still counts
            assert await reader.read() == self.ANSWER
            await closed(writer)
            await until(lambda: at_rest(e), "the connection to be forgotten")

    @on_uvloop
    async def test_it_is_reset_in_the_end(self, tmp_path: Path) -> None:
        settings = {"idle_timeout": 0.1, "stream_timeout": 0.2}
        async with origin(self.ANSWER) as port, running(tmp_path, options(port, **settings)) as e:
            sock = await self.leave_unread(e, port)
            await until(lambda: e.proxy.sweeper.sweep() >= 0 and at_rest(e), "its end")
            reader, writer = await asyncio.open_connection(sock=sock)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await closed(writer)

    @on_uvloop
    async def test_a_stop_waits_for_the_rest(self, tmp_path: Path) -> None:
        async with origin(self.ANSWER) as port, running(tmp_path, options(port)) as engine:
            sock = await self.leave_unread(engine, port)
            reader, writer = await asyncio.open_connection(sock=sock)
            stop = asyncio.ensure_future(engine.proxy.stop())
            assert await reader.read() == self.ANSWER
            await closed(writer)
            await stop

    @on_uvloop
    async def test_a_stop_never_makes_a_part_look_whole(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
        async with origin(answer) as port, running(tmp_path, options(port)) as engine:
            reader, writer = await engine.connect()
            writer.write(get(port))
            await reader.readuntil(b"end")
            await engine.proxy.stop(drain=False)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await closed(writer)

    @on_uvloop
    async def test_sending_is_not_reading(self, tmp_path: Path) -> None:
        body = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + bytes(9999999)
        settings = options(0, stream_timeout=0.3)
        async with origin(body) as port, running(tmp_path, settings) as engine:
            sock = small_client(engine.proxy.addresses[0])
            sock.send(get(port).replace(b"h:", b"127.0.0.1:"))
            await until(lambda: engine.proxy.sweeper.streams, "the connection")
            deadline = time.monotonic() + 5
            with contextlib.suppress(ConnectionError):
                while time.monotonic() < deadline:
                    sock.send(b"G")
                    engine.proxy.sweeper.sweep()
                    await asyncio.sleep(0.05)
            sock.close()
            (flow,) = engine.flows()
            assert "stopped reading" in flow.error


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that takes no more than its kernel does."""
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # a stream has no name for it
    await asyncio.sleep(60)


class TestUntaken:
    """A server that does not take its request."""

    @staticmethod
    async def upload(engine: Running, port: int) -> socket.socket:
        """A client in the middle of an upload; it cannot send any more."""
        sock = socket.socket()
        sock.connect(engine.proxy.addresses[0])
        sock.setblocking(False)
        sock.send(put(port, 1 << 40))
        await until(lambda: engine.proxy.capture.active, "the upload to begin")
        chunk = bytes(1 << 20)
        still = 0
        while still < 20:
            still = 0 if fill(sock, chunk) else still + 1
            await asyncio.sleep(0.005)
        return sock

    @on_uvloop
    async def test_the_server_gets_the_blame(self, tmp_path: Path) -> None:
        async with server(never_reads) as port:
            settings = options(port, body_timeout=0.1, stream_timeout=0.4, response_timeout=0.1)
            async with running(tmp_path, settings) as engine:
                sock = await self.upload(engine, port)
                await until(
                    lambda: engine.proxy.sweeper.sweep() >= 0 and engine.proxy.capture.flows,
                    "an end",
                )
                (flow,) = engine.flows()
                assert flow.error == "the server stopped reading"
                assert flow.response is not None
                assert flow.response.status == 504
                vanish(sock)

    @on_uvloop
    async def test_a_client_that_vanishes_takes_it_along(self, tmp_path: Path) -> None:
        async with server(never_reads) as port, running(tmp_path, options(port)) as engine:
            sock = await self.upload(engine, port)
            vanish(sock)
            begin = time.monotonic()
            await until(lambda: at_rest(engine), "the end of both connections")
            assert time.monotonic() - begin < 1.5
            (flow,) = engine.flows()
            assert "client" in flow.error


class TestNothingStays:
    @on_uvloop
    async def test_servers_that_refuse(self, tmp_path: Path) -> None:
        port = free_port()
        async with running(tmp_path, options(port)) as engine:
            for _ in range(20):
                reader, writer = await engine.connect()
                writer.write(get(port))
                assert (await reader.readline()).startswith(b"HTTP/1.1 502 ")
                await closed(writer)
            await until(lambda: at_rest(engine), "20 connections to be forgotten")
            assert engine.proxy.capture._stored == set()

    @on_uvloop
    async def test_servers_that_close_after_each_answer(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        async with origin(answer) as port, running(tmp_path, options(port)) as engine:
            for _ in range(20):
                reader, writer = await engine.connect()
                writer.write(get(port))
                assert await reader.read() == answer
                await closed(writer)
            await until(lambda: at_rest(engine), "20 connections to be forgotten")
            assert engine.proxy.capture._stored == set()
