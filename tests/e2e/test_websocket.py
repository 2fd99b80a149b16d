"""WebSockets of real peers through the real proxy: everything arrives, everything is stored."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode

from rama_proxy.model.websocket import BINARY, CLOSE, EDITED, INJECTED, PING, PONG, TEXT, TRUNCATED
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.peers import wait_for
from tests.support.websocket_peers import client, echo_server

MESSAGES: list[str | bytes] = [
    "",
    b"",
    "Grüße 👋",
    b"\x00\xff" * 60,
    "a" * 126,
    b"b" * 65535,
    "once more " * 7000,
    os.urandom(1 << 20),
    "ä" * (1 << 19),
    b"\x00" * (1 << 20),
]


def rows(engine: Engine, count: int) -> list[tuple[int, int, bytes, int, int]]:
    """The stored messages, once there are `count`: from the client, opcode, data, size, flags."""
    wait_for(
        lambda: engine.query("select count(*) from messages")[0][0] >= count, f"{count} messages"
    )
    found = engine.query("select from_client, opcode, data, size, flags from messages order by seq")
    assert len(found) == count
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


def as_bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def trusting(path: str | Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(path))


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("compressed", [False, True, None], ids=["plain", "takeover", "fresh"])
async def test_messages_of_every_size(
    engine: Engine, ca: TestAuthority, secure: bool, compressed: bool | None
) -> None:
    ours = theirs = None
    if compressed is not False:
        fresh = compressed is None
        theirs = ServerPerMessageDeflateFactory(fresh, fresh, 12 if fresh else None)
        ours = ClientPerMessageDeflateFactory(fresh, fresh, None, 11 if fresh else True)
    context = ca.server_context("127.0.0.1") if secure else None
    trust = trusting(engine.ca) if secure else None
    async with (
        echo_server(context, theirs) as server,
        client(server.url, engine.proxy, trust, ours) as socket,
    ):
        assert bool(socket.protocol.extensions) is (compressed is not False)
        for message in MESSAGES:
            await socket.send(message)
            assert await socket.recv() == message
    (flow,) = engine.flows()
    assert flow.kind == "websocket"
    assert flow.error == ""
    assert [note for note in flow.notes if "target" not in note] == []
    stored = rows(engine, 2 * len(MESSAGES) + 2)
    expected = [(TEXT if isinstance(item, str) else BINARY, as_bytes(item)) for item in MESSAGES]
    for from_client in (1, 0):
        found = [row[1:] for row in stored if row[0] == from_client]
        assert [item[:2] for item in found[:-1]] == expected
        assert found[-1] == (CLOSE, b"\x03\xe8", 2, 0)
        assert all(len(data) == size and not flags for _, data, size, flags in found)


async def test_fragments_pings_and_close_codes(engine: Engine) -> None:
    async with echo_server() as server:
        async with client(server.url, engine.proxy) as socket:
            await socket.send(["in ", "three ", "parts"])
            assert await socket.recv() == "in three parts"
            assert await (await socket.ping(b"are you there")) >= 0
            await socket.send("close")
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "as you wish")
        async with client(server.url, engine.proxy) as socket:
            await socket.close(3000, "enough")
    assert server.closes == [(4001, "as you wish"), (3000, "enough")]
    engine.flows(2)
    stored = engine.query(
        "select from_client, opcode, data from messages where flow_id ="
        " (select min(id) from flows) order by seq"
    )
    assert stored == [
        (1, TEXT, b"in three parts"),
        (0, TEXT, b"in three parts"),
        (1, PING, b"are you there"),
        (0, PONG, b"are you there"),
        (1, TEXT, b"close"),
        (0, CLOSE, b"\x0f\xa1as you wish"),
        (1, CLOSE, b"\x0f\xa1as you wish"),
    ]


async def test_invalid_text_is_answered_by_the_peer(engine: Engine) -> None:
    async with echo_server() as server, client(server.url, engine.proxy) as socket:
        socket.protocol.send_frame(Frame(Opcode.TEXT, b"\xff\xfe"))
        socket.transport.writelines(socket.protocol.data_to_send())
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1007
    (flow,) = engine.flows()
    assert any("text that is no UTF-8" in note for note in flow.notes)
    assert rows(engine, 3)[0][:3] == (1, TEXT, b"\xff\xfe")


SCRIPT = """
from rama_proxy import Flow


def websocket_start(flow: Flow) -> None:
    flow.websocket.inject(True, "welcome")


def websocket_message(flow: Flow) -> None:
    message = flow.websocket.messages[-1]
    if message.from_client and message.is_text:
        message.text = message.text.replace("secret", "******")
    elif message.content == b"drop me":
        message.drop()


def websocket_end(flow: Flow) -> None:
    flow.comment = f"{flow.websocket.close_code} {flow.websocket.closed_by_client}"
"""


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "takeover"])
async def test_a_script_edits_drops_and_injects(
    tmp_path: Path, ca: TestAuthority, compressed: bool
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    ours = ClientPerMessageDeflateFactory() if compressed else None
    theirs = ServerPerMessageDeflateFactory() if compressed else None
    with Engine(tmp_path, "-s", str(script)) as engine:
        async with (
            echo_server(None, theirs) as server,
            client(server.url, engine.proxy, None, ours) as socket,
        ):
            assert await socket.recv() == "welcome"
            for _ in range(3):
                await socket.send("my secret, my secret")
                assert await socket.recv() == "my ******, my ******"
                await socket.send(b"drop me")  # the server never sees it
            await socket.send("in the open " * 10_000)
            assert await socket.recv() == "in the open " * 10_000
        (flow,) = engine.flows()
        assert flow.comment == "1000 True"
        stored = rows(engine, 1 + 9 + 2 + 2)
        assert stored[0] == (0, TEXT, b"welcome", 7, INJECTED)
        assert stored[1] == (1, TEXT, b"my ******, my ******", 20, EDITED)


async def test_a_large_message_is_not_kept_in_memory(tmp_path: Path) -> None:
    large = bytes(48 << 20)
    with Engine(tmp_path, "--body-limit", "1M") as engine:
        async with echo_server() as server, client(server.url, engine.proxy) as socket:
            await socket.send(b"warm")
            assert await socket.recv() == b"warm"
            before = engine.memory()
            await socket.send(large)
            assert await socket.recv() == large
        assert engine.memory() - before < 24 << 20
        found = [row[1:] for row in rows(engine, 6) if row[3] == len(large)]
        assert found == [(BINARY, large[: 1 << 20], len(large), TRUNCATED)] * 2
