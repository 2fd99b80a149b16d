"""Bodies in the store: one row for repeats, small, and gone with the last flow that has it.

Repeats are found among the bodies seen lately, in memory. An index on disk would find them all, and
cost more than it saves: digests are random, so every batch would dirty a page of it for each body.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from backports import zstd

from rama_proxy.model.message import Message
from rama_proxy.store.rows import Content

PLAIN, ZSTD = 0, 1  # bodies.codec
COMPRESS_FROM = 1024  # a smaller one saves less than its flow's row is long
LEVEL = 3  # 2.5:1 on 2 KB of JSON; 6 costs 2.5 times as much for 2.6:1
MAX_REMEMBERED = 32768  # digests, about 5 MB
PRELOADED = 4096
MAX_UNPACKED = 256 * 1024 * 1024  # a store may come from anybody; body_limit is 16 MiB by default
_PACKED_TYPES = ("image/", "video/", "audio/", "font/", "application/zip", "application/gzip")

_LATEST = "SELECT digest, id FROM bodies ORDER BY id DESC LIMIT ?"
_DELETE_UNUSED = "DELETE FROM bodies WHERE id = ? AND refs <= 0 RETURNING digest"


class Body(NamedTuple):
    """A row of bodies that is not written yet."""

    id: int
    digest: bytes
    codec: int
    size: int
    data: bytes


class BodyLedger:
    """Gives bodies their ids, and counts who refers to them, for one batch after the other.

    All of it is called in the transaction that writes the batch; `load` before the first one, and
    before the one after a transaction that failed.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._compressor = zstd.ZstdCompressor(level=LEVEL)
        self._ids: dict[bytes, int] = {}
        self._new: list[Body] = []
        self._refs: Counter[int] = Counter()
        self._next = 1

    def load(self) -> None:
        """Start from what the store has."""
        execute = self._connection.execute
        self._ids = dict(execute(_LATEST, (PRELOADED,)))
        self._new.clear()
        self._refs.clear()
        self._next = execute("SELECT coalesce(max(id), 0) + 1 FROM bodies").fetchone()[0]

    def place(self, messages: Sequence[Message], contents: Sequence[Content]) -> list[int | None]:
        """The id of each message's body, which counts one reference more; None without one."""
        ids: list[int | None] = []
        known, refs = self._ids, self._refs
        for message, content in zip(messages, contents, strict=True):
            data = bytes(message.body)
            if not data:
                ids.append(None)
                continue
            digest = hashlib.blake2b(data, digest_size=16).digest()
            body_id = known.get(digest)
            if body_id is None:
                body_id = known[digest] = self._add(digest, data, content)
            refs[body_id] += 1
            ids.append(body_id)
        return ids

    def _add(self, digest: bytes, data: bytes, content: Content) -> int:
        codec, stored = PLAIN, data
        if len(data) >= COMPRESS_FROM and _is_compressible(content):
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
        for count, key in changed:
            if count < 0:
                self._delete_unused(key)
        if len(self._ids) > MAX_REMEMBERED:
            self._ids = dict(list(self._ids.items())[MAX_REMEMBERED // 2 :])
        self._new.clear()
        self._refs.clear()

    def _delete_unused(self, body_id: int) -> None:
        row = self._connection.execute(_DELETE_UNUSED, (body_id,)).fetchone()
        if row is not None and self._ids.get(row[0]) == body_id:
            del self._ids[row[0]]


def _is_compressible(content: Content) -> bool:
    return not content.encoding and not (content.media_type or "").startswith(_PACKED_TYPES)


def unpack(codec: int, data: bytes) -> bytes:
    """The wire bytes of a row's `data`."""
    if codec == PLAIN:
        return data
    return zstd.ZstdDecompressor().decompress(data, MAX_UNPACKED)
