"""Header blocks that come again: what they decode to, and what fields encode to, kept for a while.

Clients that poll, gRPC calls and servers behind them send the same block over and over, once the
compression's table knows its fields. A block means the same as before as long as it puts nothing
into the table and nobody else has: then it is looked up. Made for h2, which decodes in Python.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from rama_proxy.model.headers import Field

K = TypeVar("K")
V = TypeVar("V")

MAX_KEPT = 64  # blocks of one connection and direction
MAX_BLOCK = 2048  # bytes of one; 64 of them and what they mean stay below 1 MiB
_SIZE_UPDATE = 0x20  # RFC 7541 6.3: such a block changes the table


class FieldList(list[Field]):
    """The fields of a header block, shared by all blocks that are the same: never changed.

    `sound` is set once they were found to be valid, so that nobody looks again.
    """

    __slots__ = ("sound",)

    def __init__(self, fields: list[Field]) -> None:
        super().__init__(fields)
        self.sound = False


class Table(Protocol):
    """The dynamic table of a decoder or encoder of h2's."""

    dynamic_entries: deque[tuple[bytes, bytes]]
    maxsize: int


class Memo(Generic[K, V]):
    """Remembers values by key until `table` changes."""

    __slots__ = ("_known", "_state", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[K, V] = {}
        self._state = self._look()

    def get(self, key: K) -> V | None:
        """What was kept for `key`."""
        return self._known.get(key)

    def keep(self, key: K, value: V, size: int) -> None:
        """Keep `value`, made from or into a block of `size` bytes, if it left the table alone."""
        state = self._look()
        before = self._state
        if state[0] is not before[0] or state[1:] != before[1:]:
            self._state = state
            self._known.clear()
        elif size <= MAX_BLOCK:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[key] = value

    def _look(self) -> tuple[object, int, int]:
        """What changes whenever an entry comes or goes: the newest is another object then."""
        entries = self._table.dynamic_entries
        return (entries[0] if entries else None, len(entries), self._table.maxsize)


def resizes(block: bytes) -> bool:
    """Whether a block begins with an update of the table's size (RFC 7541 4.2)."""
    return bool(block) and block[0] & 0xE0 == _SIZE_UPDATE
