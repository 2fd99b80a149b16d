"""What fails in one place stays there: an addon, a connection, a peer that breaks its TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from rama_proxy import Addon, Flow, Response
from rama_proxy.hooks import HOOK_NAMES
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.store.reader import Reader
from tests.support.abuse import fill, longest_turn, on_uvloop, small_client, until
from tests.support.running import Running, closed, origin, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def get(port: int, fields: str = "") -> bytes:
    """A request for a server on `port`."""
    host = f"127.0.0.1:{port}"
    return f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


async def ask(engine: Running, port: int) -> bytes:
    """One request, and all that comes until the connection ends."""
    reader, writer = await engine.connect()
    writer.write(get(port, "Connection: close\r\n"))
    answer = await reader.read()
    await closed(writer)
    return answer


class Raises:
    """Raises in every hook that an exchange meets."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __getattr__(self, name: str) -> object:
        if name not in HOOK_NAMES or name in {"load", "running", "done"}:
            raise AttributeError(name)

        def hook(*arguments: object) -> None:
            raise self.error(f"in {name}")

        return hook


class TestAddons:
    @pytest.mark.parametrize(
        "error", [RuntimeError, SystemExit, asyncio.CancelledError, RecursionError]
    )
    def test_whatever_one_raises_the_flow_goes_on(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        self.check_raises(tmp_path, error)

    @staticmethod
    @on_uvloop
    async def check_raises(tmp_path: Path, error: type[BaseException]) -> None:
        async with origin(OK) as port, running(tmp_path) as engine:
            engine.proxy.hooks.set_addons([Raises(error)])
            assert await ask(engine, port) == OK
            (flow,) = engine.flows()
        assert flow.error == ""
        hooks = {source for level, source, text in engine.logs if f"{error.__name__}: in " in text}
        assert {"Raises.requestheaders", "Raises.response", "Raises.server_connected"} <= hooks

    @on_uvloop
    async def test_1000_exceptions_hurt_nobody(self, tmp_path: Path) -> None:
        class Fails(Addon):
            async def request(self, flow: Flow) -> None:
                raise ValueError(flow.request.path)

        async def client(engine: Running, port: int) -> None:
            reader, writer = await engine.connect()
            for _ in range(50):
                writer.write(get(port))
                assert await reader.readexactly(len(OK)) == OK
            await closed(writer)

        async with origin(OK) as port, running(tmp_path) as engine:
            engine.proxy.hooks.set_addons([Fails()])
            await asyncio.gather(*(client(engine, port) for _ in range(20)))
            assert (engine.proxy.capture.flows, engine.proxy.capture.errors) == (1000, 0)
            assert len([1 for log in engine.logs if "ValueError: /" in log[2]]) == 1000

    @on_uvloop
    async def test_a_client_that_takes_no_answers_gets_no_more(self, tmp_path: Path) -> None:
        class Answers(Addon):
            def request(self, flow: Flow) -> None:
                flow.response = Response.make(200, bytes(100_000))

        async with running(tmp_path) as engine:
            engine.proxy.hooks.set_addons([Answers()])
            sock = small_client(engine.proxy.addresses[0])
            request = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"
            fill(sock, request * 5000)
            await until(lambda: engine.proxy.capture.flows, "an answer")
            (stream,) = engine.proxy.listener.tasks.values()
            await until(lambda: not stream.writable, "a full buffer")
            answered = engine.proxy.capture.flows
            assert await longest_turn(0.3) < 0.2
            assert engine.proxy.capture.flows <= answered + 1
            sock.close()

    @on_uvloop
    async def test_answers_leave_others_their_turn(self, tmp_path: Path) -> None:
        class Answers(Addon):
            def request(self, flow: Flow) -> None:
                flow.response = Response.make(204)

        async with running(tmp_path) as engine:
            engine.proxy.hooks.set_addons([Answers()])
            reader, writer = await engine.connect()
            request = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"
            writer.write(request * 5000)
            turn = await longest_turn(1)
            assert engine.proxy.capture.flows == 5000
            assert turn < 0.2
            await reader.read(1)
            await closed(writer)


class TestConnections:
    @on_uvloop
    async def test_a_bug_in_one_ends_that_one(self, tmp_path: Path) -> None:
        async with origin(OK) as port, running(tmp_path) as engine:
            seen: list[str] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: seen.append(repr(context["exception"])))
            reader, writer = await engine.connect()  # an innocent one, open all the time
            dial = engine.proxy.wiring.dialer.connect

            async def broken(info: ConnectionInfo) -> object:
                if len(seen) < 5:
                    raise ZeroDivisionError("a bug")
                return await dial(info)

            engine.proxy.wiring.dialer.connect = broken  # type: ignore[method-assign, assignment]
            for number in range(5):
                assert await ask(engine, port) == b""
                await until(lambda: len(seen) > number, "the report")  # noqa: B023
            assert seen == ["ZeroDivisionError('a bug')"] * 5
            writer.write(get(port))
            assert await reader.readexactly(len(OK)) == OK
            await closed(writer)
            flows = engine.flows()
            assert not engine.proxy.capture.active
        assert [flow.error for flow in flows] == [
            "internal error: ZeroDivisionError('a bug')"
        ] * 5 + [""]

    @on_uvloop
    async def test_a_client_that_breaks_its_tls_in_a_head(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine:
            reader, writer = await engine.connect()
            await self.secure(engine, reader, writer)
            self.tls.write(b"GET http://a.test/ HTT")
            writer.write(self.outgoing.read())
            writer.write(b"\x17\x03\x03\x00\x20" + b"no record of this session at all")
            await reader.read()
            await closed(writer)
            await until(lambda: not engine.proxy.listener.tasks, "the end")
            assert not engine.proxy.capture.active
            (flow,) = engine.flows()
        assert flow.request.method == "GET"
        assert "TLS" in flow.error

    async def secure(
        self, engine: Running, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """TLS to the proxy itself, by hand, so that a record can be anything."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = engine.trusting()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                writer.write(self.outgoing.read())
                self.incoming.write(await reader.read(65536))
            else:
                writer.write(self.outgoing.read())
                return

    @on_uvloop
    async def test_a_stop_ends_the_flows_of_those_who_wait_for_a_server(
        self, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:  # beyond the backlog, connections are not answered at all
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            async with running(tmp_path) as engine:
                writers = []
                for start in (f"CONNECT 127.0.0.1:{port}", f"GET http://127.0.0.1:{port}/"):
                    _, writer = await engine.connect()
                    writer.write(f"{start} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                    writers.append(writer)
                await until(lambda: len(engine.proxy.capture.active) == 2, "both requests")
                await engine.proxy.stop(drain=False)
                for writer in writers:
                    await closed(writer)
            for filler in fillers:
                filler.close()
        with Reader(engine.store) as reader:
            flows = [reader.flow(number) for number in reader.ids()]
        assert sorted(
            (flow.request.method, flow.state, flow.error) for flow in flows if flow is not None
        ) == [(method, "error", "cut off as the proxy stopped") for method in ("CONNECT", "GET")]
