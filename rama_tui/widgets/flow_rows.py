"""How a row of the flow list looks: its columns, colours and cursor, drawn once and kept."""

from __future__ import annotations

from collections.abc import Mapping

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip

from rama_proxy.store.reader import FlowRow
from rama_tui.columns import Cell, columns_for, fit, style_of
from rama_tui.widgets.row_list import ACTIVE

MAX_STRIPS = 4096


class FlowRows:
    """Draws rows for one width; the strips of rows that did not change are kept."""

    def __init__(self) -> None:
        self.looks: Mapping[str, Style] = {}  # by the names of columns.py, and those below
        self._width = 0
        self._cells: tuple[Cell, ...] = ()
        self._strips: LRUCache[tuple[int, int, int, int], Strip] = LRUCache(MAX_STRIPS)

    def set_looks(self, looks: Mapping[str, Style]) -> None:
        """Use other colours; none means that they are to be set before the next row."""
        self.looks = looks
        self._strips.clear()

    def fit(self, width: int, last_id: int) -> None:
        """Choose the columns for `width` cells and ids up to `last_id`."""
        cells = columns_for(width, last_id)
        if cells != self._cells or width != self._width:
            self._cells, self._width = cells, width
            self._strips.clear()

    def header(self) -> Strip:
        """The line of titles."""
        titles = [
            fit(column.title, cells, right=column.right) + " " for column, cells in self._cells
        ]
        look = self.looks["header"]
        return Strip([Segment("".join(titles), look)]).adjust_cell_length(self._width, look)

    def blank(self) -> Strip:
        """A line without a flow."""
        return Strip.blank(self._width, self.looks["base"])

    def row(self, row: FlowRow, index: int, cursor: int) -> Strip:
        """The line of `row`, the `index`th; `cursor` is NO_CURSOR, RESTING or ACTIVE."""
        key = (row.id, row.rev, cursor, index & 1)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._draw(row, index, cursor)
        return strip

    def _draw(self, row: FlowRow, index: int, cursor: int) -> Strip:
        base = self.looks["base"]
        over = Style.null()
        if cursor:
            over = self.looks["cursor" if cursor == ACTIVE else "blurred"]
        elif index & 1:
            over = self.looks["odd"]
        segments = []
        for column, cells in self._cells:
            name = style_of(column, row)
            style = base + self.looks[name] if name else base
            text = fit(column.text(row), cells, right=column.right)
            segments.append(Segment(text + " ", style + over))
        return Strip(segments).adjust_cell_length(self._width, base + over)
