"""A scrolling view of lines that are made when they come into sight.

What it shows is a list of blocks. A block knows how many rows it takes at a width and what is in
each: runs of text with the name of a tone. The tones' colours are CSS of this widget, so that a
theme changes them. Text in runs is safe to draw: who makes a block escapes what came from outside.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

Run = tuple[str, str]  # text and tone
Runs = list[Run]

MAX_COPIED = 20_000  # rows of a selection that are copied


class Block(Protocol):
    """A part of what a LinesView shows."""

    @property
    def width(self) -> int:
        """The cells of the widest row; 0 if `layout` makes rows fit."""

    def layout(self, width: int) -> int:
        """Arrange the rows for `width` cells; gives how many there are."""

    def row(self, index: int) -> Runs:
        """The content of row `index`."""


class LinesView(ScrollView, can_focus=True):
    """Shows blocks one below the other."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--plain",
        "lines--dim",
        "lines--title",
        "lines--name",
        "lines--string",
        "lines--number",
        "lines--word",
        "lines--tag",
        "lines--attribute",
        "lines--good",
        "lines--bad",
        "lines--warning",
        "lines--client",
        "lines--server",
        "lines--exchange",
    }
    DEFAULT_CSS = """
    LinesView {
        height: 1fr;
        overflow: scroll scroll;
        scrollbar-size: 0 1;
        scrollbar-background: $background;
        scrollbar-color: $foreground 30%;
        scrollbar-color-hover: $foreground 50%;
        scrollbar-color-active: $accent;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        & > .lines--dim { color: $text-muted; }
        & > .lines--title { color: $text; text-style: bold; }
        & > .lines--name { color: $text-primary; }
        & > .lines--string { color: $text-success; }
        & > .lines--number { color: $text-warning; }
        & > .lines--word { color: $text-accent; }
        & > .lines--tag { color: $text-primary; }
        & > .lines--attribute { color: $text-accent; }
        & > .lines--good { color: $text-success; }
        & > .lines--bad { color: $text-error; text-style: bold; }
        & > .lines--warning { color: $text-warning; }
        & > .lines--client { color: $accent; }
        & > .lines--server { color: $primary; }
        & > .lines--exchange { color: $success; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "rows(-1)", "Up", show=False, id="detail.up"),
        Binding("down,j", "rows(1)", "Down", show=False, id="detail.down"),
        Binding("left,h", "columns(-8)", "Left", show=False, id="detail.left"),
        Binding("right,l", "columns(8)", "Right", show=False, id="detail.right"),
        Binding("pageup,b", "pages(-1)", "Page up", show=False, id="detail.page.up"),
        Binding("pagedown,space", "pages(1)", "Page down", show=False, id="detail.page.down"),
        Binding("ctrl+u", "pages(-0.5)", "Half a page up", show=False, id="detail.half.up"),
        Binding("ctrl+d", "pages(0.5)", "Half a page down", show=False, id="detail.half.down"),
        Binding("g,home", "top", "Top", show=False, id="detail.top"),
        Binding("G,end", "bottom", "Bottom", show=False, id="detail.bottom"),
    ]

    class LaidOut(Message):
        """The rows were arranged; there may be more or fewer than before."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self._blocks: list[Block] = []
        self._starts: list[int] = [0]  # the first row of each block, and behind the last
        self._strips: LRUCache[int, Strip] = LRUCache(1024)
        self._palette: dict[str, Style] = {}
        self._base: Style | None = None
        self._visible = 0  # cells of a row, without the scroll bar's

    # --- what is shown

    @property
    def row_count(self) -> int:
        """The rows of all blocks."""
        return self._starts[-1]

    def show_blocks(self, blocks: Sequence[Block], *, keep_place: bool = False) -> None:
        """Show `blocks`, from the top unless `keep_place`."""
        self._blocks = list(blocks)
        self.lay_out()
        if not keep_place:
            self.scroll_to(0, 0, animate=False, force=True)

    def lay_out(self) -> None:
        """Lay the rows out anew: the width or a block has changed."""
        width = self._visible = self.scrollable_content_region.width
        if width < 1:  # out of sight: nothing to draw until it has a width
            self._starts = [0]
            self._strips.clear()
            return
        counts = [block.layout(width) for block in self._blocks]
        self._starts = list(accumulate(counts, initial=0))
        widest = max((block.width for block in self._blocks), default=0)
        self._strips.clear()
        # Plain assignment would lay out the whole screen, which nothing here can change.
        size = Size(max(widest, width), self.row_count)
        self.set_reactive(Widget.virtual_size, size)
        self._scroll_update(size)
        self.refresh()
        self.post_message(self.LaidOut())

    def row_text(self, index: int) -> str:
        """The text of row `index`."""
        return "".join(text for text, _ in self._runs(index))

    def _runs(self, index: int) -> Runs:
        at = bisect_right(self._starts, index) - 1
        if not 0 <= at < len(self._blocks):
            return []
        return self._blocks[at].row(index - self._starts[at])

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """Row `y` of the visible area."""
        left, top = self.scroll_offset
        width = self._visible
        index = top + y
        style = self._base or self._base_style()
        if index >= self.row_count:
            return Strip.blank(width, style)
        strip = self._strip(index)
        cut = strip.cell_length > left + width
        shown = strip.crop_extend(left, left + width, style)
        if cut:
            mark = Strip([Segment("…", self._tone("dim"))], 1)
            shown = Strip.join([shown.crop(0, width - 1), mark])
        return shown.apply_offsets(left, index)

    def _strip(self, index: int) -> Strip:
        selection = self.text_selection
        span = selection.get_span(index) if selection is not None else None
        if span is not None:
            return self._selected(self._make_strip(index), *span)
        strip = self._strips.get(index)
        if strip is None:
            strip = self._strips[index] = self._make_strip(index)
        return strip

    def _make_strip(self, index: int) -> Strip:
        return Strip([Segment(text, self._tone(tone)) for text, tone in self._runs(index) if text])

    def _tone(self, name: str) -> Style:
        style = self._palette.get(name)
        if style is None:
            style = self._palette[name] = self.get_component_rich_style(f"lines--{name}")
        return style

    def _base_style(self) -> Style:
        self._base = self.rich_style  # Textual works it out anew each time: 40 µs
        return self._base

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        style = self.screen.get_component_rich_style("screen--selection")
        end = strip.cell_length if end == -1 else min(end, strip.cell_length)
        start = min(start, end)
        marked = [
            Segment(segment.text, (segment.style or Style.null()) + style)
            for segment in strip.crop(start, end)
        ]
        return Strip.join([strip.crop(0, start), Strip(marked), strip.crop(end)])

    # --- what Textual asks

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text."""
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else self.row_count - 1
        last = min(last, self.row_count - 1, first + MAX_COPIED)
        rows = []
        for index in range(first, last + 1):
            start, end = selection.get_span(index) or (0, -1)
            text = self.row_text(index)
            rows.append(text[start:] if end == -1 else text[start:end])
        return "\n".join(rows), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw a selection that has changed."""
        del selection
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget the colours: the theme or the state of the widget has changed."""
        super().notify_style_update()
        self._palette.clear()
        self._base = None
        self._strips.clear()

    def on_resize(self, event: Resize) -> None:
        """Arrange the rows for a new width."""
        del event
        if self.scrollable_content_region.width != self._visible:
            self.lay_out()

    # --- keys

    def action_rows(self, count: int) -> None:
        """Scroll by rows."""
        self.scroll_to(y=self.scroll_y + count, animate=False)

    def action_columns(self, count: int) -> None:
        """Scroll sideways."""
        self.scroll_to(x=self.scroll_x + count, animate=False)

    def action_pages(self, count: float) -> None:
        """Scroll by pages, less a row to find one's place again."""
        step = max(1, round(abs(count) * (self.size.height - 1)))
        self.scroll_to(y=self.scroll_y + (step if count > 0 else -step), animate=False)

    def action_top(self) -> None:
        """To the first row."""
        self.scroll_to(0, 0, animate=False)

    def action_bottom(self) -> None:
        """To the last row."""
        self.scroll_to(y=self.max_scroll_y, animate=False)
