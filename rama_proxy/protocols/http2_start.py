"""How a peer begins an HTTP/2 connection, byte for byte, and the Akamai fingerprint of it.

Reads the peer's first bytes up to its first header block, beside the engine and without it. The
fingerprint is that of "Passive Fingerprinting of HTTP/2 Clients" (Akamai, Black Hat EU 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rama_proxy.protocols.http2_frames import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    FRAME_HEAD,
    HAS_PRIORITY,
    HEADERS,
    PREFACE,
    PRIORITY,
    SETTINGS,
    WINDOW_UPDATE,
    parse_settings,
    without_padding,
)

MAX_START = 64 * 1024  # bytes kept; Chromium's are 500

# RFC 7541 A: the pseudo fields of the static table, by index.
_STATIC = {1: "a", 2: "m", 3: "m", 4: "p", 5: "p", 6: "s", 7: "s"}
_NAMES = {b":method": "m", b":authority": "a", b":scheme": "s", b":path": "p"}
# The same names as Huffman code (RFC 7541 B), as some clients write them.
_HUFFMAN = {
    b"\xb9\x49\x53\x39\xe4": b":method",
    b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f": b":authority",
    b"\xb8\x82\x4e\x5a\x4b": b":scheme",
    b"\xb9\x58\xd3\x3f": b":path",
}


class Priority(NamedTuple):
    """A dependency (RFC 7540 6.3). `weight` is 1 to 256, the byte on the wire plus one."""

    stream: int
    exclusive: bool
    depends_on: int
    weight: int


@dataclass(slots=True)
class ConnectionStart:
    """The beginning of a connection.

    `window_update` is the increment of the connection's window, 0 without. `stream`, `priority`
    and `pseudo_order` (initials: "masp") are those of the first HEADERS.
    """

    raw: bytes = b""
    settings: tuple[tuple[int, int], ...] = ()
    window_update: int = 0
    priorities: tuple[Priority, ...] = ()
    stream: int = 0
    priority: Priority | None = None
    pseudo_order: str = ""

    @property
    def akamai(self) -> str:
        """The fingerprint as text: `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo fields`."""
        settings = ";".join(f"{name}:{value}" for name, value in self.settings)
        priorities = ",".join(
            f"{stream}:{int(exclusive)}:{depends_on}:{weight}"
            for stream, exclusive, depends_on, weight in self.priorities
        )
        pseudo = ",".join(self.pseudo_order)
        return f"{settings}|{self.window_update or '00'}|{priorities or '0'}|{pseudo}"

    @property
    def akamai_hash(self) -> str:
        """The MD5 of `akamai` in hexadecimal."""
        import hashlib  # 4 ms, which `rama --help` need not wait

        return hashlib.md5(self.akamai.encode(), usedforsecurity=False).hexdigest()


class StartRecorder:
    """Reads what a peer sends first. `done` is set with the first header block.

    Never raises: what is no HTTP/2 ends the recording, with what was read up to there.
    """

    __slots__ = ("_at", "_block", "_buf", "_has_settings", "done", "start")

    def __init__(self, *, preface: bool) -> None:
        self.start = ConnectionStart()
        self.done = False
        self._buf = bytearray()
        self._at = len(PREFACE) if preface else 0
        self._block: bytes | None = None
        self._has_settings = False

    def feed(self, data: bytes) -> None:
        """Read more of the peer's bytes, as they came."""
        if self.done:
            return
        buf = self._buf
        buf += data[: MAX_START - len(buf)]
        while not self.done and len(buf) >= self._at + FRAME_HEAD:
            at = self._at
            end = at + FRAME_HEAD + int.from_bytes(buf[at : at + 3], "big")
            if len(buf) < end:
                break
            self._at = end
            stream = int.from_bytes(buf[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._read(buf[at + 3], buf[at + 4], stream, bytes(buf[at + FRAME_HEAD : end]))
        if self.done or len(buf) >= MAX_START:
            self.done = True
            self.start.raw = bytes(buf[: self._at])
            self._buf = bytearray()

    def _read(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        start = self.start
        if kind == SETTINGS and not flags & ACK and not self._has_settings:
            self._has_settings = True
            start.settings = tuple(parse_settings(payload[: len(payload) // 6 * 6]))
        elif kind == WINDOW_UPDATE and stream == 0 and not start.window_update:
            start.window_update = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        elif kind == PRIORITY and len(payload) == 5:
            start.priorities += (_priority(stream, payload),)
        elif kind == HEADERS and self._block is None:
            block = without_padding(flags, payload) or b""
            start.stream = stream
            if flags & HAS_PRIORITY:
                if len(block) >= 5:
                    start.priority = _priority(stream, block)
                block = block[5:]
            self._take_block(block, flags)
        elif kind == CONTINUATION and self._block is not None:
            self._take_block(self._block + payload, flags)

    def _take_block(self, block: bytes, flags: int) -> None:
        self._block = block
        if flags & END_HEADERS:
            self.start.pseudo_order = pseudo_order(block)
            self.done = True


def parse_start(raw: bytes) -> ConnectionStart:
    """What `ConnectionStart.raw` says, a client's with the preface and a server's without.

    Never fails; what breaks off gives what comes before the break.
    """
    recorder = StartRecorder(preface=raw.startswith(PREFACE))
    recorder.feed(raw)
    recorder.start.raw = raw
    return recorder.start


def _priority(stream: int, payload: bytes) -> Priority:
    word = int.from_bytes(payload[:4], "big")
    return Priority(stream, bool(word >> 31), word & 0x7FFFFFFF, payload[4] + 1)


def pseudo_order(block: bytes) -> str:
    """The initials of the pseudo fields of a connection's first header block (RFC 7541 6).

    Only names are read, and only those that a first block can have: of the static table, written
    out, or put into the dynamic table by the block itself. A broken block gives what comes
    before the break.
    """
    order, at = "", 0
    dynamic: list[str] = []
    try:
        while at < len(block):
            first = block[at]
            if first & 0xE0 == 0x20:  # dynamic table size update
                at = _integer(block, at, 5)[1]
                continue
            bits = 7 if first & 0x80 else 6 if first & 0x40 else 4
            index, at = _integer(block, at, bits)
            if index:
                name = dynamic[index - 62] if index > 61 else _STATIC.get(index, "")
            else:
                raw, at = _string(block, at)
                name = _NAMES.get(raw, "")
            if bits != 7:
                at = _string(block, at)[1]
            if bits == 6:
                dynamic.insert(0, name)
            order += name
    except IndexError:
        pass
    return order


def is_whole(block: bytes) -> bool:
    """Whether every integer and string of a header block ends inside it; indices unseen."""
    at = 0
    try:
        while at < len(block):
            first = block[at]
            if first & 0xE0 == 0x20:
                at = _integer(block, at, 5)[1]
                continue
            bits = 7 if first & 0x80 else 6 if first & 0x40 else 4
            index, at = _integer(block, at, bits)
            if bits != 7:
                if not index:
                    at = _string(block, at)[1]
                at = _string(block, at)[1]
    except IndexError:
        return False
    return True


def static_inserts(block: bytes) -> list[int] | None:
    """Which fields of a whole block go into the dynamic table, counted from 0.

    None where the block refers to that table or resizes it: then it means something else each time.
    """
    at = count = 0
    inserted: list[int] = []
    while at < len(block):
        first = block[at]
        if first & 0xE0 == 0x20:
            return None
        bits = 7 if first & 0x80 else 6 if first & 0x40 else 4
        index, at = _integer(block, at, bits)
        if index > 61:
            return None
        if bits != 7:
            if not index:
                at = _string(block, at)[1]
            at = _string(block, at)[1]
            if bits == 6:
                inserted.append(count)
        count += 1
    return inserted


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """RFC 7541 5.1: an integer with a prefix of `bits`, and where it ends."""
    limit = (1 << bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    shift = 0
    while True:
        byte = block[at]
        value += (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 28:
            raise IndexError("endless integer")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """RFC 7541 5.2: a string as written, its Huffman code undone for pseudo names only."""
    huffman = block[at] & 0x80
    length, at = _integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise IndexError("string beyond its block")
    raw = block[at:end]
    return (_HUFFMAN.get(raw, raw) if huffman else raw), end
