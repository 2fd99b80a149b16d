"""Many clients, slow clients, and clients that wait: what they cost, and that others are served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

from tests.support.abuse import (
    fill,
    need_files,
    on_uvloop,
    server,
    small_client,
    vanish,
)
from tests.support.engine import Engine
from tests.support.running import Pair, Running, closed, running

MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def get(port: int, path: str = "/", fields: str = "") -> bytes:
    """A request for a server on `port`."""
    host = f"127.0.0.1:{port}"
    return f"GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers /large with what never ends, everything else with OK."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/large" not in head:
            writer.write(OK)
            continue
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()


async def ask(address: tuple[str, int], port: int) -> float:
    """One good request on a connection of its own; gives the seconds it took."""
    begin = time.monotonic()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(get(port, fields="Connection: close\r\n"))
    assert await reader.readexactly(len(OK)) == OK
    await closed(writer)
    return time.monotonic() - begin


class TestSlow:
    """A fast side and one that does not keep up: the proxy keeps little in between."""

    @staticmethod
    def kept(engine: Running) -> int:
        """Bytes that wait in the process, received or not yet sent."""
        return sum(
            len(stream.buf) + stream.transport.get_write_buffer_size()  # type: ignore[attr-defined]
            for stream in engine.proxy.sweeper.streams
        )

    @on_uvloop
    async def test_a_slow_reader(self, tmp_path: Path) -> None:
        sent = 0

        async def fast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            writer.transport.set_write_buffer_limits(0)
            while True:
                writer.write(bytes(65536))
                await writer.drain()
                sent += 65536

        async with server(fast) as port, running(tmp_path) as engine:
            sock = small_client(engine.proxy.addresses[0])
            sock.send(get(port))
            received = most = 0
            for _ in range(20):  # 5 KB/s
                await asyncio.sleep(0.05)
                with contextlib.suppress(BlockingIOError):
                    received += len(sock.recv(256))
                most = max(most, self.kept(engine))
            sock.close()
        print(f"slow reader: {most / MIB:.2f} MiB kept, {(sent - received) / MIB:.1f} in all")
        assert most < MIB
        assert sent - received < 16 * MIB  # most of it in the kernel, which takes what it likes

    @on_uvloop
    async def test_a_slow_server(self, tmp_path: Path) -> None:
        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # no other name for it
            await asyncio.sleep(60)

        async with server(slow) as port, running(tmp_path) as engine:
            sock = socket.create_connection(engine.proxy.addresses[0])
            sock.setblocking(False)
            sock.send(get(port, fields="Content-Length: 99999999\r\n"))
            most = sent = 0
            for _ in range(50):
                sent += fill(sock, bytes(MIB))
                await asyncio.sleep(0.01)
                most = max(most, self.kept(engine))
            vanish(sock)
        print(f"slow server: {most / MIB:.2f} MiB kept, {sent / MIB:.1f} in all")
        assert most < MIB
        assert sent < 32 * MIB


async def until_closed(pair: Pair, send: bytes, again: bytes = b"") -> float:
    """Send, then `again` every 100 ms, reading nothing, until the proxy ends the connection."""
    reader, writer = pair
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # no other name for it
    begin = time.monotonic()
    writer.write(send)
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < begin + 15:
            await asyncio.sleep(0.1)
            sock = writer.get_extra_info("socket")
            if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != ESTABLISHED:
                break
            if again:
                writer.write(again)
    vanish(writer)
    return time.monotonic() - begin


ESTABLISHED = b"\x01"  # the first byte of TCP_INFO


class TestSlowloris:
    """100 clients of each kind that take their time; others are served all the while."""

    @on_uvloop
    async def test_each_is_ended_by_its_time_limit(self, tmp_path: Path) -> None:
        need_files(4096)
        limits = [
            f"--{name}-timeout=1s" for name in ("head", "body", "stream", "idle", "handshake")
        ]
        async with server(site) as port:
            host = b"127.0.0.1:%d" % port
            post = b"POST http://%b/ HTTP/1.1\r\nHost: %b\r\nContent-Length: 99\r\n\r\n"
            kinds = [
                (b"", b""),  # nothing at all
                (b"GET http://%b/ HTTP/1.1\r\nX: " % host, b"x"),  # a head without end
                (b"\r\n", b""),
                (post % (host, host), b""),  # a body that does not come
                (get(port, "/large"), b""),  # a response that is not read
                (b"\x16\x03\x01\x02\x00", b"\x01"),  # a hello, byte by byte
                (b"\x05", b""),
            ]
            with Engine(tmp_path, *limits) as engine:
                address = ("127.0.0.1", engine.port)
                clients = [
                    until_closed(await asyncio.open_connection(*address), *kind)
                    for kind in kinds
                    for _ in range(100)
                ]
                held = asyncio.gather(*clients)
                times = []
                while not held.done():
                    times.append(await ask(address, port))
                    await asyncio.sleep(0.02)
                seconds = await held
                status = await asyncio.to_thread(engine.status)
        times.sort()
        print(
            f"{len(seconds)} slow clients ended after {min(seconds):.1f} to {max(seconds):.1f} s;"
            f" others waited {times[len(times) // 2] * 1000:.0f} ms, at most {times[-1] * 1000:.0f}"
        )
        assert max(seconds) < 6
        assert times[len(times) * 9 // 10] < 0.25
        assert status["connections"] == 0


def test_many_bodies_under_way_have_one_budget(tmp_path: Path) -> None:
    """100 responses of which 2 MiB each have come: 200 MiB, of which 16 MiB may be kept."""
    asyncio.run(check_budget(tmp_path))


async def check_budget(area: Path) -> None:
    ended = asyncio.Event()

    async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * MIB + 1))
        writer.write(bytes(2 * MIB))
        await writer.drain()
        if b"/last" not in head:
            await ended.wait()
        writer.write(b"!")
        await reader.read()

    async def download(engine: Engine, path: str) -> Pair:
        pair = await asyncio.open_connection("127.0.0.1", engine.port)
        pair[1].write(get(port, path))
        await pair[0].readuntil(b"\r\n\r\n")
        await pair[0].readexactly(2 * MIB)
        return pair

    async with server(large) as port:
        with Engine(area, "--capture-budget=4M") as engine:
            before = engine.memory("VmRSS")
            pairs = await asyncio.gather(*(download(engine, "/") for _ in range(100)))
            grown = engine.memory() - before
            ended.set()
            for reader, writer in pairs:
                assert await reader.readexactly(1) == b"!"
                await closed(writer)
            await asyncio.to_thread(engine.flows, 100)
            dropped = (await asyncio.to_thread(engine.status))["dropped"]
            reader, writer = await download(engine, "/last")
            assert await reader.readexactly(1) == b"!"
            await closed(writer)
            last = (await asyncio.to_thread(engine.flows, 101))[-1]
    print(f"100 bodies of 2 MiB under way: {grown / MIB:.0f} MiB more")
    assert grown < 100 * MIB
    assert dropped >= 90
    assert last.response is not None
    assert (last.response.body.size, last.response.body.truncated) == (2 * MIB + 1, False)
