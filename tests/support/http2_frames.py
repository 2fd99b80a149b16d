"""HTTP/2 as an attacker writes it: frames byte by byte, and what came back, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS_KIND, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9


class Frame(NamedTuple):
    """A frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame, right or wrong."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def field(name: bytes, value: bytes) -> bytes:
    """A field without indexing and without Huffman code; each part shorter than 16510 bytes."""
    return b"\0" + _string(name) + _string(value)


def _string(data: bytes) -> bytes:
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest = len(data) - 127
    if rest < 128:
        return bytes([127, rest]) + data
    return bytes([127, rest & 127 | 128, rest >> 7]) + data


def head(authority: bytes = b"a.test", path: bytes = b"/1k", method: bytes = b"GET") -> bytes:
    """The header block of a request: four fields, none of them indexed."""
    parts = (b":method", method), (b":path", path), (b":scheme", b"http")
    return b"".join([field(*part) for part in parts]) + field(b":authority", authority)


def get(stream: int, more: bytes = b"", flags: int = 5) -> bytes:
    """HEADERS of a request for /1k; 5 ends head and stream, 4 the head alone."""
    return frame(HEADERS, flags, stream, head() + more)


def frames_of(data: bytes) -> list[Frame]:
    """The frames that `data` begins with; what is left of one is left out."""
    found, at = [], 0
    while len(data) >= at + 9 + int.from_bytes(data[at : at + 3]):
        end = at + 9 + int.from_bytes(data[at : at + 3])
        stream = int.from_bytes(data[at + 5 : at + 9])
        found.append(Frame(data[at + 3], data[at + 4], stream, data[at + 9 : end]))
        at = end
    return found


def code_of(frames: list[Frame], stream: int) -> int | None:
    """The code of the GOAWAY among them, for stream 0, or else of that stream's RST_STREAM."""
    for kind, _, number, payload in frames:
        if number == stream and kind == (RST_STREAM if stream else GOAWAY):
            return int.from_bytes(payload[:4] if stream else payload[4:8])
    return None


async def say(port: int, data: bytes, *, until: int | None = None) -> list[Frame]:
    """Send `data` as fast as it is taken; the frames that came up to the end of the connection.

    With `until` up to the end of that stream, and then we close.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.ensure_future(read_to_end(reader, until))
    try:
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(data), 65536):
                writer.write(data[at : at + 65536])
                await writer.drain()
                if reading.done():
                    break
        return frames_of(await reading)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_to_end(reader: asyncio.StreamReader, until: int | None = None) -> bytes:
    """What comes to the end of the connection, or of one stream, also before a reset."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            said += data
            if until is not None and _ended(frames_of(said), until):
                break
    return said


def _ended(frames: list[Frame], stream: int) -> bool:
    return any(
        one.stream == stream and (one.kind == RST_STREAM or (one.kind in (0, 1) and one.flags & 1))
        for one in frames
    )
