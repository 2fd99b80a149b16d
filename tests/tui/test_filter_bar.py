"""The filter line: colours, pointers, what is applied and when."""

from __future__ import annotations

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Button, Static

from rama_proxy.errors import FilterError
from rama_tui.themes import DARK
from rama_tui.widgets.filter_bar import FilterBar, pointer
from tests.support.tui import eventually


class BarApp(App[None]):
    """The line, and something else that can have the focus."""

    BINDINGS = [Binding("slash", "filter", priority=True)]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.bar = FilterBar(lambda: self.screen.set_focus(self.other))
        self.other = Button("other")
        self.applied: list[str] = []
        self.bells = 0

    def compose(self) -> ComposeResult:
        """Both."""
        yield self.bar
        yield self.other

    def on_mount(self) -> None:
        """Begin elsewhere."""
        self.screen.set_focus(self.other)

    def bell(self) -> None:
        """Count."""
        self.bells += 1

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash in the field is a slash."""
        return not (action == "filter" and self.bar.has_focus_within)

    def action_filter(self) -> None:
        """Type."""
        self.bar.begin()

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        """Note."""
        self.applied.append(event.filter.text)


async def type_text(pilot: Pilot[None], text: str) -> None:
    """Press each letter."""
    await pilot.press(*text)


def burst(app: App[None], letters: str) -> None:
    """Let keys come all at once."""
    names = {"/": "slash", "\r": "enter", "\x1b": "escape"}
    for letter in letters:
        app.post_message(events.Key(names.get(letter, letter), letter))


async def test_typing_is_applied_after_a_rest_and_enter_keeps_it() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        await type_text(pilot, "/~d shop")
        assert app.bar.has_class("-good")
        await eventually(lambda: app.applied == ["~d shop"])
        await pilot.press("enter")
        assert app.focused is app.other
        assert app.bar.filter.text == "~d shop"


async def test_enter_does_not_wait_for_the_rest() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        await type_text(pilot, "/~e")
        await pilot.press("enter")
        assert app.applied[-1:] == ["~e"]


async def test_escape_brings_back_the_filter_before() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        app.bar.apply_text("~m POST")
        await type_text(pilot, "/ & ~d x")
        await eventually(lambda: app.applied[-1] == "~m POST & ~d x")
        await pilot.press("escape")
        await pilot.pause()
        assert app.applied[-1] == "~m POST"
        assert app.bar.input.value == "~m POST"
        assert app.focused is app.other


async def test_a_mistake_is_red_and_the_last_good_filter_stays() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        await type_text(pilot, "/~e")
        await eventually(lambda: app.applied == ["~e"])
        await type_text(pilot, " & ~zz")
        assert app.bar.has_class("-bad")
        assert app.bar.filter.text == "~e"
        assert app.query_one("#filter-error", Static).display
        await pilot.press("enter")
        assert app.bells == 1
        assert app.bar.input.has_focus
        await pilot.click(Button)
        await pilot.pause()
        assert app.bar.input.value == "~e"  # what does not parse is not left standing
        assert app.applied == ["~e"]


async def test_keys_go_to_whom_they_were_typed_for() -> None:
    """Several keys in one packet, as over a slow line."""
    app = BarApp()
    async with app.run_test() as pilot:
        burst(app, "/ab/c\rx")
        await eventually(lambda: app.focused is app.other and app.applied == ["ab/c"])
        await pilot.pause()
        assert app.bar.input.value == "ab/c"
        burst(app, "/d\x1by")
        await eventually(lambda: app.focused is app.other)
        await pilot.pause(0.2)
        assert app.bar.input.value == "ab/c"
        assert app.applied[-1] == "ab/c"


async def test_earlier_filters_come_back() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        for text in ("~e", "~m GET", "~m GET"):
            app.bar.input.value = ""
            await type_text(pilot, f"/{text}")
            await pilot.press("enter")
        await pilot.press("slash", "up")
        assert app.bar.input.value == "~m GET"
        await pilot.press("up", "up")
        assert app.bar.input.value == "~e"
        await pilot.press("down", "down")
        assert app.bar.input.value == ""


async def test_the_right_arrow_takes_what_is_offered() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        await type_text(pilot, "/~siz")
        await eventually(lambda: app.bar.input._suggestion == "~size")
        await pilot.press("right")
        assert app.bar.input.value == "~size"
        await type_text(pilot, " >100")
        await eventually(lambda: app.bar.input._suggestion == "~size >100k")
        await pilot.press("right", "enter")
        assert app.bar.filter.text == "~size >100k"


async def test_time_is_counted_from_when_it_was_typed() -> None:
    app = BarApp()
    async with app.run_test() as pilot:
        await type_text(pilot, "/~since 10m")
        await pilot.press("enter")
        assert app.bar.filter.text == "~since 10m"
        assert int(app.bar.filter.where().params[0]) > 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (40, "     ^ no operator ~x; try ~e"),
        (20, "     ^\nno operator ~x; try ~e"),
    ],
)
def test_the_caret_stands_below_the_mistake(width: int, expected: str) -> None:
    assert pointer(FilterError("no operator ~x", 5, "try ~e"), width) == expected


def test_what_is_typed_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in pointer(FilterError("no operator \x1b[2J", 0), 80)
