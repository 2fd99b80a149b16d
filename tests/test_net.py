"""Streams, their limits and their time; listening and dialling on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from rama_proxy.errors import (
    ConfigError,
    LoopError,
    PeerClosed,
    PeerTimeout,
    ProtocolError,
    StartError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.net.dial import Dialer
from rama_proxy.net.listener import Listener, connection_limit
from rama_proxy.net.pool import MAX_IDLE, Pool
from rama_proxy.net.stream import HIGH_WATER, Stream
from rama_proxy.net.sweeper import Sweeper
from rama_proxy.net.waiting import Phase
from tests.support.play import MemoryTransport, memory_stream

FOREVER = Phase("anything", 3600)


def line(buf: bytearray) -> tuple[bytes, int] | None:
    end = buf.find(b"\n")
    return None if end < 0 else (bytes(buf[:end]), end + 1)


@pytest.fixture
async def pair() -> tuple[Stream, MemoryTransport]:
    return memory_stream(ConnectionInfo("client"))


class TestReceive:
    async def test_waits_for_the_rest(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        stream.data_received(b"on")
        task = asyncio.ensure_future(stream.receive(line, 100, FOREVER, FOREVER))
        await asyncio.sleep(0)
        stream.data_received(b"e\ntwo")
        assert await task == b"one"
        assert stream.buf == b"two"

    async def test_end_before_the_first_byte_is_no_error(
        self, pair: tuple[Stream, MemoryTransport]
    ) -> None:
        stream, _ = pair
        stream.eof_received()
        assert await stream.receive(line, 100, FOREVER, FOREVER) is None

    async def test_end_in_the_middle_is(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        stream.data_received(b"on")
        stream.eof_received()
        with pytest.raises(PeerClosed):
            await stream.receive(line, 100, FOREVER, FOREVER)

    async def test_limit(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        stream.data_received(b"x" * 101)
        with pytest.raises(ProtocolError) as caught:
            await stream.receive(line, 100, FOREVER, FOREVER)
        assert caught.value.status == 431

    async def test_peek_uses_nothing_up(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        stream.data_received(b"one\n")
        assert await stream.peek(line, FOREVER, FOREVER) == b"one"
        assert stream.buf == b"one\n"

    async def test_peek_ends_when_the_other_side_speaks(
        self, pair: tuple[Stream, MemoryTransport]
    ) -> None:
        stream, _ = pair
        other, _ = memory_stream(ConnectionInfo("server"))
        task = asyncio.ensure_future(stream.peek(line, FOREVER, FOREVER, other))
        await asyncio.sleep(0)
        other.data_received(b"220 ready\r\n")
        assert await task is None


class TestPressure:
    async def test_a_full_buffer_makes_the_peer_wait(
        self, pair: tuple[Stream, MemoryTransport]
    ) -> None:
        stream, transport = pair
        stream.data_received(bytes(HIGH_WATER + 1))
        assert transport.paused
        del stream.buf[:]
        task = asyncio.ensure_future(stream.receive(line, 100, FOREVER, FOREVER))
        await asyncio.sleep(0)
        assert not transport.paused
        stream.data_received(b"\n")
        assert await task == b""

    async def test_drain_waits_for_the_peer(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        stream.pause_writing()
        assert not stream.writable
        task = asyncio.ensure_future(stream.drain())
        await asyncio.sleep(0)
        assert not task.done()
        stream.resume_writing()
        await task

    async def test_drain_ends_with_the_connection(
        self, pair: tuple[Stream, MemoryTransport]
    ) -> None:
        stream, _ = pair
        stream.pause_writing()
        task = asyncio.ensure_future(stream.drain())
        await asyncio.sleep(0)
        stream.connection_lost(ConnectionResetError("reset"))
        with pytest.raises(PeerClosed, match="reset"):
            await task
        stream.write(b"to nobody")


class TestSweeper:
    async def test_silence_ends_a_stream(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        sweeper = Sweeper(stall_limit=60)
        sweeper.watch(stream)
        task = asyncio.ensure_future(
            stream.receive(line, 100, FOREVER, Phase("whole line", 10, whole=True))
        )
        stream.data_received(b"on")
        await asyncio.sleep(0)
        assert sweeper.sweep() == 0
        stream.since -= 11
        stream.data_received(b"e")  # progress does not help: the phase is as long as it is
        assert sweeper.sweep() == 1
        with pytest.raises(PeerTimeout, match="no whole line within 10 s"):
            await task

    async def test_progress_keeps_a_stream(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        sweeper = Sweeper(stall_limit=60)
        sweeper.watch(stream)
        stream.enter(Phase("data", 10))
        stream.since -= 11
        stream.data_received(b"x")
        assert sweeper.sweep() == 0
        stream.last -= 11
        assert sweeper.sweep() == 1

    async def test_a_peer_that_does_not_read_is_reset(
        self, pair: tuple[Stream, MemoryTransport]
    ) -> None:
        stream, transport = pair
        sweeper = Sweeper(stall_limit=60)
        sweeper.watch(stream)
        stream.pause_writing()
        stream.since -= 61
        stream.last -= 61
        assert sweeper.sweep() == 1
        assert transport.reset

    async def test_a_lost_stream_is_forgotten(self, pair: tuple[Stream, MemoryTransport]) -> None:
        stream, _ = pair
        sweeper = Sweeper(stall_limit=60)
        sweeper.watch(stream)
        stream.connection_lost(None)
        assert sweeper.streams == set()


class TestPool:
    async def test_a_stream_that_spoke_or_ended_is_not_usable(self) -> None:
        pool = Pool()
        for spoil in (lambda stream: stream.data_received(b"x"), Stream.eof_received):
            stream, _ = memory_stream(ConnectionInfo("server"))
            pool.give(("http", "a", 80), stream)
            assert pool.usable(stream)
            spoil(stream)
            assert not pool.usable(stream)
            assert pool.take(("http", "a", 80)) == (stream, True)
            assert pool.take(("http", "a", 80)) == (None, False)

    async def test_bounded(self) -> None:
        pool = Pool()
        streams = [memory_stream(ConnectionInfo("server"))[0] for _ in range(MAX_IDLE + 1)]
        dropped = [
            left for n, stream in enumerate(streams) for left in pool.give(("http", "a", n), stream)
        ]
        assert dropped == [streams[0]]
        assert pool.take(("http", "a", 3)) == (streams[3], True)
        assert len(pool.drain()) == MAX_IDLE - 1


@pytest.fixture
def dialer() -> Dialer:
    return Dialer(0.5, Sweeper(60))


async def connect(dialer: Dialer, host: str, port: int) -> Stream:
    return await dialer.connect(ConnectionInfo("server", address=(host, port)))


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class TestDial:
    async def test_name_address_and_times(self, dialer: Dialer, echo: int) -> None:
        stream = await connect(dialer, "localhost", echo)
        stream.write(b"hi\n")
        assert await stream.receive(line, 100, FOREVER, FOREVER) == b"hi"
        info = stream.info
        assert info.peer is not None
        assert info.peer[1] == echo
        assert info.opened is not None
        assert info.resolved is not None
        assert info.connected is not None
        assert info.opened <= info.resolved <= info.connected
        stream.close()

    async def test_refused(self, dialer: Dialer) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            with pytest.raises(UpstreamError, match=rf"127\.0\.0\.1:{port}: connection refused"):
                await connect(dialer, "127.0.0.1", port)

    @pytest.mark.parametrize("host", ["no.such.invalid", "a" * 300, "a..b"])
    async def test_unresolvable(self, dialer: Dialer, host: str) -> None:
        with pytest.raises(UpstreamError, match="cannot resolve"):
            await connect(Dialer(5, Sweeper(60)), host, 80)

    async def test_a_server_that_does_not_answer(self, dialer: Dialer) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            address = full.getsockname()
            waiting = [
                socket.socket() for _ in range(4)
            ]  # fill the queue: further SYNs are dropped
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(address)
            try:
                with pytest.raises(UpstreamTimeout, match=r"did not answer within 0\.5 s"):
                    await connect(dialer, *address)
            finally:
                for client in waiting:
                    client.close()

    async def test_own_address(self, dialer: Dialer, echo: int) -> None:
        dialer.own = [("0.0.0.0", echo)]
        for host in ("127.0.0.1", "localhost", "0.0.0.0"):
            with pytest.raises(LoopError, match="this proxy itself"):
                await connect(dialer, host, echo)

    async def test_override(self, echo: int) -> None:
        dialer = Dialer(5, Sweeper(60), [f"shop.test:{echo}:127.0.0.1"])
        stream = await connect(dialer, "SHOP.test", echo)
        assert stream.info.peer == ("127.0.0.1", echo)
        stream.close()

    @pytest.mark.parametrize("entry", ["a", "a:b:127.0.0.1", "a:80:name", ":80:127.0.0.1"])
    def test_bad_override(self, entry: str) -> None:
        with pytest.raises(ConfigError, match="--resolve takes"):
            Dialer(5, Sweeper(60), [entry])

    async def test_name_server(self, echo: int) -> None:
        import dns.message
        import dns.rrset

        class Answers(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                query = dns.message.from_wire(data)
                answer = dns.message.make_response(query)
                if "A" in str(query.question[0]):
                    name = query.question[0].name
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "127.0.0.1"))
                sender = cast(
                    "asyncio.DatagramTransport", self.transport
                )  # 3.11 has no base for it
                sender.sendto(answer.to_wire(), addr)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Answers, local_addr=("127.0.0.1", 0))
        try:
            port = transport.get_extra_info("sockname")[1]
            dialer = Dialer(5, Sweeper(60), dns_servers=["127.0.0.1"], dns_port=port)
            stream = await connect(dialer, "only.there.test", echo)
            assert stream.info.peer == ("127.0.0.1", echo)
            stream.close()
        finally:
            transport.close()

    def test_bad_name_server(self) -> None:
        with pytest.raises(ConfigError, match="--dns-server takes an IP address"):
            Dialer(5, Sweeper(60), dns_servers=["name.test"])


class TestListener:
    async def test_a_taken_port_is_named_with_a_free_one(self, echo: int) -> None:
        listener = Listener("127.0.0.1", echo, self.serve, 10, "regular", Sweeper(60))
        with pytest.raises(StartError, match=rf"127\.0\.0\.1:{echo}: the port is in use; port \d+"):
            await listener.open()

    @staticmethod
    async def serve(stream: Stream) -> None:
        """Closes after a line."""
        await stream.receive(line, 100, FOREVER, FOREVER)
        stream.close()

    async def test_beyond_the_limit_connections_are_refused(self) -> None:
        listener = Listener("127.0.0.1", 0, self.serve, 2, "regular", Sweeper(60))
        await listener.open()
        writers = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writers.append((reader, writer))
        assert await writers[2][0].read() == b""
        assert (len(listener.tasks), listener.refused) == (2, 1)
        for _, writer in writers[:2]:
            writer.write(b"\n")
        for reader, writer in writers[:2]:
            assert await reader.read() == b""
            writer.close()
        writers[2][1].close()
        listener.close()
        assert await listener.drain(5) == 0

    async def test_drain_cuts_off_what_does_not_end(self) -> None:
        listener = Listener("127.0.0.1", 0, self.serve, 2, "regular", Sweeper(60))
        await listener.open()
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        async with asyncio.timeout(5):
            while not listener.tasks:  # noqa: ASYNC110  the listener has no event for it
                await asyncio.sleep(0)
        listener.close()
        assert await listener.drain(0.01) == 1
        assert not listener.tasks
        writer.close()

    def test_limit_fits_the_files(self) -> None:
        assert connection_limit(5) == 5
        assert connection_limit(0) >= 8
        assert connection_limit(10**9) == connection_limit(0)
