"""Connections that end badly, are not read, or are too many: nothing of them stays behind."""

from __future__ import annotations

from pathlib import Path

from rama_proxy.config import Options
from tests.support.abuse import on_uvloop, until
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


def at_rest(engine: Running) -> bool:
    """Whether no connection and no flow is left."""
    proxy = engine.proxy
    return not (proxy.listener.tasks or proxy.sweeper.streams or proxy.capture.active)


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
