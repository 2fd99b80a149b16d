"""WebSockets through the relay, byte for byte: what passes, what is stored, what addons can do."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from rama_proxy import Addon, Flow, when
from rama_proxy.config import Options
from rama_proxy.model.websocket import (
    BINARY,
    CLOSE,
    DROPPED,
    EDITED,
    INCOMPLETE,
    INJECTED,
    PING,
    PONG,
    TEXT,
    TRUNCATED,
    UNREAD,
    WebSocketData,
    WebSocketMessage,
)
from rama_proxy.protocols.websocket import mask_bytes, parse_frame_header
from rama_proxy.store.reader import Reader
from tests.support.play import MemoryTransport, Play

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
HI = b"\x81\x82\x00\x00\x00\x00hi"  # masked with zeros, which is a mask like any other
HELLO_DEFLATED = b"\xf2\x48\xcd\xc9\xc9\x07\x00"  # RFC 7692 7.2.3.1
HELLO_AGAIN = b"\xf2\x00\x11\x00\x00"  # 7.2.3.2: the same once more, out of the window


def open_socket(play: Play, extensions: bytes = b"") -> Play:
    """Play the handshake, in which the server agrees to `extensions`."""
    ask = (
        b"GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    switch = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" + extensions + b"\r\n"
    )
    return (
        play.client(ask.replace(b"/", b"http://a.test/", 1))
        .server(ask, reply=switch)
        .client_gets(switch)
    )


def server_gets_message(play: Play, opcode: int, payload: bytes, rsv: int = 0) -> Play:
    """The server has got one masked frame and nothing else, whatever its mask is."""

    async def step(play: Play) -> None:
        end = await play._server_end(-1)
        size = 6 + len(payload)
        await expect_frame(end, size, opcode, payload, rsv)

    return play._step(step)


async def expect_frame(
    end: MemoryTransport, size: int, opcode: int, payload: bytes, rsv: int
) -> None:
    import asyncio

    async with asyncio.timeout(5):
        while len(end.sent) < size:
            end.changed.clear()
            await end.changed.wait()
    found = parse_frame_header(end.sent)
    assert found is not None
    header, used = found
    assert (header.fin, header.rsv, header.opcode) == (True, rsv, opcode)
    assert mask_bytes(bytes(end.sent[used:]), header.mask) == payload
    end.sent.clear()


def stored(play: Play) -> list[tuple[bool, int, bytes, int]]:
    """The rows of the only flow: from the client, opcode, data, flags."""
    with Reader(play.path) as reader:
        (flow_id,) = reader.ids()
        rows = reader.messages(flow_id)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert reader.message_count(flow_id) == len(rows)
        return [(row.from_client, row.opcode, row.data, row.flags) for row in rows]


class Watcher(Addon):
    """Notes what the hooks see."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def websocket_start(self, flow: Flow) -> None:
        self.seen.append("start")

    def websocket_message(self, flow: Flow) -> None:
        assert flow.websocket is not None
        message = flow.websocket.messages[-1]
        self.change(flow.websocket, message)

    def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
        self.seen.append((message.from_client, message.is_text, message.content))

    def websocket_end(self, flow: Flow) -> None:
        assert flow.websocket is not None
        self.seen.append((flow.websocket.close_code, flow.websocket.close_reason))
        self.seen.append(flow.websocket.closed_by_client)


