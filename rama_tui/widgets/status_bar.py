"""The line above the keys: what the engine does, and all that changes what the list shows."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual import events
from textual.reactive import reactive
from textual.widget import Widget

from rama_proxy.model.text import escape_text
from rama_tui.columns import short_size
from rama_tui.looks import look
from rama_tui.session import ABSENT, RUNNING
from rama_tui.widgets.header_bar import rate_text

FILTER_WIDTH = 28
SEPARATOR = " │ "


class Status(NamedTuple):
    """What the bar shows. `shown` and `total` count flows, `problems` log entries."""

    engine: str = ABSENT
    address: str = ""
    rate: float = 0.0
    active: int = 0
    dropped: int = 0
    shown: int = 0
    total: int = 0
    follow: bool = False
    unseen: int = 0
    filter_text: str = ""
    size: int = 0
    problems: int = 0


class Chip(NamedTuple):
    """A piece of the bar. Of those that do not fit the last in `rank` go first."""

    text: str
    style: str
    rank: int
    call: str = ""  # the action of a click


class StatusBar(Widget):
    """Chips side by side; a click on one does what its key does."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"status-bar--{name}" for name in ("good", "bad", "warn", "chip", "plain", "line")
    }
    DEFAULT_CSS = """
    StatusBar {
        height: 1; background: $panel; color: $foreground; padding: 0 1;
        & > .status-bar--good { color: $success; }
        & > .status-bar--bad { color: $background; background: $error; text-style: bold; }
        & > .status-bar--warn { color: $warning; text-style: bold; }
        & > .status-bar--chip { color: $background; background: $accent; text-style: bold; }
        & > .status-bar--plain { color: $foreground; }
        & > .status-bar--line { color: $text-disabled; }
        &:nocolor > .status-bar--bad { text-style: reverse; }
        &:nocolor > .status-bar--chip { text-style: reverse; }
    }
    """

    status: reactive[Status] = reactive(Status())

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, str]] = []

    def render(self) -> Text:
        """The chips that fit, in their order."""
        chips = fitting(chips_of(self.status), self.size.width)
        text = Text(no_wrap=True, overflow="ellipsis")
        self._places = []
        for number, chip in enumerate(chips):
            if number:
                text.append(SEPARATOR, self._style("line"))
            start = text.cell_len
            text.append(chip.text, self._style(chip.style))
            self._places.append((start, text.cell_len, chip.call))
        return text

    def _style(self, name: str) -> Style:
        return look(self, f"status-bar--{name}")

    async def on_click(self, event: events.Click) -> None:
        """Do what the chip under the pointer stands for."""
        x = event.get_content_offset_capture(self).x
        for start, end, call in self._places:
            if call and start <= x < end:
                await self.run_action(call)


def chips_of(status: Status) -> list[Chip]:
    """Every chip that has something to say."""
    chips = [_engine_chip(status)]
    if status.follow:
        chips.append(Chip(" FOLLOW ", "chip", 1, "screen.follow"))
    elif status.unseen:
        chips.append(Chip(f"+{status.unseen:,} new ↓", "warn", 2, "screen.follow"))
    if status.filter_text:
        text = escape_text(status.filter_text)
        if len(text) > FILTER_WIDTH:
            text = text[: FILTER_WIDTH - 1] + "…"
        chips.append(Chip(f" FILTER {text} ", "chip", 3, "screen.filter"))
        chips.append(Chip(f"{status.shown:,} of {_flows(status.total)}", "plain", 2))
    else:
        chips.append(Chip(_flows(status.total), "plain", 2))
    if status.engine == RUNNING:
        chips.append(Chip(rate_text(status.rate), "plain", 4))
        if status.active:
            chips.append(Chip(f"{status.active:,} open", "plain", 7))
        style = "warn" if status.dropped else "plain"
        chips.append(Chip(f"{status.dropped:,} dropped", style, 2 if status.dropped else 6))
    if status.problems:
        noun = "problem" if status.problems == 1 else "problems"
        chips.append(Chip(f"▲ {status.problems:,} {noun} (E)", "warn", 1, "screen.log"))
    chips.append(Chip(f"{short_size(status.size)}B on disk", "plain", 5))
    return chips


def _engine_chip(status: Status) -> Chip:
    if status.engine == RUNNING:
        return Chip(f"● {status.address}", "good", 0)
    if status.engine == ABSENT:
        return Chip("○ not recording", "plain", 0)
    return Chip(" ■ engine stopped ", "bad", 0)


def _flows(count: int) -> str:
    return f"{count:,} flow" if count == 1 else f"{count:,} flows"


def fitting(chips: list[Chip], width: int) -> list[Chip]:
    """Those of `chips` that fit into `width` cells, the least important left out."""
    kept = list(chips)
    while len(kept) > 1 and _width(kept) > width:
        kept.remove(max(kept, key=lambda chip: chip.rank))
    return kept


def _width(chips: list[Chip]) -> int:
    return sum(len(chip.text) for chip in chips) + len(SEPARATOR) * (len(chips) - 1)
