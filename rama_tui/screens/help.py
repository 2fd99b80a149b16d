"""The help screen, made from the tables of actions, signs and filter operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from rama_proxy.filters import MESSAGE_OPERATORS, OPERATORS, Operator
from rama_tui.actions import ACTIONS, PLACES, key_names
from rama_tui.columns import SIGNS
from rama_tui.looks import look
from rama_tui.screens.scrolling import ScrollingScreen
from rama_tui.widgets.detail import Detail
from rama_tui.widgets.side_view import SideView

Rows = Iterable[tuple[str, str]]

NAME_WIDTH = 24
EXAMPLES = (
    ("example.com", "a word alone is looked for in the URL"),
    ("~d example.com & ~m POST", "both; | means either, ! not, ( ) group"),
    ("!~d cdn & (~c 4xx | ~e)", "what went wrong, but not at the cdn"),
    ("duration > 1s and host ~ api", "in words: = and != for the whole, ~ and !~ for a regex"),
)


class HelpText(Widget):
    """The tables."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"help-text--title", "help-text--name"}
    DEFAULT_CSS = """
    HelpText {
        height: auto;
        & > .help-text--title { color: $accent; text-style: bold; }
        & > .help-text--name { text-style: bold; }
    }
    """

    def render(self) -> Table:
        """All of it."""
        return help_table(look(self, "help-text--title"), look(self, "help-text--name"))


class HelpScreen(ScrollingScreen):
    """Everything that can be done, and what the signs mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close")
    ]
    CSS = """
    HelpScreen {
        align: center middle; background: $background 60%;
        & > #help {
            width: 100%; max-width: 92; height: 100%; max-height: 46; margin: 1 2;
            background: $surface; border: round $accent; border-title-color: $accent;
            border-subtitle-color: $text-muted;
        }
        & VerticalScroll { padding: 0 2; scrollbar-size-vertical: 1; }
    }
    """

    def compose(self) -> ComposeResult:
        """The tables one below the other."""
        box = Vertical(id="help")
        box.border_title, box.border_subtitle = "Help", "esc closes"
        with box, VerticalScroll():
            yield HelpText()


def help_sections() -> Iterator[tuple[str, Rows]]:
    """Every section of the help: its title and what is in it, name and meaning."""
    for place, title in PLACES.items():
        yield (
            title,
            [
                (" ".join(key_names(action.keys)), f"{action.title}: {action.help}")
                for action in ACTIONS
                if action.place == place
            ],
        )
    yield "In an open flow", list(_keys_of([*Detail.BINDINGS, *SideView.BINDINGS]))
    yield "Signs in the list", list(SIGNS.items())
    yield "Filters", [*EXAMPLES, *_operators(OPERATORS)]
    yield "Filters of messages", _operators(MESSAGE_OPERATORS)


def help_table(title_style: Style, name_style: Style) -> Table:
    """The whole help."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=NAME_WIDTH, overflow="fold")
    table.add_column(ratio=1)
    for title, rows in help_sections():
        table.add_row("")
        table.add_row(Text(title, title_style))
        for name, meaning in rows:
            table.add_row(Text(name, name_style), Text(meaning))
    return table


def _operators(operators: Mapping[str, Operator]) -> Rows:
    for operator in operators.values():
        yield f"~{operator.code} {operator.takes}".strip(), operator.help


def _keys_of(found: Iterable[object]) -> Rows:
    for binding in found:
        if isinstance(binding, Binding) and binding.description:
            keys = " ".join(key_names(binding.key))
            yield keys, binding.tooltip or binding.description
