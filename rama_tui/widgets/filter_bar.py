"""The filter line: green or red as it is typed, with the place of a mistake and a hint.

It parses and says when a filter should be applied; it does not search. While a filter does not
parse, the last good one stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from rich.padding import Padding
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.reactive import reactive
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, Static

from rama_proxy.errors import FilterError
from rama_proxy.filters import OPERATORS, Filter, Operator, completions, parse_filter
from rama_proxy.model.text import escape_text
from rama_tui.actions import TYPING, bindings

DEBOUNCE = 0.12  # seconds without a key before a search begins
MAX_HISTORY = 50
PLACEHOLDER = "filter   ~d host   ~m POST   ~c 404   ~b body   ~e failed   &  |  !"


class Completion(Suggester):
    """Shows how the last piece could go on; the right arrow takes it."""

    def __init__(self, operators: Mapping[str, Operator]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._operators = operators

    async def get_suggestion(self, value: str) -> str | None:
        """The first way to go on, None where an operator is whole."""
        if value.rpartition("~")[2] in self._operators:
            return None
        return next(iter(completions(value, self._operators)), None)


class FilterInput(Input):
    """The field. It takes keys in the order in which they were typed, however fast they come."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(TYPING)

    @property
    def bar(self) -> FilterBar:
        """The line it stands in."""
        return self.query_ancestor(FilterBar)

    async def on_key(self, event: events.Key) -> None:
        """End at enter and escape; a key that was typed after them belongs to who is next."""
        if self.screen.focused is not self:
            event.stop()
            event.prevent_default()
            self.app.post_message(events.Key(event.key, event.character))
        elif event.key in {"enter", "escape"}:
            event.stop()
            event.prevent_default()
            self.action_keep() if event.key == "enter" else self.action_undo()

    def action_keep(self) -> None:
        """Apply what was typed."""
        self.bar.keep()

    def action_undo(self) -> None:
        """Take back what was typed."""
        self.bar.undo()

    def action_recall(self, steps: int) -> None:
        """Put an earlier or later filter in its place."""
        self.bar.recall(steps)


