"""The addon `replay`, and commands of addons: what they are asked, told and refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rama_proxy import CommandCall, Flow, Loader, Request
from rama_proxy.addon_files import load_addons
from rama_proxy.config import Options
from rama_proxy.control.client import ControlClient
from rama_proxy.errors import ControlError, RamaError
from tests.support.http2_ends import (
    Exchange,
    Http2End,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.running import Running, closed, origin, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Told:
    """Takes the notices of a command."""

    def __init__(self) -> None:
        self.progress: list[Mapping[str, Any]] = []

    async def __call__(self, name: str, fields: Mapping[str, object]) -> None:
        assert name == "progress"
        self.progress.append(fields)

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """All that was told of."""
        return [entry for fields in self.progress for entry in fields["attempts"]]


async def replay(engine: Running, told: Told | None = None, **arguments: object) -> dict[str, Any]:
    """The answer of the command."""
    return await engine.proxy.run(
        {"command": "replay", "arguments": arguments}, Told() if told is None else told
    )


async def ask_through(engine: Running, *targets: str) -> None:
    """Let a client send GETs through the proxy, one after the other."""
    reader, writer = await engine.connect()
    for target in targets:
        host = target.split("/")[2]
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
    await engine.ended(len(targets))
    await closed(writer)


async def test_a_flow_is_sent_once_more(tmp_path: Path) -> None:
    seen: list[bytes] = []
    told = Told()
    async with origin(OK, seen=seen) as port, running(tmp_path) as engine:
        await ask_through(engine, f"http://127.0.0.1:{port}/a")
        answer = await replay(engine, told, flows=[1])
        flows = engine.flows()
    assert seen[0] == seen[1]
    assert [flow.parent_id for flow in flows] == [None, 1]
    (entry,) = told.attempts
    assert (entry["origin"], entry["flow"], entry["status"]) == (1, 2, 200)
    assert (entry["size"], entry["error"]) == (2, None)
    assert answer["sent"] == 1
    assert answer["errors"] == answer["refused"] == 0
    assert answer["p50_ms"] == answer["p95_ms"] == entry["ms"]


async def test_a_replay_of_a_replay_belongs_to_the_first(tmp_path: Path) -> None:
    async with origin(OK) as port, running(tmp_path) as engine:
        await ask_through(engine, f"http://127.0.0.1:{port}/a")
        await replay(engine, flows=[1])
        await replay(engine, flows=[2])
        assert [flow.parent_id for flow in engine.flows()] == [None, 1, 1]


async def test_many_times_and_many_at_once(tmp_path: Path) -> None:
    most = under_way = 0
    several = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, under_way
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            under_way += 1
            most = max(most, under_way)
            if under_way == 4:
                several.set()
            await several.wait()  # nobody is answered before four ask at once
            under_way -= 1
            writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = Told()
    async with running(tmp_path) as engine:
        several.set()
        await ask_through(engine, f"http://127.0.0.1:{port}/a")
        several.clear()
        most = under_way = 0
        answer = await replay(engine, told, flows=[1], count=40, concurrency=4)
        stored = engine.flows()
    server.close()
    assert most == 4
    assert (answer["sent"], answer["errors"]) == (40, 0)
    assert answer["rate"] > 0
    assert sorted(entry["flow"] for entry in told.attempts) == list(range(2, 42))
    assert {fields["total"] for fields in told.progress} == {40}
    assert told.progress[-1]["done"] == 40
    assert {flow.parent_id for flow in stored[1:]} == {1}
    assert len({flow.server.id for flow in stored[1:] if flow.server}) == 4


async def test_http2_attempts_share_a_connection(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        end.answer(exchange, [(b":status", b"200")], b"%d" % len(exchange.body))

    more = [(b"x-b", b"1"), (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2")]
    fields = request_fields("/p", *more, method="POST")
    async with http2_origin(handler) as server:
        mode = f"reverse:http://127.0.0.1:{server.port}"
        async with running(tmp_path, Options(mode=mode, keep_host=True)) as engine:
            async with http2_client(*await engine.connect()) as client:
                await client.ask(fields, b"hello")
            await engine.ended()
            answer = await replay(engine, flows=[1], count=10, concurrency=5)
            flows = engine.flows()
    assert (answer["sent"], answer["errors"]) == (10, 0)
    assert [exchange.heads for exchange in server.exchanges] == [[fields]] * 11
    assert {bytes(exchange.body) for exchange in server.exchanges} == {b"hello"}
    assert len(server.ends) == 2
    assert {flow.response.version for flow in flows if flow.response} == {"HTTP/2"}


async def test_the_flows_that_a_filter_selects(tmp_path: Path) -> None:
    seen: list[bytes] = []
    async with origin(OK, seen=seen) as port, running(tmp_path) as engine:
        targets = [f"http://127.0.0.1:{port}/{name}" for name in ("one", "two", "three")]
        await ask_through(engine, *targets)
        answer = await replay(engine, filter="~u /t", count=2)
        flows = engine.flows()
    assert answer["sent"] == 4
    assert [flow.parent_id for flow in flows[3:]] == [2, 3, 2, 3]
    assert [head.split()[1] for head in seen[3:]] == [b"/two", b"/three"] * 2


async def test_failures_are_counted_and_told(tmp_path: Path) -> None:
    told = Told()
    async with origin(OK) as port, running(tmp_path) as engine:
        await ask_through(engine, f"http://127.0.0.1:{port}/")

        class Elsewhere:
            def requestheaders(self, flow: Flow) -> None:
                flow.request.port = 1

        (addon,) = load_addons(["replay"])
        engine.proxy.hooks.set_addons([addon, Elsewhere()])
        answer = await replay(engine, told, flows=[1], count=3)
    assert (answer["sent"], answer["errors"], answer["p50_ms"]) == (3, 3, None)
    assert all("127.0.0.1:1" in entry["error"] for entry in told.attempts)
    assert {entry["status"] for entry in told.attempts} == {None}


async def test_of_several_flows_those_that_cannot_be_sent_are_named(tmp_path: Path) -> None:
    told = Told()
    async with origin(OK) as port, running(tmp_path) as engine:
        await ask_through(engine, f"http://127.0.0.1:{port}/")
        answer = await replay(engine, told, flows=[9, 1])
    assert (answer["sent"], answer["refused"], answer["errors"]) == (1, 1, 0)
    assert told.attempts[0]["error"] == "flow 9 cannot be replayed: there is no such flow"
    assert told.attempts[1]["flow"] == 2


async def test_a_tunnel_is_no_request(tmp_path: Path) -> None:
    async with origin(OK) as port, running(tmp_path) as engine:
        _, writer = await engine.tunnel("127.0.0.1", port)
        writer.write(b"\x00no HTTP")
        await closed(writer)
        await engine.ended()
        (flow,) = engine.flows()
        with pytest.raises(RamaError, match=f"flow {flow.id} cannot .* it is a tcp connection"):
            await replay(engine, flows=[flow.id])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "flows="),
        ({"flows": []}, "flows="),
        ({"flows": ["1"]}, "flows="),
        ({"flows": [True]}, "flows="),
        ({"flows": [1]}, "flow 1 cannot be replayed: there is no such flow"),
        ({"filter": "~d nowhere"}, "no flow matches '~d nowhere'"),
        ({"filter": "~zz"}, "~zz"),
        ({"flows": [1], "count": 0}, "count is a number from 1"),
        ({"flows": [1], "count": True}, "count is a number from 1"),
        ({"flows": [1], "concurrency": 65}, "concurrency is a number from 1 to 64, not 65"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    arguments: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    async with running(tmp_path) as engine:
        with pytest.raises(RamaError, match=reason):
            await replay(engine, **arguments)
        assert engine.flows() == []


# --- commands of any addon, over the control socket


async def control_of(engine: Running, notices: list[Mapping[str, object]]) -> ControlClient:
    """A connection to the engine, of one who keeps what is told."""
    control = engine.proxy.control
    assert control is not None

    def take(name: str, fields: dict[str, object]) -> None:
        if name == "progress":
            notices.append(fields)

    client = ControlClient(control.path, engine.proxy.token, take)
    await client.connect()
    return client


async def test_a_command_answers_over_the_socket(tmp_path: Path) -> None:
    async def double(call: CommandCall) -> dict[str, object]:
        number = call.arguments["number"]
        assert isinstance(number, int)
        await call.progress({"seen": number})
        return {"double": 2 * number}

    notices: list[Mapping[str, object]] = []
    async with running(tmp_path) as engine:
        engine.proxy.hooks.set_addons([offering(double=double)])
        client = await control_of(engine, notices)
        asked = [client.ask("run", command="double", arguments={"number": n}) for n in (2, 3)]
        answers = await asyncio.gather(*asked)
        assert (await client.ask("status"))["pid"]
        await client.close()
    assert answers == [{"double": 4}, {"double": 6}]
    assert notices == [{"seen": 2}, {"seen": 3}]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("not this"), "^not this$"),
        (KeyError("x"), "^bad failed: KeyError: 'x'$"),
        (asyncio.CancelledError(), "cut off"),
    ],
)
async def test_a_command_that_fails_is_a_refusal(
    error: BaseException, reason: str, tmp_path: Path
) -> None:
    async def bad(call: CommandCall) -> dict[str, object]:
        raise error

    async with running(tmp_path) as engine:
        engine.proxy.hooks.set_addons([offering(bad=bad)])
        client = await control_of(engine, [])
        with pytest.raises(ControlError, match=reason):
            await client.ask("run", command="bad", arguments={})
        with pytest.raises(ControlError, match="no addon has a command 'none'; there are: bad"):
            await client.ask("run", command="none", arguments={})
        with pytest.raises(ControlError, match="arguments"):
            await client.ask("run", command="bad")
        await client.close()


async def test_a_command_ends_when_its_asker_leaves(tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(call: CommandCall) -> dict[str, object]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    async with running(tmp_path) as engine:
        engine.proxy.hooks.set_addons([offering(wait=wait)])
        client = await control_of(engine, [])
        task = asyncio.ensure_future(client.ask("run", command="wait", arguments={}))
        await begun.wait()
        await client.close()
        async with asyncio.timeout(5):
            await ended.wait()
        with pytest.raises(ControlError):
            await task
        client = await control_of(engine, [])
        assert (await client.ask("status"))["pid"]
        await client.close()


async def test_an_engine_that_stops_ends_a_replay(tmp_path: Path) -> None:
    asked = asyncio.Event()
    seen: list[bytes] = []
    told: list[Mapping[str, object]] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        if len(seen) == 1:
            writer.write(OK)
        else:
            asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(tmp_path) as engine:
        await ask_through(engine, f"http://127.0.0.1:{port}/")
        client = await control_of(engine, told)
        arguments = {"flows": [1], "count": 100}
        task = asyncio.ensure_future(client.ask("run", command="replay", arguments=arguments))
        await asked.wait()
        engine.proxy.options.shutdown_timeout = 0.05
    with pytest.raises(ControlError):
        await task
    await client.close()
    server.close()
    assert len(seen) == 2
    warnings = [message for level, _, message in engine.logs if level == "warning"]
    assert "1 requests of Rama's own were cut off" in warnings


async def test_an_addon_asks_the_engine_from_its_load(tmp_path: Path) -> None:
    seen: list[int | None] = []

    class Early:
        def load(self, loader: Loader) -> None:
            self.engine = loader.engine

        async def response(self, flow: Flow) -> None:
            if flow.parent_id is None and self.engine is not None:
                again = await self.engine.submit(flow.request, flow)
                seen.append(again.parent_id)

    async with origin(OK) as port, running(tmp_path) as engine:
        early = Early()
        engine.proxy.hooks.set_addons([early])
        early.load(Loader(engine=engine.proxy.addons.engine))
        await ask_through(engine, f"http://127.0.0.1:{port}/")
    assert seen == [1]


async def test_scripts_get_the_engine(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(
        "from rama_proxy import Loader\n"
        "kept = []\n"
        "def load(loader: Loader) -> None:\n"
        "    kept.append(loader.engine)\n"
        "async def count(call):\n"
        "    return {'flows': len(await kept[0].find(''))}\n"
        "commands = {'count': count}\n"
    )
    async with running(tmp_path, Options(scripts=(str(script),))) as engine:
        answer = await engine.proxy.run({"command": "count", "arguments": {}}, Told())
    assert answer == {"flows": 0}


def test_a_copy_of_a_request_is_its_own() -> None:
    request = Request.make("POST", "http://a.test/x", b"body")
    copy = request.copy()
    copy.headers.set("Host", "b.test")
    copy.text = "other"
    copy.path = "/y"
    assert (request.headers["Host"], request.text, request.path) == ("a.test", "body", "/x")
    assert (copy.host, copy.scheme, copy.port, copy.method) == ("a.test", "http", 80, "POST")


def offering(**commands: Callable[[CommandCall], Any]) -> object:
    """An addon with commands."""

    class Offering:
        pass

    addon = Offering()
    addon.commands = commands  # type: ignore[attr-defined]  # an addon is any object
    return addon
