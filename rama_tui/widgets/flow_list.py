"""The list of flows. Position is kept by flow id, so that it survives filters and deletions."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import ClassVar

from rich.style import Style
from textual.strip import Strip

from rama_tui.flow_view import FlowView, ReadPage
from rama_tui.widgets.flow_rows import FlowRows
from rama_tui.widgets.row_list import RowList

STYLES = ("method", "path", "ok", "redirect", "client-error", "server-error", "held")


class FlowList(RowList):
    """Rows of flows with a cursor; oldest at the top."""

    PREFIX = "flow-list"
    STYLES = STYLES
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"flow-list--{name}" for name in STYLES}
    DEFAULT_CSS = """
    FlowList {
        & > .flow-list--method { color: $primary; }
        & > .flow-list--path { color: $foreground; }
        & > .flow-list--ok { color: $success; }
        & > .flow-list--redirect { color: $primary; }
        & > .flow-list--client-error { color: $warning; }
        & > .flow-list--server-error { color: $error; }
        & > .flow-list--held { color: $accent; text-style: bold; }
    }
    """

    class Highlighted(RowList.Highlighted):
        """The cursor is at flow `row_id`, None in an empty list."""

    class Opened(RowList.Opened):
        """The flow under the cursor was double-clicked."""

    class Moved(RowList.Moved):
        """`follow` or `unseen` changed."""

    def __init__(self, read_page: ReadPage) -> None:
        super().__init__()
        self.view = FlowView(read_page)
        self._rows = FlowRows()

    # --- what is shown

    def show_ids(self, ids: array[int]) -> None:
        """Show these flows from here on; the cursor stays at its flow or the one that follows."""
        row = self.cursor - self.scroll_offset.y
        self.view.replace(ids)
        self._replaced(row)

    def apply(self, changed: Iterable[int], removed: Iterable[int]) -> None:
        """Take over what was written and deleted, without moving what a person looks at."""
        ids = self.view.ids
        top = self.scroll_offset.y
        top_id = ids[top] if top < len(ids) else None
        cursor_id = self.cursor_id
        added = self.view.apply(changed, removed)
        self._grow()
        if not self.follow:
            if top_id is not None and (moved := self.near(top_id)) != top:
                self._scroll(moved)
            self._place_cursor(0 if cursor_id is None else self.near(cursor_id), reveal=False)
        self._appended(added)

    # --- what the rows are

    @property
    def row_count(self) -> int:
        """How many flows are shown."""
        return len(self.view)

    def row_id(self, index: int) -> int:
        """The id of a flow."""
        return self.view.ids[index]

    def near(self, row_id: int) -> int:
        """Where a flow stands, else the one that follows it, else the last."""
        return self.view.near(row_id)

    def fit_columns(self) -> None:
        """Choose the columns for the width and the ids there are."""
        self._rows.fit(self.size.width, self.view.ids[-1] if len(self.view) else 0)

    def set_looks(self, looks: Mapping[str, Style]) -> None:
        """Use other colours."""
        self._rows.set_looks(looks)

    def header(self) -> Strip:
        """The line of titles."""
        return self._rows.header()

    def row_strip(self, index: int, cursor: int) -> Strip:
        """A flow, blank where it was deleted."""
        row = self.view.row(index) if index < len(self.view) else None
        return self._rows.blank() if row is None else self._rows.row(row, index, cursor)
