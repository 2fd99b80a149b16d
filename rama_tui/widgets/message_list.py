"""The list of the messages of one flow."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip

from rama_proxy.store.reader import MessageHead
from rama_tui.columns import fit
from rama_tui.message_columns import MessageColumn, columns_for, remarks, tone_of
from rama_tui.message_window import MessageWindow, ReadHeads
from rama_tui.widgets.row_list import ACTIVE, RowList, over_right_end

STYLES = ("client", "server", "remark", "dropped", "close", "note")
MAX_STRIPS = 1024


class MessageList(RowList):
    """Rows of messages with a cursor; oldest at the top. `note` stands right in the header.

    It follows while the cursor is at the end, for nobody reads a row that has moved away.
    """

    PREFIX = "message-list"
    STYLES = STYLES
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"message-list--{name}" for name in STYLES}
    DEFAULT_CSS = """
    MessageList {
        & > .message-list--client { color: $accent; text-style: bold; }
        & > .message-list--server { color: $primary; text-style: bold; }
        & > .message-list--remark { color: $warning; }
        & > .message-list--dropped { color: $error; }
        & > .message-list--close { color: $warning; }
        & > .message-list--note { color: $foreground; background: $panel; }
    }
    """

    class Highlighted(RowList.Highlighted):
        """The cursor is at message `row_id`, None in an empty list."""

    class Opened(RowList.Opened):
        """The message under the cursor was double-clicked."""

    class Moved(RowList.Moved):
        """`follow` or `unseen` changed."""

    def __init__(self, read: ReadHeads) -> None:
        super().__init__()
        self.window = MessageWindow(read)
        self.note = ""
        self.empty = ""  # what stands there without a message
        self._started = 0.0
        self._columns: tuple[tuple[MessageColumn, int], ...] = ()
        self._strips: LRUCache[tuple[int, int, int], Strip] = LRUCache(MAX_STRIPS)

    # --- what is shown

    def begin(self, *, filtered: bool, started: float, keep_cursor: bool) -> None:
        """Show no message of a flow that began at `started`; they come by `grow` or `add`."""
        self.window.begin(filtered=filtered)
        self._started = started
        if not keep_cursor:
            self._anchor = None
        self._strips.clear()
        self._replaced(0)

    def grow(self, last: int) -> None:
        """Show all messages up to `last`."""
        self._came(self.window.grow(last), is_news=True)

    def add(self, seqs: array[int], *, is_news: bool) -> None:
        """Show messages that a filter found, among those that were there or those that came."""
        newest = self.window.seqs[-1] if self.window.seqs else 0
        self._came(self.window.add(seqs), is_news=is_news)
        if seqs and self._anchor is not None and newest < self._anchor and not self.follow:
            self._place_cursor(self.near(self._anchor))  # the search has come to where it was

    def _came(self, added: int, *, is_news: bool) -> None:
        if added == len(self.window):
            self._replaced(self.size.height // 2)
        elif added:
            self._appended(added if is_news else 0)

    def say(self, note: str, empty: str) -> None:
        """Show a note in the header, and what stands there without a message."""
        if (note, empty) != (self.note, self.empty):
            self.note, self.empty = note, empty
            self.refresh()

    # --- movement

    def _go(self, index: int) -> None:
        """As in every list, but who goes to the end follows."""
        super()._go(index)
        if self.cursor == self.row_count - 1:
            self.follow = True

    # --- what the rows are

    @property
    def row_count(self) -> int:
        """How many messages are shown."""
        return len(self.window)

    def row_id(self, index: int) -> int:
        """The number of a message."""
        return self.window.seqs[index]

    def near(self, row_id: int) -> int:
        """Where a message stands, else the one that follows it, else the last."""
        return self.window.near(row_id)

    def fit_columns(self) -> None:
        """Choose the columns for the width and the numbers there are."""
        seqs = self.window.seqs
        columns = columns_for(self.size.width, seqs[-1] if seqs else 0)
        if columns != self._columns:
            self._columns = columns
            self._strips.clear()

    def set_looks(self, looks: Mapping[str, Style]) -> None:
        """Use other colours."""
        self._strips.clear()

    def header(self) -> Strip:
        """The line of titles, and the note over its end."""
        titles = [
            fit(column.title, cells, right=column.right) + " " for column, cells in self._columns
        ]
        look = self._looks["header"]
        strip = Strip([Segment("".join(titles), look)]).adjust_cell_length(self.size.width, look)
        if not self.note:
            return strip
        return over_right_end(strip, f" {self.note} ", self._looks["note"])

    def row_strip(self, index: int, cursor: int) -> Strip:
        """A message, or why there is none."""
        width, base = self.size.width, self._looks["base"]
        if index >= self.row_count:
            text = f" {self.empty}" if index == 0 and not self.row_count else ""
            return Strip([Segment(fit(text, width), base + self._looks["dim"])], width)
        head = self.window.head(index)
        if head is None:
            return Strip.blank(width, base)
        key = (head.seq, cursor, index & 1)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._draw(head, index, cursor)
        return strip

    def _draw(self, head: MessageHead, index: int, cursor: int) -> Strip:
        base, over = self._looks["base"], Style.null()
        if cursor:
            over = self._looks["cursor" if cursor == ACTIVE else "blurred"]
        elif index & 1:
            over = self._looks["odd"]
        segments = []
        for column, cells in self._columns:
            style = base + self._style(column.name, head)
            room = cells
            if column.name == "says" and (marks := remarks(head.flags)):
                marks = fit(marks, min(cells, len(marks)))
                segments.append(Segment(marks, base + self._looks["remark"] + over))
                segments.append(Segment(" ", base + over))
                room = max(0, cells - len(marks) - 1)
            text = fit(column.text(head, self._started), room, right=column.right)
            segments.append(Segment(text + " ", style + over))
        return Strip(segments).adjust_cell_length(self.size.width, base + over)

    def _style(self, column: str, head: MessageHead) -> Style:
        looks = self._looks
        if column == "direction":
            return looks["client" if head.from_client else "server"]
        if column in {"number", "clock", "elapsed"}:
            return looks["dim"]
        tone = tone_of(head) if column in {"says", "type"} else ""
        return looks[tone] if tone else Style.null()
