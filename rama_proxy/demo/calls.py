"""The shop's gRPC service, shop.v1.Stock: calls in, replies out. Its protobuf is written by hand.

Knows no sockets and no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from urllib.parse import quote

from rama_proxy.demo import assets
from rama_proxy.demo.messages import Asked, Reply

SERVICE = "/shop.v1.Stock/"
OK, NOT_FOUND = 0, 5


def call(asked: Asked) -> Reply:
    """Get gives the product that is asked for, Watch its stock a few times."""
    wanted = asked.body[7:].decode("utf-8", "replace")  # behind five bytes of gRPC, tag and length
    found = [item for item in assets.products() if str(item["id"]) == wanted]
    if not found:
        return _reply([], NOT_FOUND, f"there is no product “{wanted}”")
    if asked.path == f"{SERVICE}Watch":
        number = found[0]["id"]
        return _reply([(0.04, message((number, 44 - sold, sold * 1300))) for sold in range(5)])
    return _reply([(0.0, message(found[0].values()))])


def frame(data: bytes) -> bytes:
    """A message as it stands in the body of a call, not compressed."""
    return struct.pack(">?I", False, len(data)) + data


def message(values: Iterable[object]) -> bytes:
    """A protobuf message whose fields 1, 2, 3 are `values`."""
    return b"".join(_field(number, value) for number, value in enumerate(values, 1))


def _field(number: int, value: object) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, list | tuple):
        return b"".join(_field(number, one) for one in value)
    data = message(value.values()) if isinstance(value, dict) else str(value).encode()
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _reply(messages: list[tuple[float, bytes]], status: int = OK, text: str = "") -> Reply:
    trailers = [("grpc-status", str(status))]
    if text:
        trailers.append(("grpc-message", quote(text, safe=" ")))
    return Reply(
        200,
        "application/grpc",
        pieces=[(wait, frame(data)) for wait, data in messages],
        trailers=trailers,
    )
