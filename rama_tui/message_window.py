"""The messages that are listed: their numbers, and the rows of those in sight.

All of a flow are a range, whatever their count; those that a filter found are eight bytes each.
Rows are read by the page and few pages are kept. Knows nothing of the screen and of SQL.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence

from rama_proxy.store.reader import MessageHead

PAGE = 128  # rows read at once
MAX_PAGES = 32

ReadHeads = Callable[[Sequence[int]], Sequence[MessageHead]]


class MessageWindow:
    """Message numbers ascending, and a cache of pages."""

    def __init__(self, read: ReadHeads) -> None:
        self.seqs: range | array[int] = range(0)
        self._read = read
        self._pages: OrderedDict[int, dict[int, MessageHead]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.seqs)

    def near(self, seq: int) -> int:
        """Where message `seq` stands, else the one that follows it, else the last."""
        return min(bisect_left(self.seqs, seq), max(0, len(self.seqs) - 1))

    def begin(self, *, filtered: bool) -> None:
        """Have no messages; a filter's are added one by one."""
        self.seqs = array("q") if filtered else range(1, 1)
        self._pages.clear()

    def grow(self, last: int) -> int:
        """Have all messages up to `last`; how many are new."""
        assert isinstance(self.seqs, range)
        before, self.seqs = len(self.seqs), range(1, last + 1)
        return self._added(before)

    def add(self, seqs: array[int]) -> int:
        """Have `seqs` too, which come after all that are there; how many they are."""
        assert isinstance(self.seqs, array)
        before = len(self.seqs)
        self.seqs.extend(seqs)
        return self._added(before)

    def _added(self, before: int) -> int:
        self._pages.pop(before // PAGE, None)  # was not full
        return len(self.seqs) - before

    def head(self, index: int) -> MessageHead | None:
        """The row at `index`, read with its page if need be; None if it cannot be read."""
        number = index // PAGE
        page = self._pages.get(number)
        if page is None:
            wanted = self.seqs[number * PAGE : (number + 1) * PAGE]
            page = self._pages[number] = {head.seq: head for head in self._read(wanted)}
            if len(self._pages) > MAX_PAGES:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(number)
        return page.get(self.seqs[index])
