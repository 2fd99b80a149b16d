"""The list of flows: moving, following, and staying where the person looks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from rama_proxy.store.reader import FlowRow
from rama_tui.themes import DARK
from rama_tui.widgets.flow_list import FlowList
from tests.tui.test_columns import ROW

HEIGHT = 21  # with the header, 20 rows
SIZE = (90, HEIGHT)


class ListApp(App[None]):
    """The list alone, with flows `1` to `count`."""

    def __init__(self, count: int, *, follow: bool = False) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.flows = FlowList(self.read_page)
        self.flows.follow = follow
        self._first = array("q", range(1, count + 1))
        self.opened = 0
        self.highlighted: list[int | None] = []

    def compose(self) -> ComposeResult:
        """The list."""
        yield self.flows

    def on_mount(self) -> None:
        """Show the first flows."""
        self.flows.show_ids(self._first)

    def read_page(self, ids: Sequence[int]) -> list[FlowRow]:
        """A row for every id."""
        return [replace(ROW, id=number, path=f"/flow/{number}/") for number in ids]

    def on_flow_list_opened(self) -> None:
        """Count."""
        self.opened += 1

    def on_flow_list_highlighted(self, event: FlowList.Highlighted) -> None:
        """Note."""
        self.highlighted.append(event.row_id)

    def paths(self) -> list[str]:
        """The flows in sight, from the top."""
        lines = (self.flows.render_line(y).text for y in range(1, self.flows.size.height))
        return [line.split("/")[2] for line in lines if "/flow/" in line]

    def line(self, y: int) -> str:
        """Line `y` of the list."""
        return self.flows.render_line(y).text


def state(pilot: Pilot[None]) -> tuple[int | None, str]:
    """The flow under the cursor and the one at the top."""
    app = pilot.app
    assert isinstance(app, ListApp)
    return app.flows.cursor_id, app.paths()[0]


async def add(pilot: Pilot[None], *ids: int, removed: Sequence[int] = ()) -> None:
    """Let flows be written."""
    app = pilot.app
    assert isinstance(app, ListApp)
    app.flows.apply(ids, removed)
    await pilot.pause()


@pytest.mark.parametrize(
    ("keys", "cursor", "top"),
    [
        (["j", "down", "k"], 2, "1"),
        (["k", "up"], 1, "1"),
        (["j"] * 19, 20, "1"),
        (["j"] * 20, 21, "2"),
        (["pagedown"], 21, "21"),
        (["pagedown", "space", "pageup"], 21, "21"),
        (["ctrl+d"], 11, "11"),
        (["ctrl+d", "ctrl+u"], 1, "1"),
        (["end"], 100, "81"),
        (["G", "g"], 1, "1"),
        (["G", "home"], 1, "1"),
        (["pagedown"] * 7, 100, "81"),
    ],
)
async def test_keys_move_the_cursor_and_the_view(keys: list[str], cursor: int, top: str) -> None:
    async with ListApp(100).run_test(size=SIZE) as pilot:
        await pilot.press(*keys)
        assert state(pilot) == (cursor, top)


async def test_the_header_stays_and_rows_fill_the_width() -> None:
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("G")
        assert app.line(0).split() == [
            "Time",
            "Method",
            "Code",
            "Host",
            "Path",
            "Type",
            "Size",
            "Took",
        ]
        for y in range(HEIGHT):
            assert app.flows.render_line(y).cell_length == app.flows.size.width


async def test_following_shows_the_newest() -> None:
    app = ListApp(30, follow=True)
    async with app.run_test(size=SIZE) as pilot:
        assert state(pilot) == (30, "11")
        await add(pilot, 31, 32)
        assert state(pilot) == (32, "13")
        assert app.highlighted[-1] == 32


async def test_a_moved_cursor_ends_following_and_the_view_stays() -> None:
    app = ListApp(30, follow=True)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("k")
        await add(pilot, *range(31, 68))
        assert state(pilot) == (29, "11")
        assert app.line(HEIGHT - 1).rstrip().endswith("↓ 37 new")
        await pilot.press("G")
        assert state(pilot) == (67, "48")
        assert app.flows.follow
        assert "new" not in app.line(HEIGHT - 1)


async def test_f_follows_and_stops() -> None:
    app = ListApp(30)
    async with app.run_test(size=SIZE) as pilot:
        app.flows.action_follow()
        await add(pilot, 31)
        assert state(pilot) == (31, "12")
        app.flows.action_follow()
        await add(pilot, 32)
        assert app.flows.cursor_id == 31


async def test_new_flows_in_sight_are_not_counted() -> None:
    app = ListApp(5)
    async with app.run_test(size=SIZE) as pilot:
        await add(pilot, 6, 7)
        assert app.flows.unseen == 0
        assert app.paths() == list("1234567")


async def test_scrolling_to_the_end_has_seen_all() -> None:
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        await add(pilot, 101, 102)
        assert app.flows.unseen == 2
        app.flows.scroll_to(y=1000, animate=False)
        assert app.flows.unseen == 0
        assert app.flows.cursor_id == 1


async def test_rows_that_go_above_do_not_move_what_is_in_sight() -> None:
    async with ListApp(100).run_test(size=SIZE) as pilot:
        await pilot.press("pagedown", "pagedown", "j", "j")
        assert state(pilot) == (43, "41")
        await add(pilot, removed=range(1, 31))
        assert state(pilot) == (43, "41")
        await add(pilot, 5, 6)  # late: they began early and fit only now
        assert state(pilot) == (43, "41")


async def test_a_deleted_flow_gives_the_cursor_to_the_next() -> None:
    async with ListApp(10).run_test(size=SIZE) as pilot:
        await pilot.press("j", "j", "j")
        await add(pilot, removed=[4])
        assert state(pilot) == (5, "1")
        await add(pilot, removed=[5, 6, 7, 8, 9, 10])
        assert state(pilot) == (3, "1")


async def test_a_filter_and_its_end_come_back_to_the_same_flow() -> None:
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("pagedown", "pagedown", "j", "j")
        assert app.flows.cursor_id == 43
        app.flows.show_ids(array("q", [3, 50, 60]))
        await pilot.pause()
        assert app.flows.cursor_id == 50
        app.flows.show_ids(array("q", range(1, 101)))
        await pilot.pause()
        assert app.flows.cursor_id == 43
        assert "43" in app.paths()


async def test_an_empty_list_has_no_cursor() -> None:
    app = ListApp(3)
    async with app.run_test(size=SIZE) as pilot:
        app.flows.show_ids(array("q"))
        await pilot.press("j", "G", "pagedown", "g", "k")
        assert app.flows.cursor_id is None
        assert app.highlighted[-1] is None
        await add(pilot, 7)
        assert app.flows.cursor_id == 7


async def test_clicks_choose_and_open() -> None:
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.click(FlowList, offset=(10, 5))
        assert app.flows.cursor_id == 5
        await pilot.click(FlowList, offset=(10, 0))  # the header
        assert app.flows.cursor_id == 5
        assert app.opened == 0
        await pilot.click(FlowList, offset=(10, 7), times=2)
        assert (app.flows.cursor_id, app.opened) == (7, 1)


async def test_a_click_on_the_pill_follows() -> None:
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        await add(pilot, 101)
        await pilot.click(FlowList, offset=(app.flows.size.width - 3, HEIGHT - 1))
        assert app.flows.follow
        assert app.flows.cursor_id == 101


async def test_the_wheel_scrolls_without_the_cursor_and_ends_following() -> None:
    app = ListApp(100, follow=True)
    async with app.run_test(size=SIZE) as pilot:
        await pilot._post_mouse_events([events.MouseScrollUp], FlowList, (10, 5), button=0)
        await pilot.pause()
        assert not app.flows.follow
        cursor, top = state(pilot)
        assert (cursor, int(top) < 81) == (100, True)
        await add(pilot, 101)
        assert state(pilot) == (100, top)


async def test_resizing_keeps_the_cursor_in_sight() -> None:
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(*["j"] * 19)
        await pilot.resize_terminal(60, 8)
        await pilot.pause()
        assert app.flows.cursor_id == 20
        assert "20" in app.paths()
        assert app.flows.render_line(3).cell_length == app.flows.size.width


async def test_growth_costs_no_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """`_grow` uses what Textual keeps private; an upgrade must not make it lay out or go blind."""
    app = ListApp(100)
    async with app.run_test(size=SIZE) as pilot:
        layouts = 0
        layout = app.screen._refresh_layout

        def counted(*args: Any, **kwargs: Any) -> None:
            nonlocal layouts
            layouts += 1
            layout(*args, **kwargs)

        monkeypatch.setattr(app.screen, "_refresh_layout", counted)
        for number in range(101, 121):
            await add(pilot, number)
        assert app.flows.max_scroll_y == 121 - HEIGHT
        assert app.flows.vertical_scrollbar.window_virtual_size == 121
        assert layouts <= 1  # one may be left over from the start


async def test_hostile_rows_are_drawn_as_text() -> None:
    app = ListApp(3)
    app.read_page = lambda ids: [  # type: ignore[method-assign]  # rows that no proxy would store
        replace(ROW, id=number, path="/\x1b]52;c;eA==\x07[/nope", host="\u202e\x9b", method="[b]")
        for number in ids
    ]
    app.flows.view._read_page = app.read_page
    async with app.run_test(size=SIZE):
        text = app.line(1)
        assert "/␛]52;c;eA==␇[/nope" in text
        assert "[b]" in text
        assert not set(text) & set("\x1b\x07\x9b\u202e")
