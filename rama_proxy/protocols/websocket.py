"""WebSocket frames (RFC 6455 5): headers, masks and close payloads. Messages: websocket_reader."""

from __future__ import annotations

import re
from typing import NamedTuple

from rama_proxy.errors import ProtocolError

MAX_CONTROL = 125  # payload of a control frame, RFC 6455 5.5
NO_STATUS, ABNORMAL = 1005, 1006  # never on the wire, RFC 6455 7.4.1
RSV1 = 4  # of the three bits of a header: the message is compressed, RFC 7692 6


class FrameHeader(NamedTuple):
    """What stands before a payload. `rsv` is 0 to 7, `mask` empty or four bytes."""

    fin: bool
    rsv: int
    opcode: int
    mask: bytes
    length: int


def parse_frame_header(buf: bytes | bytearray, at: int = 0) -> tuple[FrameHeader, int] | None:
    """The header that begins at `at`, and its size; the payload comes after it (RFC 6455 5.2).

    Raises ProtocolError for a length that is not in its shortest form or above 2^63.
    """
    if len(buf) < at + 2:
        return None
    first, second = buf[at], buf[at + 1]
    length = second & 0x7F
    end = at + 2
    if length > MAX_CONTROL:
        end += 2 if length == 126 else 8
        if len(buf) < end:
            return None
        length = int.from_bytes(buf[at + 2 : end], "big")
        if length <= MAX_CONTROL or (end == at + 10 and not 65536 <= length < 1 << 63):
            raise ProtocolError(f"bad frame length {length} in {end - at - 2} bytes (RFC 6455 5.2)")
    mask = b""
    if second & 0x80:
        end += 4
        if len(buf) < end:
            return None
        mask = bytes(buf[end - 4 : end])
    return FrameHeader(first >= 0x80, first >> 4 & 7, first & 15, mask, length), end - at


def serialize_frame(
    opcode: int, payload: bytes, *, mask: bytes = b"", fin: bool = True, rsv: int = 0
) -> bytes:
    """One frame; masked with `mask` where it goes to a server."""
    size = len(payload)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0x80 if mask else 0
    if size <= MAX_CONTROL:
        head = bytes((first, masked | size))
    elif size < 65536:
        head = bytes((first, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, masked | 127)) + size.to_bytes(8, "big")
    return head + mask + mask_bytes(payload, mask) if mask else head + payload


def mask_bytes(data: bytes, mask: bytes) -> bytes:
    """`data` masked, or unmasked, with four bytes (RFC 6455 5.3)."""
    size = len(data)
    pattern = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(data, "little") ^ pattern).to_bytes(size, "little")


def parse_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; 1005 where it has none.

    Raises ProtocolError for half a code, one that is never sent, or a reason that is no UTF-8.
    """
    if not payload:
        return NO_STATUS, ""
    if len(payload) < 2:
        raise ProtocolError(f"close frame with half a code {payload!r} (RFC 6455 5.5.1)")
    code = int.from_bytes(payload[:2], "big")
    if code < 1000 or code in _NEVER_SENT or code >= 5000:
        raise ProtocolError(f"close code {code} is not for the wire (RFC 6455 7.4)")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("close reason that is no UTF-8 (RFC 6455 5.5.1)") from error


_NEVER_SENT = frozenset({1004, NO_STATUS, ABNORMAL, *range(1015, 3000)})


_SPACE = re.compile(r"[\s,]+")


def is_websocket(upgrade: str | None) -> bool:
    """Whether an Upgrade field names WebSocket (RFC 6455 4.1)."""
    return "websocket" in _SPACE.split((upgrade or "").lower())
