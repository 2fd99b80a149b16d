"""The last line: the keys that act, as many as have room."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey  # has no public name; KeyBar's test holds it

LAST = frozenset({"help", "command_palette"})  # actions that stay: they tell of the others


class KeyBar(Footer):
    """A footer that cuts no key off: those that do not fit are left out, the last ones first."""

    def __init__(self) -> None:
        super().__init__(compact=True)
        self._width = 0

    def compose(self) -> ComposeResult:
        """The keys that fit."""
        return fitting(super().compose(), self.app.size.width)

    def on_resize(self, event: events.Resize) -> None:
        """More may fit, or less."""
        if event.size.width != self._width:
            self._width = event.size.width
            self.call_after_refresh(self.recompose)


def fitting(keys: Iterable[Widget], width: int) -> list[Widget]:
    """Those of `keys` that fit into `width` cells, in their order."""
    keys = list(keys)
    lasting = [key for key in keys if isinstance(key, FooterKey) and key.action in LAST]
    others = [key for key in keys if key not in lasting]
    used = accumulate(map(_width, others), initial=sum(map(_width, lasting)))
    kept = {key for key, cells in zip(others, list(used)[1:], strict=True) if cells <= width}
    return [key for key in keys if key in kept or key in lasting]


def _width(key: Widget) -> int:
    """The cells of a key with the space behind it, and the line before the palette's."""
    if not isinstance(key, FooterKey):
        return 0
    text = cell_len(key.key_display) + 1 + cell_len(key.description) + 1
    return text + (key.action == "command_palette")
