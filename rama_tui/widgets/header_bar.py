"""The first line: what this is, which store is open, how much goes through it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from rama_proxy.model.text import escape_text
from rama_tui.looks import look

BLOCKS = "▁▂▃▄▅▆▇█"


class HeaderBar(Widget):
    """Name and store on the left, the rate of the last seconds on the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"header-bar--name", "header-bar--graph"}
    DEFAULT_CSS = """
    HeaderBar {
        height: 1; background: $panel; color: $text-muted; padding: 0 1;
        & > .header-bar--name { color: $accent; text-style: bold; }
        & > .header-bar--graph { color: $primary; }
    }
    """

    rates: reactive[tuple[float, ...]] = reactive(())

    mode: reactive[str] = reactive("regular")

    def __init__(self, store: Path) -> None:
        super().__init__()
        self._store = store

    def render(self) -> Text:
        """The line, filled to the width."""
        width = self.size.width
        right = Text(no_wrap=True)
        if self.rates:
            count = max(0, min(24, width // 4))
            right.append(sparkline(self.rates[-count:]), self._style("graph"))
            right.append(f" {rate_text(self.rates[-1])}")
        left = Text(no_wrap=True)
        left.append("rama", self._style("name"))
        if self.mode != "regular":
            left.append(f"  {escape_text(self.mode)}")
        room = width - len(left) - len(right) - 4
        name = escape_text(_short(self._store))
        if len(name) > room:
            name = escape_text(self._store.name)
        if len(name) <= room:
            left.append(f"  {name}")
        return Text.assemble(left, " " * max(1, width - left.cell_len - right.cell_len), right)

    def _style(self, name: str) -> Style:
        return look(self, f"header-bar--{name}")


def _short(path: Path) -> str:
    """`path`, with `~` for the home directory."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def sparkline(values: tuple[float, ...]) -> str:
    """`values` as blocks of eight heights, the largest full; zero is an empty line."""
    top = max(values, default=0.0)
    if top <= 0:
        return BLOCKS[0] * len(values)
    return "".join(BLOCKS[min(7, int(value / top * 7.999))] for value in values)


def rate_text(rate: float) -> str:
    """Flows a second for people: `0/s`, `3.4/s`, `1,204/s`."""
    return f"{rate:.1f}/s" if 0.05 <= rate < 10 else f"{rate:,.0f}/s"
