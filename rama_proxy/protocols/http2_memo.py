"""Header blocks that come again: what they decode to, and what fields encode to, kept for a while.

Clients that poll, gRPC calls and servers behind them send the same block over and over. One that
refers to the compression's table means the same as long as the table is as it was; one that does
not, as nginx sends them, means the same always, and only what it puts into the table has to be put
there again. Made for h2, which decodes in Python.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from rama_proxy.model.headers import Field
from rama_proxy.protocols.http2_start import static_inserts

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

    def add(self, name: bytes, value: bytes) -> None:
        """Put a field into the table."""


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

    def keep(self, key: K, value: V, size: int) -> bool:
        """Keep `value`, made from or into a block of `size` bytes, if it left the table alone."""
        if self.look():
            return False
        if size <= MAX_BLOCK:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[key] = value
        return True

    def look(self) -> bool:
        """Whether the table has changed since it was looked at; then nothing is known any more."""
        state, before = self._look(), self._state
        if state[0] is before[0] and state[1:] == before[1:]:
            return False
        self._state = state
        self._known.clear()
        return True

    def _look(self) -> tuple[object, int, int]:
        """What changes whenever an entry comes or goes: the newest is another object then."""
        entries = self._table.dynamic_entries
        return (entries[0] if entries else None, len(entries), self._table.maxsize)


class DecodedBlocks:
    """What the blocks of one peer decoded to."""

    __slots__ = ("_fixed", "_memo", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._memo: Memo[bytes, FieldList] = Memo(table)
        self._fixed: dict[bytes, tuple[FieldList, list[Field]]] = {}  # with what they add

    def get(self, block: bytes) -> FieldList | None:
        """The fields of a block that came before; the table is then as after decoding it."""
        fixed = self._fixed.get(block)
        if fixed is None:
            return self._memo.get(block)
        for name, value in fixed[1]:
            self._table.add(name, value)
        self._memo.look()
        return fixed[0]

    def keep(self, block: bytes, fields: FieldList) -> None:
        """Remember what `block` was decoded to just now."""
        if self._memo.keep(block, fields, len(block)) or len(block) > MAX_BLOCK:
            return
        inserted = static_inserts(block)
        if inserted is not None:
            if len(self._fixed) >= MAX_KEPT:
                self._fixed.clear()
            self._fixed[block] = fields, [fields[index] for index in inserted]


def resizes(block: bytes) -> bool:
    """Whether a block begins with an update of the table's size (RFC 7541 4.2)."""
    return bool(block) and block[0] & 0xE0 == _SIZE_UPDATE