async def test_frames_pass_as_they_came_and_messages_are_stored(tmp_path: Path) -> None:
    play = Play(tmp_path)
    fragments = b"\x01\x01a\x89\x00\x00\x00\x80\x01b"
    (flow,) = await (
        open_socket(play)
        .client(HI + b"\x8a\x80\x01\x02\x03\x04")
        .server(HI + b"\x8a\x80\x01\x02\x03\x04", reply=fragments)
        .client_gets(fragments)
        .server_sends(b"\x82\x7e\x00")  # even a piece of a header goes on at once
        .client_gets(b"\x82\x7e\x00")
        .server_sends(b"\x7f" + b"\xff" * 127)
        .client_gets(b"\x7f" + b"\xff" * 127)
        .client(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
        .server(b"\x88\x82\x00\x00\x00\x00\x03\xe8", reply=b"\x88\x02\x03\xe8")
        .client_gets(b"\x88\x02\x03\xe8")
        .server_closes()
        .client_gets_end()
    )
    assert flow.kind == "websocket"
    assert flow.error == ""
    assert flow.notes == ["absolute target sent as a path"]
    assert stored(play) == [
        (True, TEXT, b"hi", 0),
        (True, PONG, b"", 0),
        (False, PING, b"", 0),
        (False, TEXT, b"ab", 0),
        (False, BINARY, b"\xff" * 127, 0),
        (True, CLOSE, b"\x03\xe8", 0),
        (False, CLOSE, b"\x03\xe8", 0),
    ]
    assert flow.request.body.size == 0


async def test_a_frame_behind_the_handshake_is_not_lost(tmp_path: Path) -> None:
    play = Play(tmp_path)
    ask = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    (flow,) = await (
        play.client(ask.replace(b"/", b"http://a.test/", 1) + HI)
        .server(ask, reply=switch + b"\x81\x01a")
        .client_gets(switch + b"\x81\x01a")
        .server(HI)
        .server_closes()
        .client_gets_end()
    )
    assert sorted(stored(play)) == [(False, TEXT, b"a", 0), (True, TEXT, b"hi", 0)]
    assert "ended without a close frame (1006)" in flow.notes


async def test_a_long_frame_streams_and_its_beginning_is_stored(tmp_path: Path) -> None:
    play = Play(tmp_path, options=Options(body_limit=10))
    start = b"\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00" + b"0123456789abcdef"  # of 1 GiB
    (flow,) = await (
        open_socket(play)
        .server_sends(start)
        .client_gets(start)
        .server_sends(b"more")
        .client_gets(b"more")
        .server_closes()
        .client_gets_end()
    )
    assert stored(play) == [(False, BINARY, b"0123456789", TRUNCATED | INCOMPLETE)]
    assert flow.error == ""


async def test_compressed_messages_are_stored_as_text(tmp_path: Path) -> None:
    play = Play(tmp_path)
    first, second = b"\xc1\x07" + HELLO_DEFLATED, b"\xc1\x05" + HELLO_AGAIN
    await (
        open_socket(play, DEFLATE)
        .server_sends(first + second)
        .client_gets(first + second)
        .server_closes()
        .client_gets_end()
    )
    assert stored(play) == [(False, TEXT, b"Hello", 0), (False, TEXT, b"Hello", 0)]


async def test_an_unknown_extension_passes_unread(tmp_path: Path) -> None:
    watcher = Watcher()
    play = Play(tmp_path, addons=[watcher])
    odd = b"\xf3\x03abc"
    (flow,) = await (
        open_socket(play, b"Sec-WebSocket-Extensions: x-turbo; level=9\r\n")
        .server_sends(odd)
        .client_gets(odd)
        .server_closes()
        .client_gets_end()
    )
    assert "unknown extension x-turbo: WebSocket messages pass through unread" in flow.notes
    assert stored(play) == []
    assert flow.response is not None
    assert bytes(flow.response.body) == odd
    assert watcher.seen == ["start", (1006, ""), None]


@pytest.mark.parametrize("holding", [False, True])
@pytest.mark.parametrize(
    ("broken", "note"),
    [
        (b"\x83\x01a", "the server broke the protocol: reserved opcode 3 (RFC 6455 5.2)"),
        (b"\x81\x81\x00\x00\x00\x00a", "frame that is masked (RFC 6455 5.1)"),
        (b"\x80\x01a", "continuation of no message (RFC 6455 5.4)"),
        (b"\x81\x03a\xffb", "message of the server: text that is no UTF-8 (RFC 6455 8.1)"),
    ],
)
async def test_what_breaks_the_protocol_passes_with_a_note(
    tmp_path: Path, holding: bool, broken: bytes, note: str
) -> None:
    play = Play(tmp_path, addons=[Watcher()] if holding else [])
    wire = b"\x81\x01x" + broken + b"\x81\x01y"
    (flow,) = await (
        open_socket(play).server_sends(wire).client_gets(wire).server_closes().client_gets_end()
    )
    assert any(note in item for item in flow.notes)
    assert stored(play)[0] == (False, TEXT, b"x", 0)


async def test_hooks_see_messages_whole_before_they_go_on(tmp_path: Path) -> None:
    watcher = Watcher()
    play = Play(tmp_path, addons=[watcher])
    await (
        open_socket(play)
        .server_sends(b"\x01\x01a\x89")
        .server_sends(b"\x01p\x00\x01b")
        .client_gets(b"\x89\x01p")  # a ping does not wait
        .server_sends(b"\x80\x01c\x82\x01d")
        .client_gets(b"\x01\x01a\x00\x01b\x80\x01c\x82\x01d")
        .client(b"\x88\x86\x00\x00\x00\x00\x03\xe9gone")
        .server(b"\x88\x86\x00\x00\x00\x00\x03\xe9gone")
        .server_closes()
        .client_gets_end()
    )
    assert watcher.seen == [
        "start", (False, True, b"abc"), (False, False, b"d"), (1001, "gone"), True,
    ]  # fmt: skip
    assert [row[1:3] for row in stored(play)] == [
        (PING, b"p"), (TEXT, b"abc"), (BINARY, b"d"), (CLOSE, b"\x03\xe9gone"),
    ]  # fmt: skip


async def test_an_edited_message_is_framed_anew(tmp_path: Path) -> None:
    class Louder(Watcher):
        def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
            message.text = message.text.upper()

    play = Play(tmp_path, addons=[Louder()])
    socket = open_socket(play).client(HI)
    await (
        server_gets_message(socket, TEXT, b"HI")
        .server_sends(b"\x01\x01a\x80\x01b")
        .client_gets(b"\x81\x02AB")
        .server_sends(b"\x81\x01C")
        .client_gets(b"\x81\x01C")
        .server_closes()
        .client_gets_end()
    )
    assert stored(play) == [
        (True, TEXT, b"HI", EDITED), (False, TEXT, b"AB", EDITED), (False, TEXT, b"C", 0),
    ]  # fmt: skip


async def test_after_an_edit_what_refers_back_is_compressed_again(tmp_path: Path) -> None:
    class First(Watcher):
        def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
            if not self.seen.count("done"):
                self.seen.append("done")
                message.text = "Other"

    play = Play(tmp_path, addons=[First()])
    await (
        open_socket(play, DEFLATE)
        .server_sends(b"\xc1\x07" + HELLO_DEFLATED)
        .client_gets(b"\xc1\x07" + deflated(b"Other"))
        .server_sends(b"\xc1\x05" + HELLO_AGAIN)
        .client_gets(b"\xc1\x07" + deflated(b"Hello"))
        .server_sends(b"\x81\x01x")  # was not compressed
        .client_gets(b"\x81\x01x")
        .server_closes()
        .client_gets_end()
    )
    assert stored(play) == [
        (False, TEXT, b"Other", EDITED), (False, TEXT, b"Hello", 0), (False, TEXT, b"x", 0),
    ]  # fmt: skip


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def test_a_dropped_message_is_stored_and_not_sent(tmp_path: Path) -> None:
    class Dropper(Watcher):
        def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
            if message.content == b"no":
                message.drop()

    play = Play(tmp_path, addons=[Dropper()])
    await (
        open_socket(play)
        .server_sends(b"\x81\x02no\x81\x02ok")
        .client_gets(b"\x81\x02ok")
        .server_closes()
        .client_gets_end()
    )
    assert stored(play) == [(False, TEXT, b"no", DROPPED), (False, TEXT, b"ok", 0)]


async def test_messages_are_injected_between_messages(tmp_path: Path) -> None:
    class Answering(Watcher):
        def websocket_start(self, flow: Flow) -> None:
            assert flow.websocket is not None
            flow.websocket.inject(False, "hello")

        def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
            socket.inject(True, b"\x00", is_text=False)
            self.seen.append(message.injected)

    answering = Answering()
    play = Play(tmp_path, addons=[answering])
    socket = open_socket(play)
    await (
        server_gets_message(socket, TEXT, b"hello")
        .server_sends(b"\x81\x01a\x01\x01b")
        .client_gets(b"\x81\x01a\x82\x01\x00")
        .server_sends(b"\x80\x01c")
        .client_gets(b"\x01\x01b\x80\x01c\x82\x01\x00")
        .server_closes()
        .client_gets_end()
    )
    assert answering.seen == [False, False, (1006, ""), None]
    assert stored(play) == [
        (True, TEXT, b"hello", INJECTED),
        (False, TEXT, b"a", 0),
        (False, BINARY, b"\x00", INJECTED),
        (False, TEXT, b"bc", 0),
        (False, BINARY, b"\x00", INJECTED),
    ]


async def test_an_injected_message_waits_for_one_that_streams(tmp_path: Path) -> None:
    class Starter(Addon):
        socket: WebSocketData | None = None

        def websocket_start(self, flow: Flow) -> None:
            self.socket = flow.websocket

    starter = Starter()
    play = Play(tmp_path, addons=[starter])

    async def inject(play: Play) -> None:
        assert starter.socket is not None
        starter.socket.inject(True, "now")

    await (
        open_socket(play)
        .server_sends(b"\x01\x03a")
        .client_gets(b"\x01\x03a")
        ._step(inject)
        .server_sends(b"bc\x80")
        .client_gets(b"bc")
        .server_sends(b"\x01d\x81\x01e")
        .client_gets(b"\x80\x01d\x81\x03now\x81\x01e")
        ._step(inject)
        .client_gets(b"\x81\x03now")
        .server_closes()
        .client_gets_end()
    )
    assert [row[2] for row in stored(play)] == [b"abcd", b"now", b"e", b"now"]


async def test_a_message_beyond_the_limit_is_not_held(tmp_path: Path) -> None:
    class Louder(Watcher):
        def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
            self.seen.append((message.size, message.truncated))
            message.text = message.text.upper()

    louder = Louder()
    play = Play(tmp_path, addons=[louder], options=Options(body_limit=300))
    start, rest = b"\x82\x7e\x04\x00" + b"a" * 500, b"a" * 524
    (flow,) = await (
        open_socket(play)
        .server_sends(start)
        .client_gets(start)
        .server_sends(rest + b"\x81\x01b")
        .client_gets(rest + b"\x81\x01B")
        .server_closes()
        .client_gets_end()
    )
    assert louder.seen[1:3] == [(1024, True), (1, False)]
    assert "a WebSocket message beyond the body limit: not held back" in flow.notes
    assert "an edit of a WebSocket message came too late and was not sent" in flow.notes


async def test_what_cannot_be_compressed_again_ends_the_connection(tmp_path: Path) -> None:
    class Dropper(Watcher):
        def change(self, socket: WebSocketData, message: WebSocketMessage) -> None:
            message.drop()

    play = Play(tmp_path, addons=[Dropper()], options=Options(body_limit=300))
    (flow,) = await (
        open_socket(play, DEFLATE)
        .server_sends(b"\xc1\x07" + HELLO_DEFLATED)
        .server_sends(b"\xc1\x7e\x04\x00" + b"a" * 500)
        .client_gets(b"\x88\x02\x03\xf1")
        .client_gets_end()
    )
    assert "after one that was edited" in flow.error


async def test_a_hook_that_only_watches_holds_nothing(tmp_path: Path) -> None:
    seen: list[bytes] = []

    class Reading(Addon):
        @when(body=False)
        def websocket_message(self, flow: Flow) -> None:
            assert flow.websocket is not None
            seen.append(flow.websocket.messages[-1].content)

    play = Play(tmp_path, addons=[Reading()])
    await (
        open_socket(play)
        .server_sends(b"\x01\x01a")
        .client_gets(b"\x01\x01a")
        .server_sends(b"\x80\x01b")
        .client_gets(b"\x80\x01b")
        .server_closes()
        .client_gets_end()
    )
    assert seen == [b"ab"]


async def test_a_hook_may_end_it(tmp_path: Path) -> None:
    class Killer(Addon):
        def websocket_message(self, flow: Flow) -> None:
            flow.kill()

    play = Play(tmp_path, addons=[Killer()])
    (flow,) = await (
        open_socket(play).server_sends(b"\x81\x01a").client_gets_end(reset=True).server_gets_end()
    )
    assert (flow.error, flow.state) == ("killed", "error")


async def test_held_parts_go_on_when_the_server_breaks_off(tmp_path: Path) -> None:
    play = Play(tmp_path, addons=[Watcher()])
    (flow,) = await (
        open_socket(play)
        .server_sends(b"\x01\x01a\x80")
        .server_closes()
        .client_gets(b"\x01\x01a\x80")
        .client_gets_end()
    )
    assert stored(play) == [(False, TEXT, b"a", INCOMPLETE)]
    assert flow.error == ""


async def test_a_bomb_is_cut_and_passes(tmp_path: Path) -> None:
    play = Play(tmp_path, options=Options(body_limit=1000))
    bomb = deflated(bytes(20 * 1024 * 1024))
    wire = b"\xc2\x7e" + len(bomb).to_bytes(2, "big") + bomb
    await (
        open_socket(play, DEFLATE)
        .server_sends(wire + b"\xc1\x05" + HELLO_AGAIN)
        .client_gets(wire + b"\xc1\x05" + HELLO_AGAIN)
        .server_closes()
        .client_gets_end()
    )
    first, second = stored(play)
    assert first == (False, BINARY, b"\x00" * 1000, TRUNCATED)
    assert second == (False, TEXT, HELLO_AGAIN, UNREAD)


def test_the_model_keeps_only_the_latest_messages() -> None:
    data = WebSocketData()
    for number in range(100):
        data.keep(WebSocketMessage(TEXT, True, b"%d" % number, 0.0))
    assert [message.text for message in data.messages] == [str(n) for n in range(84, 100)]
    data.keep(WebSocketMessage(TEXT, True, b"x" * (2 << 20), 0.0))
    assert len(data.messages) == 16
    data.keep(WebSocketMessage(TEXT, True, b"last", 0.0))
    assert [message.text for message in data.messages] == ["last"]
