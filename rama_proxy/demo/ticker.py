"""The shop's live ticker over WebSocket: what its two ends say, in turn. Knows no sockets."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import NamedTuple

from rama_proxy.demo import assets
from rama_proxy.model.websocket import BINARY, CLOSE, PING, PONG, TEXT
from rama_proxy.protocols.websocket import serialize_frame
from rama_proxy.protocols.websocket_reader import MessageReader

KEY = base64.b64encode(b"a demo's own key").decode()
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_MASK = b"\x5a\xa5\x3c\xc3"
_LONGEST = 65536
_PAUSE = 0.1  # seconds before what the server says


class Said(NamedTuple):
    """One message of the conversation."""

    by_server: bool
    opcode: int
    payload: bytes


def accept_of(key: str) -> str:
    """Sec-WebSocket-Accept for a client's key (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class Talk:
    """One end of the conversation: it speaks when `due` says so, and is told what it hears."""

    def __init__(self, *, is_server: bool) -> None:
        self._is_server = is_server
        self._said = 0
        self._reader = MessageReader(masked=is_server, limit=_LONGEST)

    @property
    def over(self) -> bool:
        """Whether all has been said."""
        return self._said == len(CONVERSATION)

    def due(self) -> tuple[float, bytes] | None:
        """Seconds to wait and the frame to send then; None while the other end has its turn."""
        if self.over or CONVERSATION[self._said].by_server is not self._is_server:
            return None
        said = CONVERSATION[self._said]
        self._said += 1
        mask = b"" if self._is_server else _MASK
        pause = _PAUSE if self._is_server else 0.0
        return pause, serialize_frame(said.opcode, said.payload, mask=mask)

    def hear(self, data: bytes) -> None:
        """Take bytes of the other end. What it says out of turn counts for nothing."""
        for part in self._reader.feed(data):
            if part.message is not None and not self.over:
                self._said += CONVERSATION[self._said].by_server is not self._is_server


def _client(**message: object) -> Said:
    return Said(False, TEXT, _compact(message))


def _server(**message: object) -> Said:
    return Said(True, TEXT, _compact(message))


def _compact(message: object) -> bytes:
    """JSON as browsers write it."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _items(*numbers: int) -> list[dict[str, object]]:
    return [
        {name: item[name] for name in ("id", "name", "stock", "price")}
        for item in assets.products()
        if item["id"] in numbers
    ]


_PRICES = struct.pack(">H16I", 7, *(4900 + 35 * (day * day % 11) for day in range(16)))
_BYE = struct.pack(">H", 1000) + b"the page was left"

CONVERSATION = (
    _client(type="subscribe", id=1, items=[3, 7, 21]),
    _server(type="subscribed", id=1, items=_items(3, 7, 21)),
    _server(type="stock", item=7, stock=46, sold=1),
    _server(type="stock", item=3, stock=60, sold=2),
    Said(True, PING, b"still there?"),
    Said(False, PONG, b"still there?"),
    _client(type="reserve", id=2, item=7, quantity=2),
    _server(type="reserved", id=2, item=7, quantity=2, until="2026-09-21T14:28:20Z"),
    _server(type="stock", item=7, stock=44, sold=2),
    _client(type="prices", id=3, item=7, format="binary"),
    Said(True, BINARY, _PRICES),
    _client(type="chat", id=4, text="Do you have the Café crème in blue? 日本語 is fine, too."),
    _server(type="chat", id=4, author="Mia", text="From Monday on. I keep one for you 🦙"),
    _server(type="stock", item=21, stock=60, sold=5),
    _client(type="unsubscribe", id=5, items=[3, 7, 21]),
    _server(type="unsubscribed", id=5),
    Said(False, CLOSE, _BYE),
    Said(True, CLOSE, _BYE),
)
