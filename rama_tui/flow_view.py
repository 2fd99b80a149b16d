"""What the list shows: the ids of the selected flows in order, and the rows of those in sight.

A million flows are eight megabytes of ids; rows are read by the page and few pages are kept. Knows
nothing of the screen and of SQL.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from rama_proxy.store.reader import FlowRow

PAGE = 128  # rows read at once: two screens, 0.15 ms
MAX_PAGES = 64
FEW = 64  # changes inside the list that are made one by one; more, and it is built again

ReadPage = Callable[[Sequence[int]], Sequence[FlowRow]]
Page = list[FlowRow | None]


class FlowView:
    """Ids ascending, and a cache of pages. A row is None when it was deleted in the meantime."""

    def __init__(self, read_page: ReadPage, ids: array[int] | None = None) -> None:
        self.ids: array[int] = array("q") if ids is None else ids
        self._read_page = read_page
        self._pages: OrderedDict[int, Page] = OrderedDict()

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, index: int) -> FlowRow | None:
        """The row at `index`, read with its page if need be."""
        number, offset = divmod(index, PAGE)
        page = self._pages.get(number)
        if page is None:
            page = self._read(number)
        else:
            self._pages.move_to_end(number)
        return page[offset] if offset < len(page) else None

    def index_of(self, flow_id: int) -> int | None:
        """Where flow `flow_id` stands, or None if it is not selected."""
        index = bisect_left(self.ids, flow_id)
        return index if index < len(self.ids) and self.ids[index] == flow_id else None

    def near(self, flow_id: int) -> int:
        """Where flow `flow_id` stands, else the one that follows it, else the last."""
        return min(bisect_left(self.ids, flow_id), max(0, len(self.ids) - 1))

    def replace(self, ids: array[int]) -> None:
        """Show the flows `ids`, ascending, from here on."""
        self.ids = ids
        self._pages.clear()

    def apply(self, changed: Iterable[int], removed: Iterable[int]) -> int:
        """Take over flows that were written and that are gone; how many are new in the view."""
        before = len(self.ids)
        gone = self._drop(removed)
        self._add(changed)
        return len(self.ids) - before + gone

    def _drop(self, removed: Iterable[int]) -> int:
        found = [index for flow_id in removed if (index := self.index_of(flow_id)) is not None]
        if not found:
            return 0
        self._forget(min(found))
        if len(found) > FEW:
            gone = set(found)
            self.ids = array("q", (i for at, i in enumerate(self.ids) if at not in gone))
        else:
            for index in sorted(found, reverse=True):
                del self.ids[index]
        return len(found)

    def _add(self, changed: Iterable[int]) -> None:
        ids = self.ids
        late: list[int] = []
        grown_from = len(ids)
        for flow_id in sorted(changed):
            if not ids or flow_id > ids[-1]:
                ids.append(flow_id)
                continue
            index = bisect_left(ids, flow_id)
            if ids[index] == flow_id:
                self._pages.pop(index // PAGE, None)
            else:
                late.append(flow_id)
        if len(ids) > grown_from:
            self._pages.pop(grown_from // PAGE, None)
        if late:
            self._insert(late)

    def _insert(self, late: list[int]) -> None:
        self._forget(bisect_left(self.ids, late[0]))
        if len(late) > FEW:
            self.ids = array("q", sorted([*self.ids, *late]))  # two runs: sorting merges them
            return
        for flow_id in late:
            self.ids.insert(bisect_left(self.ids, flow_id), flow_id)

    def _forget(self, index: int) -> None:
        """Drop the pages from that of `index` on: their rows stand elsewhere."""
        for number in [number for number in self._pages if number >= index // PAGE]:
            del self._pages[number]

    def _read(self, number: int) -> Page:
        ids = self.ids[number * PAGE : (number + 1) * PAGE]
        rows = {row.id: row for row in self._read_page(ids)} if ids else {}
        page: Page = [rows.get(flow_id) for flow_id in ids]
        self._pages[number] = page
        if len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        return page