class FilterBar(Horizontal):
    """A field for a filter expression, and what is wrong with it."""

    DEFAULT_CSS = """
    FilterBar {
        height: 1; background: $surface; padding: 0 1;
        & > #filter-sign { width: 2; color: $text-muted; }
        & > Input { width: 1fr; background: $surface; padding: 0; }
        & > Input:focus { background-tint: $surface 0%; }
        & > Input > .input--placeholder { color: $text-disabled; }
        & > #filter-note { width: auto; max-width: 40%; color: $text-muted; padding: 0 0 0 2; }
        & > #filter-error {
            display: none; overlay: screen; position: absolute; offset: 0 1;
            width: 100%; height: auto; max-height: 5; color: $error; background: $panel;
        }
        &.-bad > #filter-error { display: block; }
        &.-good > Input { color: $success; text-style: bold; }
        &.-good > #filter-sign { color: $success; }
        &.-bad > Input { color: $error; text-style: bold; }
        &.-bad > #filter-sign { color: $error; }
    }
    """

    note: reactive[str] = reactive("", init=False)

    class Changed(Message):
        """`filter` is to be applied."""

        def __init__(self, selected: Filter) -> None:
            super().__init__()
            self.filter = selected

    def __init__(
        self,
        leave: Callable[[], None],
        parse: Callable[[str], Filter] | None = None,
        placeholder: str = PLACEHOLDER,
        operators: Mapping[str, Operator] = OPERATORS,
    ) -> None:
        """`leave` puts the focus elsewhere, at once: the next key is not for us.

        `parse` raises FilterError; without it, filters are of flows. `operators` are what it knows.
        """
        super().__init__()
        self._leave = leave
        self._parse_text = parse = parse or _parse_flow_filter
        self._placeholder = placeholder
        self._completion = Completion(operators)
        self.filter = parse("")  # the last one that was asked to be applied
        self._before = self.filter
        self._typed = self.filter  # the last one that parsed
        self._error: FilterError | None = None
        self._timer: Timer | None = None
        self._history: list[str] = []
        self._recalled = 0

    def compose(self) -> ComposeResult:
        """The sign, the field, the note."""
        yield Static("/", id="filter-sign")
        field = FilterInput(
            placeholder=self._placeholder,
            compact=True,
            select_on_focus=False,
            suggester=self._completion,
        )
        field.cursor_blink = False  # a frame twice a second for nothing
        yield field
        yield Static(id="filter-note", markup=False)
        yield Static(id="filter-error", markup=False)

    @property
    def input(self) -> Input:
        """The field."""
        return self.query_one(Input)

    def begin(self) -> None:
        """Let the person type."""
        self.screen.set_focus(self.input)

    def apply_text(self, text: str) -> None:
        """Put `text` into the field and ask for it to be applied. Raises FilterError."""
        self._typed = self._parse_text(text)
        self._error = None
        with self.prevent(Input.Changed):
            self.input.value = text
        self._show_state()
        self._apply()

    def watch_note(self, note: str) -> None:
        """Show what is known about the filter besides its text."""
        self._show_state()

    @on(events.DescendantFocus)
    def _entered(self) -> None:
        self._before = self.filter
        self._recalled = len(self._history)
        self._show_state()

    @on(events.DescendantBlur)
    def _blurred(self) -> None:
        if self._error is not None:
            self.apply_text(self.filter.text)
        self._apply()
        self._show_state()

    @on(Input.Changed)
    def _check(self, event: Input.Changed) -> None:
        event.stop()
        self._stop_timer()
        self._parse(self.input.value)  # by now it may be another than the event tells
        if self._error is None:
            self._timer = self.set_timer(DEBOUNCE, self._apply)
        self._show_state()

    def _parse(self, text: str) -> None:
        try:
            self._typed = self._parse_text(text)
        except FilterError as error:
            self._error = error
        else:
            self._error = None

    def keep(self) -> None:
        """Apply what was typed and leave, unless it is wrong."""
        self._parse(self.input.value)
        if self._error is not None:
            self.app.bell()
            return
        self._apply()
        text = self.filter.text
        if text and text not in self._history[-1:]:
            self._history = [*self._history[1 - MAX_HISTORY :], text]
        self._leave()

    def undo(self) -> None:
        """Take back what was typed."""
        self.apply_text(self._before.text)
        self._leave()

    def recall(self, steps: int) -> None:
        """Put an earlier or later filter into the field."""
        if not self._history:
            return
        self._recalled = max(0, min(len(self._history), self._recalled + steps))
        recalled = self._history[self._recalled : self._recalled + 1]
        self.input.value = recalled[0] if recalled else ""
        self.input.cursor_position = len(self.input.value)

    def _apply(self) -> None:
        self._stop_timer()
        if self._error is None and self._typed.text != self.filter.text:
            self.filter = self._typed
            self.post_message(self.Changed(self.filter))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _show_state(self) -> None:
        self.set_class(self._error is not None, "-bad")
        self.set_class(self._error is None and bool(self._typed.text), "-good")
        self.query_one("#filter-note", Static).update(_one_line(self.note))
        if self._error is not None:
            shown = pointer(self._error, self.size.width - 2)
            self.query_one("#filter-error", Static).update(Padding(Text(shown), (0, 0, 0, 2)))


def _parse_flow_filter(text: str) -> Filter:
    return parse_filter(text, now=time.time())


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis", end="")


def pointer(error: FilterError, width: int) -> str:
    """A caret below the mistake and what is wrong beside it, or below if `width` is too small."""
    text = escape_text(f"{error}; {error.hint}" if error.hint else str(error))
    caret = " " * error.position + "^"
    return f"{caret} {text}" if len(caret) + 1 + len(text) <= width else f"{caret}\n{text}"
