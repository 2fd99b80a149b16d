"""A conversation with the proxy over streams in memory: what each side says, and what it must get.

    await (
        Play(play_area)
        .client(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .server(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", reply=b"HTTP/1.1 204 No Content\r\n\r\n")
        .client_gets(b"HTTP/1.1 204 No Content\r\n\r\n")
    )

The network is the only thing that is not real: parsers, relay, hooks and store are the product's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path

from rama_proxy.capture import Capture
from rama_proxy.certs.authority import Authority
from rama_proxy.certs.contexts import Contexts
from rama_proxy.config import Options
from rama_proxy.errors import UpstreamError
from rama_proxy.hooks import Hooks
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.modes import MODES
from rama_proxy.modes.spec import parse_mode
from rama_proxy.net.dial import Dialer
from rama_proxy.net.pool import Pool
from rama_proxy.net.stream import Stream, Transport
from rama_proxy.net.sweeper import Sweeper
from rama_proxy.relay.layers import announcing, closing, explaining
from rama_proxy.relay.wiring import Conn, Phases, Wiring
from rama_proxy.service import stack
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer

PATIENCE = 5.0  # seconds that an expected byte may take

Step = Callable[["Play"], Awaitable[None]]


class MemoryTransport:
    """Takes what a stream sends; the test is the peer."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.ended = False  # no more will be sent: an end, a close or a reset
        self.reset = False
        self.paused = False
        self.stream: Stream | None = None
        self.changed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, f"sent after the end: {bytes(data)!r}"
        self.sent += data
        self.changed.set()

    def write_eof(self) -> None:
        self.ended = True
        self.changed.set()

    def close(self) -> None:
        self.ended = True
        self.changed.set()
        self._lose(None)

    def abort(self) -> None:
        self.reset = True
        self.close()

    def _lose(self, error: Exception | None) -> None:
        stream = self.stream
        if stream is not None and not stream.lost:
            asyncio.get_running_loop().call_soon(stream.connection_lost, error)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 40000) if name in {"peername", "sockname"} else default


def memory_stream(info: ConnectionInfo) -> tuple[Stream, MemoryTransport]:
    """A stream and the transport that is its peer."""
    stream, transport = Stream(info), MemoryTransport()
    transport.stream = stream
    kept: Transport = transport
    stream.transport = kept
    info.peer = info.local = ("127.0.0.1", 40000)
    return stream, transport


class MemoryDialer(Dialer):
    """Connects to nobody: each connection is a transport that the play plays."""

    def __init__(self, sweeper: Sweeper) -> None:
        super().__init__(5.0, sweeper)
        self.made: list[MemoryTransport] = []
        self.refuse = ""

    async def connect(self, info: ConnectionInfo) -> Stream:
        if self.refuse:
            raise UpstreamError(self.refuse)
        stream, transport = memory_stream(info)
        self.sweeper.watch(stream)
        self.made.append(transport)
        return stream


