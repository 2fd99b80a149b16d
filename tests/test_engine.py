"""The engine as a whole: it starts, is told things, reloads, drains, and stops."""

from __future__ import annotations

import asyncio
import functools
import os
from pathlib import Path
from typing import Any

import pytest

from rama_proxy.config import Options
from rama_proxy.control.client import ask
from rama_proxy.engine import LIVE_OPTIONS, Proxy
from rama_proxy.errors import AddonError, ControlError, StartError, StoreError
from rama_proxy.store.reader import Reader
from tests.support.running import Running, closed, origin, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def get(engine: Running, port: int, path: str = "/") -> bytes:
    """One plain request through the proxy, and its answer."""
    reader, writer = await engine.connect()
    writer.write(
        f"GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    await closed(writer)
    return answer


async def command(engine: Running, op: str, **arguments: Any) -> dict[str, object]:
    """Ask the engine over its socket, as another process would."""
    control = engine.proxy.control
    assert control is not None
    call = functools.partial(ask, control.path, engine.proxy.token, op, **arguments)
    return await asyncio.to_thread(call)


class TestStart:
    async def test_store_says_who_writes_it(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine:
            assert engine.proxy.writer.flush(5)
            with Reader(engine.store) as reader:
                host, port = engine.proxy.addresses[0]
                assert reader.meta("listen") == f'["{host}:{port}"]'
                path = reader.meta("control_path")
                assert path
                assert os.stat(path).st_mode & 0o777 == 0o600
                assert engine.store.stat().st_mode & 0o777 == 0o600
        with Reader(engine.store) as reader:
            assert reader.meta("ended_at")
            assert not reader.meta("control_path")

    async def test_ids_go_on_where_the_store_ends(self, tmp_path: Path) -> None:
        async with origin(OK) as port:
            for _ in range(2):
                async with running(tmp_path) as engine:
                    await get(engine, port)
            with Reader(engine.store) as reader:
                assert reader.ids().tolist() == [1, 2]

    async def test_a_taken_port_leaves_nothing_behind(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine:
            port = engine.proxy.addresses[0][1]
            options = Options(port=port, confdir=str(tmp_path / "ca"))
            other = Proxy(options, tmp_path / "other.db")
            with pytest.raises(StartError, match="in use"):
                await other.start()
            again = Proxy(Options(port=0, confdir=str(tmp_path / "ca")), tmp_path / "other.db")
            await again.start()
            await again.stop()

    async def test_a_store_in_use_is_refused(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine:
            other = Proxy(Options(port=0, confdir=str(tmp_path / "ca")), engine.store)
            with pytest.raises(StoreError):
                await other.start()

    async def test_a_script_that_does_not_load_stops_the_start(self, tmp_path: Path) -> None:
        script = tmp_path / "broken.py"
        script.write_text("def request(flow:\n")
        with pytest.raises(AddonError, match=r"broken\.py"):
            async with running(tmp_path, Options(scripts=(str(script),))):
                pass


class TestControl:
    async def test_status(self, tmp_path: Path) -> None:
        async with origin(OK) as port, running(tmp_path) as engine:
            await get(engine, port)
            status = await command(engine, "status")
        assert status["flows"] == 1
        assert status["store"] == str(engine.store)
        assert status["mode"] == "regular"

    async def test_set_takes_effect(self, tmp_path: Path) -> None:
        async with origin(OK) as port, running(tmp_path) as engine:
            await command(engine, "set", name="body_limit", value="1")
            await get(engine, port)
            (flow,) = engine.flows()
        assert flow.response is not None
        assert flow.response.body.truncated

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("port", 1, "cannot be set while the engine runs"),
            ("body_limit", "many", "control: body_limit: expected"),
            ("keep_host", "perhaps", "control: keep_host: expected"),
            ("body_limit", True, "control: body_limit: expected"),
        ],
    )
    async def test_set_refuses(
        self, tmp_path: Path, name: str, value: object, problem: str
    ) -> None:
        async with running(tmp_path) as engine:
            with pytest.raises(ControlError, match=problem):
                await command(engine, "set", name=name, value=value)

    def test_live_options_exist(self) -> None:
        assert all(hasattr(Options(), name) for name in LIVE_OPTIONS)

    async def test_note(self, tmp_path: Path) -> None:
        async with origin(OK) as port, running(tmp_path) as engine:
            await get(engine, port)
            await command(engine, "note", flow=1, mark="red", comment="look here")
            (flow,) = engine.flows()
            with pytest.raises(ControlError, match="flow=ID"):
                await command(engine, "note")
        assert (flow.mark, flow.comment) == ("red", "look here")

    async def test_shutdown(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine:
            await command(engine, "shutdown")
            assert engine.proxy.stop_wanted.is_set()


class TestScripts:
    async def test_reload_when_saved(self, tmp_path: Path) -> None:
        script = tmp_path / "answer.py"
        text = "from rama_proxy import Response\ndef request(flow):\n    flow.response = {}\n"
        script.write_text(text.format("Response.make(201)"))
        async with running(tmp_path, Options(scripts=(str(script),))) as engine:
            assert b" 201 " in await get(engine, 1)
            async with asyncio.timeout(10):
                while b" 202 " not in await get(engine, 1):
                    script.write_text(text.format("Response.make(202)"))
                    await asyncio.sleep(0.3)

    async def test_a_bad_save_keeps_the_old_one_and_says_so(self, tmp_path: Path) -> None:
        script = tmp_path / "answer.py"
        script.write_text(
            "from rama_proxy import Response\n"
            "def request(flow):\n    flow.response = Response.make(201)\n"
        )
        async with running(tmp_path, Options(scripts=(str(script),))) as engine:
            script.write_text("def request(flow:\n")
            with pytest.raises(ControlError, match=r"answer\.py"):
                await command(engine, "reload")
            assert b" 201 " in await get(engine, 1)
            assert engine.proxy.writer.flush(5)
            with Reader(engine.store) as reader:
                assert any("answer.py" in row.message for row in reader.logs())


class TestStop:
    async def test_an_exchange_may_end(self, tmp_path: Path) -> None:
        release = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await release.wait()
            writer.write(OK)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with running(tmp_path) as engine:
            task = asyncio.ensure_future(get(engine, port))
            async with asyncio.timeout(5):
                while not engine.proxy.capture.active:  # noqa: ASYNC110  no event for a test
                    await asyncio.sleep(0.005)
            stop = asyncio.ensure_future(engine.proxy.stop())
            await asyncio.sleep(0.05)
            assert not stop.done()
            release.set()
            assert await task == OK
            await stop
            with Reader(engine.store) as reader:
                flow = reader.flow(1)
            assert flow is not None
            assert flow.error == ""
        server.close()

    async def test_an_idle_client_is_let_go(self, tmp_path: Path) -> None:
        async with origin(OK) as port, running(tmp_path) as engine:
            reader, writer = await engine.connect()
            writer.write(
                f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
            )
            assert await reader.readexactly(len(OK)) == OK
            await command(engine, "set", name="idle_timeout", value=99.0)
            async with asyncio.timeout(1):
                await engine.proxy.stop()
            assert await reader.read() == b""
            await closed(writer)


class TestLimits:
    async def test_a_head_that_dribbles_is_ended(self, tmp_path: Path) -> None:
        async with running(tmp_path, Options(head_timeout=0.1)) as engine:
            reader, writer = await engine.connect()
            writer.write(b"GET http://a.test/ HTTP/1.1\r\n")
            async with asyncio.timeout(5):
                answer = await reader.read()
            await closed(writer)
            (flow,) = engine.flows()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert "request head" in flow.error

    async def test_a_server_that_is_silent_gives_504(self, tmp_path: Path) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with running(tmp_path, Options(response_timeout=0.1)) as engine:
            async with asyncio.timeout(5):
                answer = await get(engine, port)
            (flow,) = engine.flows()
        server.close()
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert "no response within 0.1 s" in flow.error

    async def test_a_long_flow_has_a_row_while_it_lasts(self, tmp_path: Path) -> None:
        async with (
            origin(b"HTTP/1.1 200 OK\r\n\r\nfirst") as port,
            running(tmp_path) as engine,
        ):
            reader, writer = await engine.connect()
            writer.write(
                f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
            )
            assert (await reader.readuntil(b"first")).endswith(b"first")
            async with asyncio.timeout(5):
                while not (flows := engine.flows()):  # noqa: ASYNC110  no event for a test
                    await asyncio.sleep(0.05)
            assert flows[0].state == "active"
            assert flows[0].response is not None
            assert flows[0].response.status == 200
            await closed(writer)

    async def test_the_proxy_does_not_connect_to_itself(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine:
            answer = await get(engine, engine.proxy.addresses[0][1])
            (flow,) = engine.flows()
        assert answer.startswith(b"HTTP/1.1 508 ")
        assert "this proxy itself" in flow.error
