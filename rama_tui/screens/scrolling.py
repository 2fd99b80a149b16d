"""A box of text over the screen below, scrolled by the keys that scroll everywhere."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen


class ScrollingScreen(ModalScreen[None]):
    """Has one VerticalScroll, and keys that move it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space,ctrl+d", "scroll(12)", "Page down", show=False),
        Binding("pageup,b,ctrl+u", "scroll(-12)", "Page up", show=False),
        Binding("g,home", "scroll(-9999)", "Top", show=False),
        Binding("G,end", "scroll(9999)", "Bottom", show=False),
    ]

    def action_scroll(self, lines: int) -> None:
        """Scroll by `lines`, at once."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
