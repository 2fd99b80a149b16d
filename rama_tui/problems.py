"""What the store's log tells of that went wrong, until somebody has looked."""

from __future__ import annotations

from collections.abc import Callable

from rama_proxy.errors import StoreError
from rama_proxy.store.reader import LogRow

BAD = frozenset({"error", "warning"})


class Problems:
    """Counts errors and warnings that come after it was made. `read` gives entries after an id."""

    def __init__(self, read: Callable[[int], list[LogRow]]) -> None:
        self._read = read
        self._last = 0
        self.count = 0
        self.entries(0)

    def entries(self, after: int) -> list[LogRow]:
        """The log's entries after an id; none while the store cannot be read."""
        try:
            found = self._read(after)
        except StoreError:
            return []  # whatever it is, the list says so
        if found:
            self._last = max(self._last, found[-1].id)
        return found

    def look(self) -> str:
        """What went wrong since the last look, in a line; "" if nothing did."""
        bad = [entry for entry in self.entries(self._last) if entry.level in BAD]
        self.count += len(bad)
        if not bad:
            return ""
        return f"{bad[-1].source}: {bad[-1].message.rstrip().rpartition(chr(10))[2]}"
