"""The list of flows: a window onto any number of rows, of which only those in sight exist.

The view moves for the person alone: what arrives is appended out of sight, and counted, unless the
list follows. Position is kept by flow id, so that it survives filters and deletions.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from rama_tui.actions import LIST, bindings
from rama_tui.flow_view import FlowView, ReadPage
from rama_tui.looks import look
from rama_tui.widgets.flow_rows import ACTIVE, NO_CURSOR, RESTING, FlowRows

STYLES = (
    *("base", "dim", "header", "odd", "cursor", "blurred", "new", "method", "path"),
    *("ok", "redirect", "client-error", "server-error", "held"),
)


class FlowList(ScrollView, can_focus=True):
    """Rows of flows with a cursor; oldest at the top."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(LIST)
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"flow-list--{name}" for name in STYLES}
    DEFAULT_CSS = """
    FlowList {
        height: 1fr; background: $background; overflow-x: hidden; overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .flow-list--base { color: $foreground; background: $background; }
        & > .flow-list--dim { color: $text-muted; }
        & > .flow-list--header { color: $text-muted; background: $panel; text-style: bold; }
        & > .flow-list--odd { background: $surface; }
        & > .flow-list--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: bold;
        }
        & > .flow-list--blurred { background: $panel; text-style: bold; }
        & > .flow-list--method { color: $primary; }
        & > .flow-list--path { color: $foreground; }
        & > .flow-list--ok { color: $success; }
        & > .flow-list--redirect { color: $primary; }
        & > .flow-list--client-error { color: $warning; }
        & > .flow-list--server-error { color: $error; }
        & > .flow-list--held { color: $accent; text-style: bold; }
        & > .flow-list--new { color: $background; background: $accent; text-style: bold; }
        &:nocolor > .flow-list--cursor { text-style: reverse; }
        &:nocolor > .flow-list--blurred { text-style: underline; }
        &:nocolor > .flow-list--new { text-style: reverse; }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False, init=False)  # an index into the view
    follow: reactive[bool] = reactive(False, repaint=False, init=False)

    class Highlighted(Message):
        """The cursor is at flow `flow_id`, None in an empty list."""

        def __init__(self, flow_id: int | None) -> None:
            super().__init__()
            self.flow_id = flow_id

        def can_replace(self, message: Message) -> bool:
            """Only where the cursor stopped counts."""
            return isinstance(message, FlowList.Highlighted)

    class Opened(Message):
        """The flow under the cursor was double-clicked."""

    class Moved(Message):
        """`follow` or `unseen` changed."""

        def can_replace(self, message: Message) -> bool:
            """The list is asked for its state when this is read."""
            return isinstance(message, FlowList.Moved)

    def __init__(self, read_page: ReadPage) -> None:
        super().__init__()
        self.view = FlowView(read_page)
        self.unseen = 0  # flows that came since the end was last in sight
        self._anchor: int | None = None  # the flow a person chose, also while a filter hides it
        self._rows = FlowRows()

    @property
    def cursor_id(self) -> int | None:
        """The id of the flow under the cursor."""
        return self.view.ids[self.cursor] if self.cursor < len(self.view) else None

    @property
    def is_chosen(self) -> bool:
        """Whether a person chose where the cursor is."""
        return self._anchor is not None

    # --- what is shown

    def show_ids(self, ids: array[int]) -> None:
        """Show these flows from here on; the cursor stays at its flow or the one that follows."""
        row = self.cursor - self.scroll_offset.y
        self.view.replace(ids)
        self.unseen = 0
        self._grow()
        if self.follow or self._anchor is None:
            target = len(ids) - 1 if self.follow else 0
        else:
            target = self.view.near(self._anchor)
        self._scroll(target - row)
        self._place_cursor(target)
        self.refresh()
        self.post_message(self.Moved())

    def apply(self, changed: Iterable[int], removed: Iterable[int]) -> None:
        """Take over what was written and deleted, without moving what a person looks at."""
        ids = self.view.ids
        top = self.scroll_offset.y
        top_id = ids[top] if top < len(ids) else None
        cursor_id = self.cursor_id
        added = self.view.apply(changed, removed)
        self._grow()
        if self.follow:
            self._place_cursor(len(self.view) - 1)
        else:
            self.unseen += added
            if top_id is not None and (moved := self.view.near(top_id)) != top:
                self._scroll(moved)
            if cursor_id is not None:
                self._place_cursor(self.view.near(cursor_id), reveal=False)
            else:
                self._place_cursor(0)
            self._count_seen()
        self.refresh()
        self.post_message(self.Moved())

    def _grow(self) -> None:
        """Fit columns and scroll bar to the view, without the layout that an assignment costs."""
        self._rows.fit(self.size.width, self.view.ids[-1] if len(self.view) else 0)
        size = Size(self.size.width, len(self.view) + 1)
        self.set_reactive(Widget.virtual_size, size)
        self._scroll_update(size)

    def _count_seen(self) -> None:
        if self.unseen and self.scroll_offset.y + self.size.height > len(self.view):
            self.unseen = 0
            self.post_message(self.Moved())

    # --- movement

    def _place_cursor(self, index: int, *, reveal: bool = True) -> None:
        index = max(0, min(len(self.view) - 1, index))
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
            last = len(self.view) + 1 - self.size.height
            self.scroll_to(y=max(0, min(last, top)), animate=False)

    def _refresh_rows(self, *indexes: int) -> None:
        for index in indexes:
            line = index - self.scroll_offset.y + 1
            if 1 <= line < self.size.height:
                self.refresh(Region(0, line, self.size.width, 1))

    def _go(self, index: int) -> None:
        """Move as a person asked for: the flow reached is the one to stay at."""
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
        """Go to the oldest flow."""
        self._go(0)

    def action_bottom(self) -> None:
        """Go to the newest flow and stay with the newest."""
        self.follow = True

    def action_follow(self) -> None:
        """Follow, or stop."""
        self.follow = not self.follow

    def watch_follow(self, follow: bool) -> None:
        """Go to the end when following begins."""
        if follow:
            self.unseen = 0
            self._place_cursor(len(self.view) - 1)
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
        """Put the cursor on the row, or follow if the pill was clicked; twice opens the flow."""
        pill = len(self._pill())
        if pill and event.y == self.size.height - 1 and event.x >= self.size.width - pill:
            self.follow = True
            return
        index = self.scroll_offset.y + event.y - 1
        if event.y > 0 and index < len(self.view):
            self._go(index)
            if event.chain == 2:
                self.post_message(self.Opened())

    # --- drawing

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns anew and keep the cursor in sight."""
        self._grow()
        if self.size.height > 1 and len(self.view):
            self._reveal(self.cursor)
        self.refresh()

    def notify_style_update(self) -> None:
        """Colours may have changed: draw every row anew."""
        self._rows.set_looks({})
        super().notify_style_update()

    def on_focus(self) -> None:
        """Show the cursor as the one that keys move."""
        self._refresh_rows(self.cursor)

    def on_blur(self) -> None:
        """Show the cursor as resting."""
        self._refresh_rows(self.cursor)

    def render_line(self, y: int) -> Strip:
        """The header, a row, or a row with the pill of new flows on it."""
        rows = self._rows
        if not rows.looks:
            rows.set_looks({name: look(self, f"flow-list--{name}") for name in STYLES})
        if y == 0:
            return rows.header()
        index = self.scroll_offset.y + y - 1
        row = self.view.row(index) if index < len(self.view) else None
        if row is None:
            strip = rows.blank()
        else:
            at_cursor = ACTIVE if self.has_focus else RESTING
            strip = rows.row(row, index, at_cursor if index == self.cursor else NO_CURSOR)
        if y == self.size.height - 1 and (pill := self._pill()):
            strip = rows.with_pill(strip, pill)
        return strip

    def _pill(self) -> str:
        return f" ↓ {self.unseen:,} new " if self.unseen and not self.follow else ""
