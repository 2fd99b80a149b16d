"""HTTP/2 frames as bytes (RFC 9113 4.1, 6): names of the types and flags, and writing them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 3.4
FRAME_HEAD = 9
MAX_FRAME = 16384  # what we take; the default of RFC 9113 6.5.2, which no peer needs raised

DATA = 0x0
HEADERS = 0x1
PRIORITY = 0x2
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9
PRIORITY_UPDATE = 0x10  # RFC 9218 7.1

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8  # RFC 8441 3

MAX_WINDOW = 2**31 - 1

HEAD = struct.Struct(">HBBBL")  # length in two parts, type, flags, stream (RFC 9113 4.1)

FRAME_NAMES = {
    DATA: "DATA",
    HEADERS: "HEADERS",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM",
    SETTINGS: "SETTINGS",
    PUSH_PROMISE: "PUSH_PROMISE",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    CONTINUATION: "CONTINUATION",
    PRIORITY_UPDATE: "PRIORITY_UPDATE",
}


def frame_name(kind: int) -> str:
    """A frame type as people write it."""
    return FRAME_NAMES.get(kind, f"frame type {kind:#x}")


def frame_head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The nine bytes before a payload (RFC 9113 4.1)."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream)


def serialize_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return frame_head(len(payload), kind, flags, stream) + payload


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return serialize_frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def serialize_settings(settings: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame with `settings` in their order."""
    payload = b"".join(
        [name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in settings]
    )
    return serialize_frame(SETTINGS, 0, 0, payload)


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings of a payload whose length is a multiple of 6, in wire order."""
    return [
        (
            int.from_bytes(payload[at : at + 2], "big"),
            int.from_bytes(payload[at + 2 : at + 6], "big"),
        )
        for at in range(0, len(payload), 6)
    ]


def without_padding(flags: int, payload: bytes) -> bytes | None:
    """The payload of DATA, HEADERS or PUSH_PROMISE without padding; None if that is too long."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        return None
    return payload[1 : len(payload) - payload[0]]
