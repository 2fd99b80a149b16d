"""A row of tabs that takes one line and no focus."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class TabBar(Widget):
    """Shows `tabs` (id and title) with `active` set off; a click on one asks for it."""

    DEFAULT_CSS = """
    TabBar { height: 1; color: $text-muted; }
    """
    active = reactive("")

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, tabs: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.tabs = list(tabs)
        self.set_reactive(TabBar.active, self.tabs[0][0])

    @property
    def names(self) -> list[str]:
        """The ids of the tabs."""
        return [name for name, _ in self.tabs]

    def show_tabs(self, tabs: Sequence[tuple[str, str]]) -> None:
        """Show other tabs, or others of their titles; `active` is among them."""
        if list(tabs) != self.tabs:
            self.tabs = list(tabs)
            self.refresh()

    def neighbour(self, step: int) -> str:
        """The tab `step` places from the active one, around the end."""
        names = self.names
        return names[(names.index(self.active) + step) % len(names)]

    def render(self) -> Content:
        """The titles beside each other."""
        parts = [
            Content.styled(f" {title} ", "bold $foreground on $panel")
            if name == self.active
            else Content(f" {title} ")
            for name, title in self.tabs
        ]
        return Content(" ").join(parts)

    def on_click(self, event: Click) -> None:
        """Ask for the tab below the pointer."""
        position = 0
        for name, title in self.tabs:
            position += cell_len(title) + 3
            if event.x < position:
                self.post_message(self.Chosen(name))
                return
