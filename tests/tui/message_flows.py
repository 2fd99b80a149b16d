"""A WebSocket for the tests of the messages pane, and a store that holds it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rama_proxy.model.flow import ACTIVE, Flow
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
)
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer
from rama_tui.message_source import MessageSource
from tests.support.tui import live_store
from tests.tui import detail_flows

HOSTILE = "\x1b]52;c;aGk=\x07 \x9b2J [/nope] [red]x \u202egpj\u200b \x00\r\n"


class Sent(NamedTuple):
    """One message; `size` where it is not that of the data."""

    from_client: bool
    opcode: int
    data: bytes
    flags: int = 0
    size: int | None = None


def json_of(number: int) -> bytes:
    """What message `number` of a long WebSocket says."""
    return b'{"id":%d,"type":"tick","price":%d.25}' % (number, 100 + number % 7)


CHAT = (
    Sent(True, TEXT, b'{"type":"connection_init","payload":{"token":"eyJhbGciOi","tz":"UTC"}}'),
    Sent(False, TEXT, b'{"type":"connection_ack"}'),
    Sent(True, TEXT, "hällo wörld — 東京".encode()),
    Sent(False, PING, b"are you there"),
    Sent(True, PONG, b"are you there"),
    Sent(False, BINARY, bytes(range(48))),
    Sent(True, TEXT, b'{"amount": 12, "to": "mallory"}', DROPPED),
    Sent(False, TEXT, b'{"balance":999}', EDITED | INJECTED),
    Sent(False, TEXT, HOSTILE.encode()),
    Sent(False, TEXT, b'{"log":"' + b"x" * 700, TRUNCATED, 3_400_000),
    Sent(True, TEXT, b"\xab\x56\x4a\x2c\xc8", UNREAD),
    Sent(True, BINARY, b"", INCOMPLETE, 65_536),
    Sent(False, CLOSE, b"\x03\xe9maintenance at noon"),
    Sent(True, CLOSE, b"\x03\xe9"),
)


def websocket(state: str = "done") -> Flow:
    """The handshake of flow 42."""
    made = detail_flows.flow(
        b"GET /live?room=7 HTTP/1.1\r\nHost: shop.example.com\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    made.kind = "websocket"
    made.state = state
    if state == ACTIVE:
        made.timing.end = None
    return made


def put_messages(writer: Writer, flow: Flow, messages: Iterable[Sent], first: int = 1) -> None:
    """Store messages of `flow` from number `first` on, and return when readers see them."""
    for seq, sent in enumerate(messages, first):
        at = flow.timing.started + 0.12 + seq * 0.25
        writer.put_message(
            flow.id, seq, sent.from_client, sent.opcode, sent.data, at, sent.size, sent.flags
        )
    assert writer.flush(30)


def store_of(path: Path, flow: Flow, messages: Iterable[Sent] = CHAT) -> MessageSource:
    """A finished store at `path`; its user closes it."""
    with live_store(path) as writer:
        writer.put_connection(flow.client)
        writer.put_flow(flow)
        put_messages(writer, flow, messages)
    return MessageSource(lambda: Reader(path))
