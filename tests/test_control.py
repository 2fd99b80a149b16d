"""The control socket: who gets in, what is answered, and that nothing hangs or is lost quietly."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from rama_proxy.control import server as control_server
from rama_proxy.control.client import ControlClient, ask
from rama_proxy.control.messages import MAX_LINE, Message, decode, encode
from rama_proxy.control.server import ControlServer, make_socket_path, make_token
from rama_proxy.errors import ConfigError, ControlError

TOKEN = "let me in"


async def slow(arguments: Message) -> Message:
    await asyncio.sleep(0)
    return {"heard": arguments}


def refuse(arguments: Message) -> Message:
    raise ConfigError("port: expected a whole number, got 'x'")


def fail(arguments: Message) -> Message:
    return {"never": 1 // 0}


HANDLERS: dict[str, control_server.Handler] = {
    "status": lambda arguments: {"flows": 3},
    "slow": slow,
    "set": refuse,
    "fail": fail,
    "quiet": lambda arguments: None,
    "huge": lambda arguments: {"text": "x" * MAX_LINE},
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ControlServer]:
    server = ControlServer(tmp_path / "s", TOKEN, HANDLERS)
    await server.start()
    yield server
    await server.stop()


async def converse(server: ControlServer, *lines: bytes) -> list[Message]:
    """What the server answers to `lines` until it closes; it has to, or this times out."""
    reader, writer = await asyncio.open_unix_connection(str(server.path), limit=2 * MAX_LINE)
    try:
        writer.write(b"".join(lines))
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(5):
            return [decode(line) async for line in reader]
    finally:
        writer.close()


def line(**fields: object) -> bytes:
    return encode({"token": TOKEN, **fields})


async def test_answers_come_in_order_with_their_numbers(server: ControlServer) -> None:
    answers = await converse(
        server,
        b'{"token":"let me in","op":"slow","id":1,"flow":7,"note":"\\ud800 \\u00e4"}\n',
        b'{"token":"let me in","op":"status","id":"b"}\n',
        b'{"token":"let me in","op":"quiet"}\n',
    )

    assert answers == [
        {"id": 1, "ok": True, "heard": {"flow": 7, "note": "\ud800 ä"}},
        {"id": "b", "ok": True, "flows": 3},
        {"id": None, "ok": True},
    ]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"GET / HTTP/1.1\r\n", "a control message that is not JSON"),
        (b"\n", "a control message that is not JSON"),
        (b"\xff\xfe\n", "a control message that is not JSON"),
        (b"[" * 100_000 + b"\n", "a control message that is not JSON"),
        (b"[1]\n", "a control message that is not a JSON object"),
        (b'{"op":"status"}\n', "the token is wrong"),
        (b'{"op":"status","token":null}\n', "the token is wrong"),
        (b'{"op":"status","token":"let me in "}\n', "the token is wrong"),
        (b'{"op":"status","token":"\\ud800"}\n', "the token is wrong"),
        (line(op="status", id=[]), "the id is neither a number nor a text"),
        (b"x" * (MAX_LINE + 1), f"a line is longer than {MAX_LINE} bytes"),
    ],
)
async def test_bad_input_is_told_and_cut_off(
    server: ControlServer, sent: bytes, error: str
) -> None:
    assert await converse(server, sent, line(op="status", id=2)) == [
        {"id": None, "ok": False, "error": error}
    ]


async def test_refusals_leave_the_connection_open(
    server: ControlServer, caplog: pytest.LogCaptureFixture
) -> None:
    answers = await converse(
        server,
        line(op="fly", id=1),
        line(op=["status"], id=2),
        line(op="set", id=3),
        line(op="fail", id=4),
        line(op="huge", id=5),
        line(op="status", id=6),
    )

    errors = [str(answer.get("error", "")) for answer in answers]
    assert errors[0].startswith("no operation 'fly'; there are fail, hello, huge")
    assert errors[1].startswith("no operation ['status'];")
    assert errors[2] == "port: expected a whole number, got 'x'"
    assert errors[3] == "the engine failed: ZeroDivisionError: integer division or modulo by zero"
    assert errors[4].endswith(f"is longer than {MAX_LINE}")
    assert answers[5] == {"id": 6, "ok": True, "flows": 3}
    assert "a control operation failed" in caplog.text


async def test_half_a_line_before_the_end_is_ignored(server: ControlServer) -> None:
    assert await converse(server, line(op="status", id=1)[:-1]) == []


async def test_only_this_user_gets_near_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = make_socket_path()
    server = ControlServer(path, make_token(), {})
    await server.start()

    assert path.parent == tmp_path / "rama"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    await server.stop()
    assert not path.exists()


def test_a_runtime_dir_that_is_too_long_or_not_ours_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "target"
    elsewhere.mkdir()
    (tmp_path / "rama").symlink_to(elsewhere)
    for unusable in (str(tmp_path), str(tmp_path / ("d" * 90)), str(tmp_path / "missing")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        path = make_socket_path()
        assert not path.is_relative_to(unusable)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_tokens_differ() -> None:
    assert len({make_token() for _ in range(100)}) == 100
    assert len(make_token()) > 40


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))

    server = ControlServer(path, TOKEN, HANDLERS)
    await server.start()

    assert await asyncio.to_thread(ask, path, TOKEN, "status") == {"flows": 3}
    await server.stop()


async def test_a_living_socket_and_another_file_stay(server: ControlServer, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="another engine answers at"):
        await ControlServer(server.path, TOKEN, {}).start()
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(ControlError, match="the file is something else"):
        await ControlServer(file, TOKEN, {}).start()

    assert file.read_text() == "mine"
    assert await asyncio.to_thread(ask, server.path, TOKEN, "status") == {"flows": 3}


async def test_ask_raises_what_the_engine_says(server: ControlServer, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"^the token is wrong$"):
        await asyncio.to_thread(ask, server.path, "guess", "status")
    with pytest.raises(ControlError, match=r"^port: expected a whole number, got 'x'$"):
        await asyncio.to_thread(ask, server.path, TOKEN, "set", name="port")
    with pytest.raises(ControlError, match=r"^no engine answers at .*nothing$"):
        await asyncio.to_thread(ask, tmp_path / "nothing", TOKEN, "status")
    with pytest.raises(ControlError, match="too long"):
        await asyncio.to_thread(ask, tmp_path / ("n" * 200), TOKEN, "status")


def test_ask_does_not_wait_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(ControlError, match=r"did not answer within 0\.05 s"):
            ask(tmp_path / "s", TOKEN, "status", timeout=0.05)


async def test_notices_reach_those_who_said_hello(server: ControlServer) -> None:
    heard: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()
    client = ControlClient(
        server.path, TOKEN, lambda name, fields: heard.put_nowait((name, fields))
    )
    server.broadcast("health", rate=0)
    await client.connect()

    server.broadcast("health", rate=12, listen=["127.0.0.1:8080"])

    assert await asyncio.wait_for(heard.get(), 5) == (
        "health",
        {"rate": 12, "listen": ["127.0.0.1:8080"]},
    )
    assert await client.ask("status") == {"flows": 3}
    assert heard.empty()
    await client.close()
    assert not client.connected


async def test_a_client_that_does_not_read_misses_notices(server: ControlServer) -> None:
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(line(op="hello", id=1))
    await reader.readline()
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a read transport too

    for _ in range(2000):
        server.broadcast("health", filler="x" * 1000)

    assert server.dropped > 1000
    assert await asyncio.to_thread(ask, server.path, TOKEN, "status") == {"flows": 3}
    writer.close()


async def test_questions_may_overlap(server: ControlServer) -> None:
    client = ControlClient(server.path, TOKEN)
    await client.connect()

    answers = await asyncio.gather(*(client.ask("slow", n=n) for n in range(50)))

    assert answers == [{"heard": {"n": n}} for n in range(50)]
    await client.close()


async def test_the_engine_going_away_ends_questions_and_is_told(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(arguments: Message) -> Message:
        asked.set()
        await asyncio.Event().wait()
        return {}

    server = ControlServer(tmp_path / "s", TOKEN, {"never": never})
    await server.start()
    closed = asyncio.Event()
    client = ControlClient(server.path, TOKEN, on_closed=closed.set)
    await client.connect()
    question = asyncio.create_task(client.ask("never"))
    await asked.wait()

    await server.stop()

    with pytest.raises(ControlError, match="the engine closed the connection"):
        await question
    assert closed.is_set()
    with pytest.raises(ControlError, match="not connected"):
        await client.ask("status")
    await client.close()


async def test_connect_names_what_is_wrong(server: ControlServer, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no engine answers"):
        await ControlClient(tmp_path / "nothing", TOKEN).connect()
    stranger = ControlClient(server.path, "guess")
    with pytest.raises(ControlError, match="the token is wrong"):
        await stranger.connect()
    assert not stranger.connected


async def test_too_many_connections_are_told_so(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "MAX_CLIENTS", 1)
    client = ControlClient(server.path, TOKEN)
    await client.connect()

    assert await converse(server) == [
        {"id": None, "ok": False, "error": "too many control connections"}
    ]
    assert await client.ask("status") == {"flows": 3}
    await client.close()


def test_a_shutdown_is_answered_before_the_socket_closes(tmp_path: Path) -> None:
    """On the loop that the engine runs on."""

    async def engine() -> Message:
        stop = asyncio.Event()
        server = ControlServer(tmp_path / "s", TOKEN, {"shutdown": lambda arguments: stop.set()})
        await server.start()
        client = asyncio.create_task(asyncio.to_thread(ask, server.path, TOKEN, "shutdown"))
        await stop.wait()
        await server.stop()
        return await client

    assert uvloop.run(engine()) == {}
    assert not (tmp_path / "s").exists()


def test_messages_are_json_objects_on_a_line() -> None:
    assert json.loads(encode({"path": Path("/a"), "n": 1})) == {"path": "/a", "n": 1}
    assert encode({"text": "a\nb"}).count(b"\n") == 1
    with pytest.raises(ControlError, match="is longer than"):
        encode({"text": "x" * MAX_LINE})