class Play:
    """Collects the steps of a conversation; awaiting it plays them and gives the stored flows."""

    def __init__(
        self,
        area: Path,
        mode: str = "regular",
        addons: Sequence[object] = (),
        options: Options | None = None,
    ) -> None:
        self.options = options or Options()
        self.path = area / "play.db"
        self.authority = Authority.load(area / "ca")
        self.mode = parse_mode(mode)
        self.steps: list[Step] = []
        self.reports: list[tuple[str, str, str]] = []
        self.hooks = Hooks(addons, lambda *report: self.reports.append(report))
        self.sweeper = Sweeper(self.options.stream_timeout)
        self.dialer = MemoryDialer(self.sweeper)
        self.flows: list[Flow] = []  # as they ended, before they were stored

    # --- the script

    def client(self, data: bytes) -> Play:
        """The client sends `data`."""
        return self._step(lambda play: play._feed(play.client_end, data))

    def client_closes(self) -> Play:
        """The client closes its side."""
        return self._step(lambda play: play._end(play.client_end))

    def client_vanishes(self) -> Play:
        """The client's connection is reset."""
        return self._step(lambda play: play._vanish(play.client_end))

    def client_gets(self, data: bytes) -> Play:
        """The client has got exactly `data` since it last looked."""
        return self._step(lambda play: play._expect(play.client_end, data, "the client"))

    def client_gets_start(self, data: bytes) -> Play:
        """What the client has got begins with `data`; the rest does not matter."""
        return self._step(lambda play: play._expect_start(play.client_end, data, "the client"))

    def client_gets_end(self, *, reset: bool = False) -> Play:
        """The client's connection ends; with `reset`, so that it sees a failure."""
        return self._step(lambda play: play._expect_end(play.client_end, reset, "the client"))

    def server(self, data: bytes, reply: bytes = b"", number: int = -1) -> Play:
        """Connection `number` to a server (the newest) gets exactly `data`, and sends `reply`."""

        async def step(play: Play) -> None:
            end = await play._server_end(number)
            await play._expect(end, data, "the server")
            await play._feed(end, reply)

        return self._step(step)

    def server_sends(self, data: bytes, number: int = -1) -> Play:
        """The server sends `data`."""

        async def step(play: Play) -> None:
            await play._feed(await play._server_end(number), data)

        return self._step(step)

    def server_closes(self, number: int = -1) -> Play:
        """The server closes its side."""

        async def step(play: Play) -> None:
            await play._end(await play._server_end(number))

        return self._step(step)

    def server_vanishes(self, number: int = -1) -> Play:
        """The server's connection is reset."""

        async def step(play: Play) -> None:
            await play._vanish(await play._server_end(number))

        return self._step(step)

    def server_gets_end(self, number: int = -1) -> Play:
        """The proxy closes its connection to the server."""

        async def step(play: Play) -> None:
            await play._expect_end(await play._server_end(number), False, "the server")

        return self._step(step)

    def server_refuses(self, reason: str) -> Play:
        """Connections to servers fail with `reason` from here on."""

        async def step(play: Play) -> None:
            play.dialer.refuse = reason

        return self._step(step)

    def _step(self, step: Step) -> Play:
        self.steps.append(step)
        return self

    # --- the performance

    def __await__(self) -> Generator[object, None, list[Flow]]:
        return self._play().__await__()

    async def _play(self) -> list[Flow]:
        writer = Writer(self.path, budget=1 << 26, on_problem=self._problem)
        writer.open()
        writer.start()
        capture = Capture(writer)
        capture.on_flow.append(self.flows.append)
        contexts = Contexts(self.authority, self.options)
        phases = Phases(self.options)
        wiring = Wiring(self.options, self.hooks, capture, contexts, self.dialer, phases)
        stream, self.client_end = memory_stream(ConnectionInfo("client"))
        service = stack(closing, announcing, explaining, service=MODES[self.mode.name](self.mode))
        task = asyncio.ensure_future(service(Conn(stream, wiring, Pool())))
        try:
            for step in self.steps:
                await step(self)
            await self._end(self.client_end)
            for end in self.dialer.made:
                await self._end(end)
            await asyncio.wait_for(task, PATIENCE)
        finally:
            task.cancel()
            writer.close()
        reader = Reader(self.path)
        try:
            flows = [reader.flow(number) for number in reader.ids()]
            for flow in flows:
                assert flow is not None
                reader.load_bodies(flow)
        finally:
            reader.close()
        return [flow for flow in flows if flow is not None]

    def _problem(self, message: str) -> None:
        self.reports.append(("error", "store", message))

    async def _feed(self, end: MemoryTransport, data: bytes) -> None:
        assert end.stream is not None
        if data:
            end.stream.data_received(data)
        await asyncio.sleep(0)

    async def _end(self, end: MemoryTransport) -> None:
        assert end.stream is not None
        if not end.stream.eof:
            end.stream.eof_received()
        await asyncio.sleep(0)

    async def _vanish(self, end: MemoryTransport) -> None:
        assert end.stream is not None
        end.ended = True
        end.stream.connection_lost(ConnectionResetError("connection reset by peer"))
        await asyncio.sleep(0)

    async def _server_end(self, number: int) -> MemoryTransport:
        wanted = number + 1 if number >= 0 else max(1, len(self.dialer.made))
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while len(self.dialer.made) < wanted:
            assert asyncio.get_running_loop().time() < deadline, "no connection to the server"
            await asyncio.sleep(0.001)
        return self.dialer.made[number]

    async def _expect(self, end: MemoryTransport, data: bytes, who: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while len(end.sent) < len(data) and not end.ended:
                    end.changed.clear()
                    await end.changed.wait()
        except TimeoutError:
            pass
        got = bytes(end.sent)
        end.sent.clear()
        assert got == data, f"{who} got\n{got!r}\nnot\n{data!r}"

    async def _expect_start(self, end: MemoryTransport, start: bytes, who: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(end.sent) < len(start) and not end.ended:
                end.changed.clear()
                await end.changed.wait()
        assert end.sent.startswith(start), f"{who} got {bytes(end.sent)!r}, not {start!r}…"
        end.sent.clear()

    async def _expect_end(self, end: MemoryTransport, reset: bool, who: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not end.ended:
                end.changed.clear()
                await end.changed.wait()
        assert not end.sent, f"{who} got before the end\n{bytes(end.sent)!r}"
        assert end.reset is reset, f"{who} saw {'a reset' if end.reset else 'a plain end'}"
