"""More clients than there is room for, and as many as there is: others are served, memory is flat.

The figures are printed: pytest -s shows them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.abuse import need_files, on_uvloop, server, until
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.peers import Nginx
from tests.support.running import Pair, closed

MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
FEW_FILES = ("prlimit", "--nofile=256:256")


async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request with OK."""
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


def get(port: int) -> bytes:
    """A request for a server on `port`."""
    return b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (port, port)


async def ask(pair: Pair, port: int) -> bytes:
    """The status line of the answer to one request, b"" if there is none."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        pair[1].write(get(port))
        head = await pair[0].readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 200 "):
            await pair[0].readexactly(2)
        return head[:12]
    return b""


async def connect(engine: Engine) -> Pair:
    """A connection to the proxy."""
    return await asyncio.open_connection("127.0.0.1", engine.port)


async def let_go(pairs: list[Pair]) -> None:
    """Close all connections."""
    for _, writer in pairs:
        await closed(writer)


class TestTooMany:
    @on_uvloop
    async def test_500_clients_at_256_files(self, tmp_path: Path) -> None:
        need_files(4096)
        async with server(site) as port:
            with Engine(tmp_path, under=FEW_FILES) as engine:
                inside = await connect(engine)
                assert await ask(inside, port) == b"HTTP/1.1 200"
                crowd = [await connect(engine) for _ in range(500)]
                query = "select count(*) from log where message like '%onnections refused%'"
                await until(lambda: engine.query(query) == [(1,)], "a line in the log")
                assert await ask(inside, port) == b"HTTP/1.1 200"
                status = await asyncio.to_thread(engine.status)
                assert status["connections"] + status["refused"] == 501
                assert status["refused"] >= 450
                await let_go(crowd)
                begin = time.monotonic()
                again = await self.served(engine, port)
                assert time.monotonic() - begin < 2
                assert engine.query(query) == [(1,)]
                await let_go([inside, again])

    @on_uvloop
    async def test_files_used_up_by_connections_to_servers(self, tmp_path: Path) -> None:
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(server(site)) for _ in range(9)]
            with Engine(tmp_path, under=FEW_FILES) as engine:
                pairs = [await connect(engine) for _ in range(28)]
                answers = [await ask(pair, port) for port in ports for pair in pairs]
                assert answers.count(b"HTTP/1.1 502") > 0
                assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 502", b""}
                assert answers[:28] == [b"HTTP/1.1 200"] * 28
                await let_go(pairs)
                await let_go([await self.served(engine, ports[0])])
                reasons = engine.query("select distinct error from flows where error is not null")
                assert [
                    reason for (reason,) in reasons if "too many open files" not in reason
                ] == []

    @staticmethod
    async def served(engine: Engine, port: int) -> Pair:
        """A new connection whose request is answered, tried until there is one."""
        while True:
            pair = await connect(engine)
            if await ask(pair, port) == b"HTTP/1.1 200":
                return pair
            await closed(pair[1])
            await asyncio.sleep(0.05)


Open = Callable[[Engine], Awaitable[Pair]]


@contextlib.asynccontextmanager
async def crowd(engine: Engine, count: int, opened: Open, what: str) -> AsyncIterator[float]:
    """`count` connections that stay open; gives what they cost in MiB."""
    before = engine.memory("VmRSS")
    pairs: list[Pair] = []
    begin = time.monotonic()
    while len(pairs) < count:
        together = min(50, count - len(pairs))
        pairs += await asyncio.gather(*(opened(engine) for _ in range(together)))
    seconds = time.monotonic() - begin
    cost = (engine.memory("VmRSS") - before) / MIB
    print(f"\n{count} {what}: {cost:.1f} MiB, {cost * 1024 / count:.1f} KiB each, {seconds:.1f} s")
    try:
        yield cost
    finally:
        await let_go(pairs)


async def check_others(engine: Engine, port: int) -> None:
    """Others are served within 250 ms; at the end nothing of the crowd is left."""
    times = []
    for _ in range(50):
        begin = time.monotonic()
        pair = await connect(engine)
        assert await ask(pair, port) == b"HTTP/1.1 200"
        await closed(pair[1])
        times.append(time.monotonic() - begin)
    print(f"another request meanwhile: {sorted(times)[48] * 1000:.1f} ms at p98")
    assert sorted(times)[48] < 0.25


async def tunnels(area: Path, count: int) -> float:
    """The cost of `count` idle tunnels in MiB."""
    need_files(2 * count + 500)
    async with server(site) as port:

        async def opened(engine: Engine) -> Pair:
            reader, writer = await connect(engine)
            writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % port)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            return reader, writer

        with Engine(area) as engine:
            async with crowd(engine, count, opened, "idle tunnels") as cost:
                status = await asyncio.to_thread(engine.status)
                assert (status["connections"], status["refused"]) == (count, 0)
                await check_others(engine, port)
            await until(lambda: engine.status()["connections"] == 0, "the crowd to leave")
    return cost


async def intercepted(area: Path, nginx: Nginx, ca: TestAuthority, count: int) -> float:
    """The cost of `count` intercepted TLS connections, which are two each, in MiB."""
    need_files(2 * count + 500)
    with Engine(area, "--ssl-ca", str(ca.path)) as engine:
        context = ssl.create_default_context(cafile=engine.ca)

        async def opened(engine: Engine) -> Pair:
            reader, writer = await connect(engine)
            host = b"localhost:%d" % nginx.https_port
            writer.write(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (host, host))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await writer.start_tls(context, server_hostname="localhost")
            return reader, writer

        async with (
            crowd(engine, count, opened, "intercepted TLS connections") as cost,
            server(site) as port,
        ):
            status = await asyncio.to_thread(engine.status)
            assert status["connections"] == count
            await check_others(engine, port)
        await until(lambda: engine.status()["connections"] == 0, "the crowd to leave")
    return cost


class TestMany:
    @on_uvloop
    async def test_2000_idle_tunnels(self, tmp_path: Path) -> None:
        assert await tunnels(tmp_path, 2000) < 90

    @on_uvloop
    async def test_500_intercepted_connections(
        self, tmp_path: Path, nginx: Nginx, ca: TestAuthority
    ) -> None:
        assert await intercepted(tmp_path, nginx, ca, 500) < 100

    @pytest.mark.soak
    def test_9000_idle_tunnels(self, tmp_path: Path) -> None:
        assert asyncio.run(tunnels(tmp_path, 9000)) < 400

    @pytest.mark.soak
    def test_2000_intercepted_connections(
        self, tmp_path: Path, nginx: Nginx, ca: TestAuthority
    ) -> None:
        assert asyncio.run(intercepted(tmp_path, nginx, ca, 2000)) < 400
