"""What the engine and its addons reported: the store's log, as it grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from rama_proxy.model.text import escape_lines
from rama_proxy.store.reader import LogRow
from rama_tui.screens.scrolling import ScrollingScreen

MAX_ENTRIES = 500  # the newest; all of them are in the store's table `log`
LOOK_EVERY = 1.0
EMPTY = "Nothing was reported. Errors of addons, and what the engine has to say, appear here."
SIGNS = {"error": ("✗", "bold red"), "warning": ("▲", "yellow")}


class LogScreen(ScrollingScreen):
    """The log, newest at the bottom. `read` gives the entries after an id."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,E", "dismiss", "Close")]
    CSS = """
    LogScreen {
        align: center middle; background: $background 60%;
        & > #log {
            width: 100%; max-width: 120; height: 100%; max-height: 40; margin: 1 2;
            background: $surface; border: round $accent; border-title-color: $accent;
            border-subtitle-color: $text-muted;
        }
        & VerticalScroll { padding: 0 1; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, read: Callable[[int], list[LogRow]]) -> None:
        super().__init__()
        self._read = read
        self._entries: list[LogRow] = []

    def compose(self) -> ComposeResult:
        """A box with one text."""
        box = Vertical(id="log")
        box.border_title, box.border_subtitle = "Log", "esc closes"
        with box, VerticalScroll():
            yield Static(EMPTY, markup=False)

    def on_mount(self) -> None:
        """Show what there is, at its end, and what comes."""
        self._look()
        self.set_interval(LOOK_EVERY, self._look)

    def _look(self) -> None:
        after = self._entries[-1].id if self._entries else 0
        found = self._read(after)
        if not found:
            return
        self._entries = [*self._entries, *found][-MAX_ENTRIES:]
        self.query_one(Static).update(log_text(self._entries))
        self.query_one(VerticalScroll).scroll_end(animate=False)


def log_text(entries: list[LogRow]) -> Text:
    """The entries one below the other, the lines of a long message indented."""
    text = Text()
    for entry in entries:
        sign, style = SIGNS.get(entry.level, ("·", "dim"))
        clock = time.strftime("%H:%M:%S", time.localtime(entry.at))
        text.append(f"{sign} {clock} ", style)
        text.append(f"{escape_lines(entry.source)}  ", "bold")
        first, *rest = escape_lines(entry.message).split("\n")
        text.append(f"{first}\n")
        for line in rest:
            text.append(f"    {line}\n", "dim")
    return text
