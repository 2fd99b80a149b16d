"""Attacks on who goes where: the proxy asked for itself, hosts that contradict each other, fields
that name fields, servers that answer what nobody asked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from rama_proxy.config import Options
from tests.support.abuse import longest_turn, on_uvloop, open_files, server, small_client, until
from tests.support.running import Running, closed, origin, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

SPELLINGS = [  # of 127.0.0.1, as resolvers and kernels read them
    b"127.0.0.1",
    b"localhost",
    b"LocalHost",
    b"0.0.0.0",
    b"0",
    b"[::1]",
    b"[::]",
    b"[::ffff:127.0.0.1]",
    b"[::ffff:7f00:1]",
    b"[::ffff:0.0.0.0]",
    b"2130706433",
    b"0x7f000001",
    b"0x7f.1",
    b"0177.0.0.1",
    b"127.1",
]


async def say(engine: Running, *parts: bytes) -> bytes:
    """What comes back to `parts`, each sent when the one before was answered."""
    reader, writer = await engine.connect()
    answer = b""
    for part in parts:
        writer.write(part)
        answer = await reader.read(65536)
    await closed(writer)
    return answer


class TestItself:
    @pytest.mark.parametrize("listen_host", ["127.0.0.1", "localhost", "0.0.0.0"])
    @on_uvloop
    async def test_no_spelling_leads_to_the_proxy(self, tmp_path: Path, listen_host: str) -> None:
        async with running(tmp_path, Options(listen_host=listen_host)) as engine:
            port = engine.proxy.addresses[0][1]
            files = open_files(os.getpid())
            for host in SPELLINGS:
                place = b"%b:%d" % (host, port)
                for start in (b"GET http://%b/" % place, b"CONNECT %b" % place):
                    answer = await say(engine, b"%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (start, place))
                    assert answer.startswith((b"HTTP/1.1 508 ", b"HTTP/1.1 502 ")), start
                name = host.strip(b"[]")
                request = b"\x05\x01\x00\x03%c%b%b" % (len(name), name, port.to_bytes(2, "big"))
                answer = await say(engine, b"\x05\x01\x00", request)
                assert answer[1] in (2, 4, 5), host  # not allowed, unreachable, refused
            await until(lambda: not engine.proxy.listener.tasks, "the connections to end")
            assert open_files(os.getpid()) <= files
            flows = engine.flows()
        assert len(flows) == 3 * len(SPELLINGS)
        assert all(flow.error for flow in flows)
        assert sum("this proxy itself" in flow.error for flow in flows) >= 3 * 10


def get(port: int, fields: str = "") -> bytes:
    """A request for a server on `port`."""
    host = f"127.0.0.1:{port}"
    return f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


class TestServers:
    """A server that says what nobody asked for."""

    @on_uvloop
    async def test_a_switch_unasked_takes_no_client_over(self, tmp_path: Path) -> None:
        async def evil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: mine\r\n\r\n" + OK)
            stolen.append(await reader.read())  # what the client says to others

        stolen: list[bytes] = []
        async with server(evil) as port, origin(OK) as honest, running(tmp_path) as engine:
            reader, writer = await engine.connect()
            writer.write(get(port))
            assert (await reader.readline()).startswith(b"HTTP/1.1 502 ")
            writer.write(get(honest, "Cookie: secret\r\n"))
            await reader.read()
            await closed(writer)
            await until(lambda: stolen, "the server to see the end")
            (flow,) = engine.flows()
        assert stolen == [b""]
        assert "unasked" in flow.error

    @on_uvloop
    async def test_a_request_that_timed_out_is_not_sent_again(self, tmp_path: Path) -> None:
        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))

        heads: list[bytes] = []
        settings = Options(response_timeout=0.2)
        async with server(once) as port, running(tmp_path, settings) as engine:
            reader, writer = await engine.connect()
            writer.write(get(port))
            assert await reader.readexactly(len(OK)) == OK
            writer.write(get(port))
            assert (await reader.readline()).startswith(b"HTTP/1.1 504 ")
            await closed(writer)
        assert len(heads) == 2

    @on_uvloop
    async def test_informational_responses_without_end(self, tmp_path: Path) -> None:
        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            while True:
                writer.write(hints)
                await writer.drain()

        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 200
        async with server(endless) as port, running(tmp_path) as engine:
            sock = small_client(engine.proxy.addresses[0])
            sock.send(get(port))
            await until(lambda: self.is_stalled(engine), "the client's end to fill")
            (flow,) = engine.proxy.capture.active.values()
            assert await longest_turn(0.5) < 0.1
            buffered = [
                len(stream.buf) + stream.transport.get_write_buffer_size()  # type: ignore[attr-defined]
                for stream in engine.proxy.sweeper.streams
            ]
            assert sum(buffered) < 1 << 20
            sock.close()
            await until(lambda: not engine.proxy.capture.active, "the end")
        assert "client" in flow.error

    @staticmethod
    def is_stalled(engine: Running) -> bool:
        return any(not stream.writable for stream in engine.proxy.listener.tasks.values())


class TestChunks:
    """A quarter of a million chunks of one byte: each costs, none may cost others their turn."""

    CHUNKS = b"1\r\nx\r\n" * 100_000

    @on_uvloop
    async def test_in_a_request(self, tmp_path: Path) -> None:
        async with server(self.answer) as port, running(tmp_path) as engine:
            reader, writer = await engine.connect()
            writer.write(get(port, "Transfer-Encoding: chunked\r\n"))
            writer.write(self.CHUNKS)
            assert await longest_turn(1) < 0.05
            writer.write(b"0\r\n\r\n")
            assert await reader.readexactly(len(OK)) == OK
            await closed(writer)
            (flow,) = engine.flows()
        assert bytes(flow.request.body) == b"x" * 100_000

    @staticmethod
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            tail = (tail + await reader.read(65536))[-9:]
        writer.write(OK)

    @on_uvloop
    async def test_in_a_response(self, tmp_path: Path) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with origin(head + self.CHUNKS) as port, running(tmp_path) as engine:
            reader, writer = await engine.connect()
            writer.write(get(port))
            turn, answer = await asyncio.gather(
                longest_turn(1), reader.readexactly(len(head + self.CHUNKS))
            )
            assert answer == head + self.CHUNKS
            assert turn < 0.05
            await closed(writer)


class TestConnectInside:
    """A CONNECT where the server is known already is for that server, not for us to obey."""

    INNER = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n"
    REFUSED = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"

    @on_uvloop
    async def test_in_a_tunnel(self, tmp_path: Path) -> None:
        seen: list[bytes] = []
        async with (
            origin(OK) as other,
            origin(self.REFUSED, seen=seen) as port,
            running(tmp_path) as engine,
        ):
            reader, writer = await engine.tunnel("127.0.0.1", port)
            writer.write(self.INNER % other)
            assert await reader.readexactly(len(self.REFUSED)) == self.REFUSED
            await closed(writer)
        assert seen == [self.INNER % other]

    @on_uvloop
    async def test_in_reverse_mode(self, tmp_path: Path) -> None:
        seen: list[bytes] = []
        async with origin(OK) as other, origin(self.REFUSED, seen=seen) as port:
            mode = Options(mode=f"reverse:http://127.0.0.1:{port}", keep_host=True)
            async with running(tmp_path, mode) as engine:
                assert await say(engine, self.INNER % other) == self.REFUSED
                (flow,) = engine.flows()
        assert seen == [self.INNER % other]
        assert flow.response is not None
        assert flow.response.status == 405

    @on_uvloop
    async def test_the_server_may_open_a_tunnel(self, tmp_path: Path) -> None:
        async def inner_proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            writer.write(b"you said " + await reader.readexactly(4))

        async with server(inner_proxy) as port, running(tmp_path) as engine:
            reader, writer = await engine.tunnel("127.0.0.1", port)
            writer.write(self.INNER % 1)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.write(b"\x00hi\n")
            assert await reader.readexactly(13) == b"you said \x00hi\n"
            await closed(writer)
