"""A window onto any number of rows, of which only those in sight exist, with a cursor.

The view moves for the person alone: what arrives is appended out of sight, and counted, unless the
list follows. A subclass says what the rows are: flows, messages.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from rama_tui.actions import LIST, bindings
from rama_tui.looks import look

NO_CURSOR, RESTING, ACTIVE = range(3)
BASE_STYLES = ("base", "dim", "header", "odd", "cursor", "blurred", "new")


class RowList(ScrollView, can_focus=True):
    """Rows below a line of titles; the oldest at the top."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(LIST)
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"row-list--{name}" for name in BASE_STYLES}
    DEFAULT_CSS = """
    RowList {
        height: 1fr; background: $background; overflow-x: hidden; overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .row-list--base { color: $foreground; background: $background; }
        & > .row-list--dim { color: $text-muted; }
        & > .row-list--header { color: $text-muted; background: $panel; text-style: bold; }
        & > .row-list--odd { background: $surface; }
        & > .row-list--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: bold;
        }
        & > .row-list--blurred { background: $panel; text-style: bold; }
        & > .row-list--new { color: $background; background: $accent; text-style: bold; }
        &:nocolor > .row-list--cursor { text-style: reverse; }
        &:nocolor > .row-list--blurred { text-style: underline; }
        &:nocolor > .row-list--new { text-style: reverse; }
    }
    """
    PREFIX: ClassVar[str]  # of the component classes of STYLES
    STYLES: ClassVar[tuple[str, ...]]  # beside BASE_STYLES

    cursor: reactive[int] = reactive(0, repaint=False, init=False)  # an index
    follow: reactive[bool] = reactive(False, repaint=False, init=False)

    class Highlighted(Message):
        """The cursor is at row `row_id`, None in an empty list."""

        def __init__(self, row_id: int | None) -> None:
            super().__init__()
            self.row_id = row_id

        def can_replace(self, message: Message) -> bool:
            """Only where the cursor stopped counts."""
            return isinstance(message, type(self))

    class Opened(Message):
        """The row under the cursor was double-clicked."""

    class Moved(Message):
        """`follow` or `unseen` changed."""

        def can_replace(self, message: Message) -> bool:
            """The list is asked for its state when this is read."""
            return isinstance(message, type(self))

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.unseen = 0  # rows that came since the end was last in sight
        self._anchor: int | None = None  # the row a person chose, also while a filter hides it
        self._looks: Mapping[str, Style] = {}

    # --- what a subclass says; Textual's metaclass is no ABCMeta, so that mypy alone asks for them

    @property
    @abstractmethod
    def row_count(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def row_id(self, index: int) -> int:
        """What row `index` is called, wherever it stands; ascending."""

    @abstractmethod
    def near(self, row_id: int) -> int:
        """Where row `row_id` stands, else the one that follows it, else the last."""

    @abstractmethod
    def fit_columns(self) -> None:
        """Choose the columns for the size and the rows there are."""

    @abstractmethod
    def set_looks(self, looks: Mapping[str, Style]) -> None:
        """Use other colours; none means that they are to be set before the next row."""

    @abstractmethod
    def header(self) -> Strip:
        """The line of titles."""

    @abstractmethod
    def row_strip(self, index: int, cursor: int) -> Strip:
        """Row `index`, blank where there is none; `cursor` is NO_CURSOR, RESTING or ACTIVE."""

    # --- what is shown

    @property
    def cursor_id(self) -> int | None:
        """The id of the row under the cursor."""
        return self.row_id(self.cursor) if self.cursor < self.row_count else None

    @property
    def is_chosen(self) -> bool:
        """Whether a person chose where the cursor is."""
        return self._anchor is not None

    def _replaced(self, row: int) -> None:
        """The rows are others: the cursor, `row` lines from the top, stays at its row or near."""
        self.unseen = 0
        self._grow()
        if self.follow or self._anchor is None:
            target = self.row_count - 1 if self.follow else 0
        else:
            target = self.near(self._anchor)
        self._scroll(target - row)
        self._place_cursor(target)
        self.refresh()
        self.post_message(self.Moved())

    def _appended(self, added: int) -> None:
        """There are `added` more rows, none before those that were there."""
        self._grow()
        if self.follow:
            self._place_cursor(self.row_count - 1)
        else:
            self.unseen += added
            self._count_seen()
        self.refresh()
        self.post_message(self.Moved())

    def _grow(self) -> None:
        """Fit columns and scroll bar to the rows, without the layout that an assignment costs."""
        self.fit_columns()
        size = Size(self.size.width, self.row_count + 1)
        self.set_reactive(Widget.virtual_size, size)
        self._scroll_update(size)

    def _count_seen(self) -> None:
        if self.unseen and self.scroll_offset.y + self.size.height > self.row_count:
            self.unseen = 0
            self.post_message(self.Moved())

    # --- movement

    def _place_cursor(self, index: int, *, reveal: bool = True) -> None:
        index = max(0, min(self.row_count - 1, index))
        old, self.cursor = self.cursor, index
        if reveal and self.size.height > 1:
            self._reveal(index)
        if index != old:
            self._refresh_rows(old, index)
        self.post_message(self.Highlighted(self.cursor_id))

    def _reveal(self, index: int) -> None:
        top, height = self.scroll_offset.y, self.size.height - 1
        if index < top:
            self._scroll(index)
        elif index >= top + height:
            self._scroll(index - height + 1)

    def _scroll(self, top: int) -> None:
        """Let row `top` be the first in sight, as far as there are rows below it."""
        if self.size.height > 1:
            last = self.row_count + 1 - self.size.height
            self.scroll_to(y=max(0, min(last, top)), animate=False)

    def _refresh_rows(self, *indexes: int) -> None:
        for index in indexes:
            line = index - self.scroll_offset.y + 1
            if 1 <= line < self.size.height:
                self.refresh(Region(0, line, self.size.width, 1))

    def _go(self, index: int) -> None:
        """Move as a person asked for: the row reached is the one to stay at."""
        self.follow = False
        self._place_cursor(index)
        self._anchor = self.cursor_id
        self._count_seen()

    def action_move(self, rows: int) -> None:
        """Move the cursor by `rows`."""
        self._go(self.cursor + rows)

    def action_page(self, pages: float) -> None:
        """Move by `pages` of what is in sight, at once."""
        rows = round(pages * max(1, self.size.height - 1))
        self._scroll(self.scroll_offset.y + rows)
        self._go(self.cursor + rows)

    def action_top(self) -> None:
        """Go to the oldest row."""
        self._go(0)

    def action_bottom(self) -> None:
        """Go to the newest row and stay with the newest."""
        self.follow = True

    def action_follow(self) -> None:
        """Follow, or stop."""
        self.follow = not self.follow

    def watch_follow(self, follow: bool) -> None:
        """Go to the end when following begins."""
        if follow:
            self.unseen = 0
            self._place_cursor(self.row_count - 1)
            self.refresh()
        self._anchor = self.cursor_id
        self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolled to the end, everything was seen."""
        super().watch_scroll_y(old_value, new_value)
        if new_value > old_value:
            self._count_seen()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Looking back ends following."""
        self.follow = False

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row, or follow if the pill was clicked; twice opens the row."""
        pill = len(self._pill())
        if pill and event.y == self.size.height - 1 and event.x >= self.size.width - pill:
            self.follow = True
            return
        index = self.scroll_offset.y + event.y - 1
        if event.y > 0 and index < self.row_count:
            self._go(index)
            if event.chain == 2:
                self.post_message(self.Opened())

    # --- drawing

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns anew and keep the cursor in sight."""
        self._grow()
        if self.size.height > 1 and self.row_count:
            self._reveal(self.cursor)
        self.refresh()

    def notify_style_update(self) -> None:
        """Colours may have changed: draw every row anew."""
        self._looks = {}
        self.set_looks({})
        super().notify_style_update()

    def on_focus(self) -> None:
        """Show the cursor as the one that keys move."""
        self._refresh_rows(self.cursor)

    def on_blur(self) -> None:
        """Show the cursor as resting."""
        self._refresh_rows(self.cursor)

    def render_line(self, y: int) -> Strip:
        """The header, a row, or a row with the pill of new ones on it."""
        if not self._looks:
            self._looks = {name: look(self, f"row-list--{name}") for name in BASE_STYLES} | {
                name: look(self, f"{self.PREFIX}--{name}") for name in self.STYLES
            }
            self.set_looks(self._looks)
        if y == 0:
            return self.header()
        index = self.scroll_offset.y + y - 1
        at_cursor = ACTIVE if self.has_focus else RESTING
        strip = self.row_strip(index, at_cursor if index == self.cursor else NO_CURSOR)
        if y == self.size.height - 1 and (pill := self._pill()):
            return over_right_end(strip, pill, self._looks["new"])
        return strip

    def _pill(self) -> str:
        return f" ↓ {self.unseen:,} new " if self.unseen and not self.follow else ""


def over_right_end(strip: Strip, text: str, style: Style) -> Strip:
    """`strip` with `text` over its right end."""
    end = Strip([Segment(text, style)], len(text))
    return Strip.join([strip.crop(0, max(0, strip.cell_length - len(text))), end])
