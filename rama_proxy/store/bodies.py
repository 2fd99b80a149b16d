"""Bodies in the store: each distinct one once, small, and gone with the last flow that has it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from typing import NamedTuple

from backports import zstd

from rama_proxy.model.message import Message

PLAIN, ZSTD = 0, 1  # bodies.codec
COMPRESS_FROM = 1024  # a smaller one saves less than its flow's row is long
LEVEL = 3  # 2.5:1 on 2 KB of JSON; 6 costs 2.5 times as much for 2.6:1
MAX_REMEMBERED = 16384
MAX_UNPACKED = 256 * 1024 * 1024  # a store may come from anybody; body_limit is 16 MiB by default
_PACKED_TYPES = ("image/", "video/", "audio/", "font/", "application/zip", "application/gzip")


class Body(NamedTuple):
    """A row of bodies that is not written yet."""

    id: int
    digest: bytes
    codec: int
    size: int
    data: bytes


class BodyLedger:
    """Gives bodies their ids, and counts who refers to them, for one batch after the other.

    `place` and `drop` are called while a batch is built, `write` in its transaction, `forget` when
    the transaction failed.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._compressor = zstd.ZstdCompressor(level=LEVEL)
        self.forget()

    def forget(self) -> None:
        """Start from what the store has: nothing of the last batch got there."""
        self._ids: dict[bytes, int] = {}  # of bodies that the store has or is about to have
        self._new: list[Body] = []
        self._refs: Counter[int] = Counter()
        row = self._connection.execute("SELECT coalesce(max(id), 0) FROM bodies").fetchone()
        self._next: int = row[0] + 1

    def place(self, message: Message) -> int | None:
        """The id of the body of `message`, which counts one reference more; None without one."""
        data = bytes(message.body)
        if not data:
            return None
        digest = hashlib.blake2b(data, digest_size=16).digest()
        body_id = self._ids.get(digest)
        if body_id is None:
            row = self._connection.execute(
                "SELECT id FROM bodies WHERE digest = ?", (digest,)
            ).fetchone()
            body_id = row[0] if row else self._add(digest, data, message)
            self._ids[digest] = body_id
        self._refs[body_id] += 1
        return body_id

    def _add(self, digest: bytes, data: bytes, message: Message) -> int:
        codec, stored = PLAIN, data
        if len(data) >= COMPRESS_FROM and _is_compressible(message):
            packed = self._compressor.compress(data, self._compressor.FLUSH_FRAME)
            if len(packed) < len(data):
                codec, stored = ZSTD, packed
        body_id = self._next
        self._next += 1
        self._new.append(Body(body_id, digest, codec, len(data), stored))
        return body_id

    def drop(self, body_id: int | None) -> None:
        """Count one reference less."""
        if body_id is not None:
            self._refs[body_id] -= 1

    def write(self) -> None:
        """Write new bodies and changed counts, and delete what nobody refers to."""
        execute = self._connection.executemany
        added = {body.id for body in self._new}
        rows = [(*body, self._refs[body.id]) for body in self._new]
        if rows:
            execute(
                "INSERT INTO bodies(id, digest, codec, size, data, refs) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
        changed = [(count, key) for key, count in self._refs.items() if count and key not in added]
        if changed:
            execute("UPDATE bodies SET refs = refs + ? WHERE id = ?", changed)
        fewer = [(key,) for count, key in changed if count < 0]
        if fewer:
            execute("DELETE FROM bodies WHERE id = ? AND refs <= 0", fewer)
        if fewer or len(self._ids) > MAX_REMEMBERED:
            self._ids.clear()
        self._new.clear()
        self._refs.clear()


def _is_compressible(message: Message) -> bool:
    headers = message.headers
    if headers.get_bytes(b"content-encoding"):
        return False
    return not message.media_type.startswith(_PACKED_TYPES)


def unpack(codec: int, data: bytes) -> bytes:
    """The wire bytes of a row's `data`."""
    if codec == PLAIN:
        return data
    return zstd.ZstdDecompressor().decompress(data, MAX_UNPACKED)
