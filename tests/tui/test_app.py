"""The whole app on a headless terminal: what keys do, and what the screen says."""

from __future__ import annotations

import base64
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from rama_proxy.content.protobuf_schema import parse_descriptors
from rama_proxy.filters import Where, parse_filter
from rama_proxy.model.flow import Flow
from rama_proxy.store.writer import Writer
from rama_tui.app import RamaApp
from rama_tui.clipboard import MAX_CLIPBOARD
from rama_tui.screens.help import HelpScreen
from rama_tui.session import RUNNING, STOPPED, Facts, Session
from rama_tui.widgets.flow_list import FlowList
from rama_tui.widgets.status_bar import StatusBar
from tests.support.descriptors import SHOP
from tests.support.flows import make_flow, make_flows, make_store
from tests.support.grpc_flows import call
from tests.support.tui import (
    eventually,
    line_of,
    live_store,
    put,
    screen_of,
    shown,
    text_of,
    until,
    until_shows,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished capture of 300 flows."""
    return make_store(tmp_path_factory.mktemp("store") / "sample.db", 300)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer on a new store."""
    with live_store(tmp_path / "live.db") as found:
        yield found


def live(writer: Writer) -> Session:
    """A session on what `writer` writes, as if an engine ran."""
    session = Session(writer.path)
    session.engine = RUNNING
    session.facts = Facts(("127.0.0.1:8080",), ca_path="/home/ada/.config/rama/ca-cert.pem")
    return session


async def type_text(pilot: Pilot[int], text: str) -> None:
    """Press each letter."""
    await pilot.press(*text)


def copied(pilot: Pilot[int]) -> str:
    """What the app has sent to the clipboard."""
    return pilot.app.clipboard


# --- list and open flow


async def test_a_finished_capture_opens_at_its_beginning(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        text = await until_shows(pilot, "300 flows", "not recording")
        assert str(store) in text
        assert "/v2/people?page=31&size=20" in text
        assert screen_of(pilot).flow_list.cursor_id == 1
        assert not screen_of(pilot).flow_list.follow


@pytest.mark.parametrize(
    ("size", "list_stays", "beside"),
    [((160, 45), True, True), ((120, 36), True, False), ((80, 24), False, False)],
)
async def test_enter_opens_beside_below_or_instead(
    store: Path, size: tuple[int, int], list_stays: bool, beside: bool
) -> None:
    async with shown(Session(store), size=size) as pilot:
        pane = screen_of(pilot).pane
        await pilot.press("j", "enter")
        await until_shows(pilot, "#2 ", "Request", "User-Agent")
        assert bool(pane.flow_list.region) is list_stays
        if list_stays:
            list_region, detail_region = pane.flow_list.region, pane.detail.region
            assert (list_region.right <= detail_region.x) is beside
            assert pane.flow_list.has_focus
            await pilot.press("enter")  # once more goes into it
        await until(pilot, lambda: pane.detail.has_focus_within)
        await pilot.press("escape")
        await until(pilot, lambda: pane.flow_list.has_focus)
        assert not pane.is_open
        assert not pane.detail.display


async def test_the_open_flow_follows_the_cursor(store: Path) -> None:
    async with shown(Session(store), size=(160, 45)) as pilot:
        await pilot.press("enter")
        await until_shows(pilot, "#1 ")
        await pilot.press("j", "j")
        await until_shows(pilot, "#3 ")
        await pilot.press("enter", "J")  # from inside
        await until_shows(pilot, "#4 ")
        await pilot.press("K", "K")
        await until_shows(pilot, "#2 ")


async def test_grpc_calls_show_their_status_and_their_fields_by_name(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.db", [call(1), call(2, "5")])
    schema = parse_descriptors(SHOP)
    async with shown(Session(path, schema=schema), size=(160, 45)) as pilot:
        await until_shows(pilot, "g5 shop.test")
        await pilot.press("enter")
        await until_shows(pilot, "gRPC 0 OK", "shop.v1.GetItem", 'name: "needle"', "kind: TOY  # 2")
        await pilot.press("j")
        await until_shows(pilot, "gRPC 5 NOT_FOUND: no such␛ thing!")


async def test_zoom_gives_the_open_flow_the_screen(store: Path) -> None:
    async with shown(Session(store), size=(160, 45)) as pilot:
        pane = screen_of(pilot).pane
        await pilot.press("enter", "z")
        await until(pilot, lambda: pane.detail.has_focus_within and not pane.flow_list.region)
        await pilot.press("z")
        await until(pilot, lambda: bool(pane.flow_list.region))
        await pilot.press("q")
        assert not pane.is_open


async def test_a_window_that_shrinks_keeps_the_focus_in_sight(store: Path) -> None:
    async with shown(Session(store), size=(160, 45)) as pilot:
        pane = screen_of(pilot).pane
        await pilot.press("enter")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: pane.detail.has_focus_within)
        await pilot.press("escape")
        await until(pilot, lambda: pane.flow_list.has_focus)
        await pilot.resize_terminal(60, 12)
        assert "200" in (await until_shows(pilot, "Method"))


async def test_double_click_opens(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.click(FlowList, offset=(20, 4), times=2)
        await until_shows(pilot, "#4 ")


# --- live


async def test_flows_appear_as_they_come(writer: Writer) -> None:
    async with shown(live(writer), loaded=False) as pilot:
        await until_shows(pilot, "Waiting for traffic on 127.0.0.1:8080")
        put(writer, make_flows(1))
        await until_shows(pilot, "api.example.com", "1 flow ", "FOLLOW")
        assert "Waiting" not in text_of(pilot)
        put(writer, make_flows(100, 2))
        await until_shows(pilot, "101 flows")
        assert screen_of(pilot).flow_list.cursor_id == 101


async def test_moving_away_pauses_and_counts(writer: Writer) -> None:
    put(writer, make_flows(60))
    async with shown(live(writer)) as pilot:
        await until_shows(pilot, "FOLLOW")
        await pilot.press("k", "k")
        before = line_of(pilot, " 58 ")
        put(writer, make_flows(20, 61))
        text = await until_shows(pilot, "+20 new", "↓ 20 new", "80 flows")
        assert "FOLLOW" not in text
        assert before in text
        await pilot.press("G")
        await until_shows(pilot, "FOLLOW")
        assert screen_of(pilot).flow_list.cursor_id == 80


async def test_an_open_flow_that_ends_is_shown_again(writer: Writer) -> None:
    flow = make_flow(1)
    answer, flow.response, flow.state = flow.response, None, "active"
    put(writer, [flow])
    async with shown(live(writer), size=(160, 45)) as pilot:
        await pilot.press("enter")
        await until_shows(pilot, "◌", " active ")
        flow.response, flow.state = answer, "done"
        put(writer, [flow])
        text = await until_shows(pilot, "200 OK")
        assert "◌" not in text


async def test_an_engine_that_stops_is_told(writer: Writer) -> None:
    put(writer, make_flows(3))
    session = live(writer)
    async with shown(session) as pilot:
        session.engine, session.engine_error = STOPPED, "out of memory (signal 9)"
        screen_of(pilot)._on_engine()
        await until_shows(
            pilot, "engine stopped", "The engine has stopped: out of memory (signal 9)"
        )


# --- filters


async def test_a_filter_narrows_as_it_is_typed(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("slash")
        await type_text(pilot, "~c 404")
        text = await until_shows(pilot, "FILTER ~c 404")
        found = re.search(r"(\d+) of 300 flows", text)
        assert found
        assert int(found[1]) == len(screen_of(pilot).flow_list.view) > 0
        assert len(re.findall("▲", text)) == int(found[1])
        await pilot.press("enter")
        assert screen_of(pilot).flow_list.has_focus
        await pilot.press("escape")
        text = await until_shows(pilot, "300 flows")
        assert "FILTER" not in text


async def test_escape_in_the_field_brings_the_filter_before_back(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("slash", *"~m POST", "enter")
        await until_shows(pilot, "FILTER ~m POST")
        shown_before = list(screen_of(pilot).flow_list.view.ids)
        await pilot.press("slash", *" & ~d shop")
        await until_shows(pilot, "FILTER ~m POST & ~d shop")
        await pilot.press("escape")
        await until(pilot, lambda: list(screen_of(pilot).flow_list.view.ids) == shown_before)
        assert screen_of(pilot).flow_list.has_focus


async def test_no_match_tells_the_filter_and_the_way_out(store: Path) -> None:
    async with shown(Session(store), size=(160, 45)) as pilot:
        await pilot.press("j", "enter")
        await until_shows(pilot, "#2 ")
        await pilot.press("slash", *"nothing-like-it", "enter")
        await until_shows(
            pilot, "No flow matches  nothing-like-it", "300 flows are hidden", "0 of 300 flows"
        )
        await pilot.press("escape")  # closes the flow that is out of sight, and clears the filter
        await until_shows(pilot, "300 flows", "/v2/people")
        assert screen_of(pilot).flow_list.cursor_id == 2


async def test_a_mistake_points_at_itself_and_changes_nothing(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("slash", *"~c 404", "enter")
        await until_shows(pilot, "FILTER ~c 404")
        before = list(screen_of(pilot).flow_list.view.ids)
        await pilot.press("slash", *" & ~zz")
        text = await until_shows(pilot, "~zz", "^")
        field, caret = (
            next(i for i, line in enumerate(text.splitlines()) if mark in line)
            for mark in ("~c 404 & ~zz", "^ ")
        )
        assert caret == field + 1
        lines = text.splitlines()
        assert lines[caret].index("^") == lines[field].index("~zz")
        assert list(screen_of(pilot).flow_list.view.ids) == before


async def test_a_filter_holds_for_flows_that_come(writer: Writer) -> None:
    put(writer, make_flows(40))
    async with shown(live(writer)) as pilot:
        await pilot.press("slash", *"~m POST", "enter")
        await until_shows(pilot, "FILTER ~m POST")
        put(writer, make_flows(40, 41))
        posts = [flow.id for flow in make_flows(80) if flow.request.method == "POST"]
        await until(pilot, lambda: list(screen_of(pilot).flow_list.view.ids) == posts)
        await until_shows(pilot, f"{len(posts)} of 80 flows")


COUNTING = "(WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n)"
ENDLESS = replace(parse_filter("~b endless"), condition=Where(COUNTING))


async def test_a_slow_search_leaves_the_list_alone_and_is_given_up(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        screen = screen_of(pilot)
        screen.search(ENDLESS)
        await until_shows(pilot, "searching…")
        pilot.app.simulate_key("j")  # press waits for a processor that has nothing to do
        await eventually(lambda: screen.flow_list.cursor_id == 2)
        searches = [worker for worker in pilot.app.workers if worker.group == "search"]
        screen.filter_bar.apply_text("~c 503")
        text = await until_shows(pilot, "FILTER ~c 503")
        assert "searching" not in text
        assert all(worker.is_finished for worker in searches)


# --- copying


async def test_copy_as_curl_goes_through_the_terminal(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("c")
        await until_shows(pilot, "curl command of flow 1", "bytes sent to the")
        assert copied(pilot).startswith("curl 'https://api.example.com/v2/people?page=31&size=20'")


async def test_the_body_is_loaded_for_it(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("slash", *"~m POST & ~u login", "enter")
        await until_shows(pilot, "FILTER")
        await pilot.press("c")
        await until_shows(pilot, "curl command of flow")
        assert "--data-raw 'user=ada&password=hunter2&next=%2Fhome'" in copied(pilot)


async def test_what_is_too_large_goes_to_a_file_of_its_owner(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = "x" * (MAX_CLIPBOARD + 1)
    async with shown(Session(store), exporters={"curl": lambda flow: large}) as pilot:
        await pilot.press("c")
        await until_shows(pilot, "74,001 bytes are too many")
        assert copied(pilot) == ""
        message = next(iter(pilot.app._notifications)).message
    (file,) = tmp_path.glob("rama-*.curl.sh")  # noqa: ASYNC240  the app is gone by now
    assert message.endswith(str(file))
    assert file.read_text() == large
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_an_exporter_that_fails_is_told(store: Path) -> None:
    def broken(flow: Flow) -> str:
        raise ValueError("a tunnel is no request")

    async with shown(Session(store), exporters={"curl": broken}) as pilot:
        await pilot.press("c")
        await until_shows(pilot, "flow 1 cannot be copied as curl", "a tunnel is no request")


async def test_copy_url(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("j", "y")
        await until_shows(pilot, "URL of flow 2")
        assert copied(pilot) == "https://api.example.com/health"


async def test_the_first_command_can_be_copied(writer: Writer) -> None:
    async with shown(live(writer), loaded=False) as pilot:
        await until_shows(pilot, "c copies this line")
        await pilot.press("c")
        await until_shows(pilot, "first request")
        assert copied(pilot) == "curl -x http://127.0.0.1:8080 http://example.com"


async def test_nothing_to_copy(tmp_path: Path) -> None:
    async with shown(Session(make_store(tmp_path / "0.db", 0)), loaded=False) as pilot:
        await until_shows(pilot, "This capture holds no flows.")
        await pilot.press("c", "y")
        await until_shows(pilot, "there is no flow under the cursor")


# --- help, palette, themes, leaving


async def test_help_lists_keys_and_closes(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("question_mark")
        await until_shows(pilot, "Help", "Everywhere", "Find what can be done by its name.")
        await pilot.press("G")
        await until_shows(pilot, "~ja4")
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(pilot.app.screen, HelpScreen))
        assert pilot.app.is_running


async def test_the_palette_finds_actions(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("colon")
        await until_shows(pilot, "Copy as curl", "Light or dark")
        await pilot.press(*"copy url")
        await until_shows(pilot, "Copy URL")
        await pilot.press("enter")
        await until_shows(pilot, "URL of flow 1")


async def test_light_and_dark(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        flow_list = screen_of(pilot).flow_list
        dark = flow_list.render_line(1)
        assert pilot.app.current_theme.dark
        await pilot.press("ctrl+t")
        assert pilot.app.theme == "rama-light"
        await until(pilot, lambda: flow_list.render_line(1) != dark)
        assert flow_list.render_line(1).text == dark.text
        await pilot.press("ctrl+t")
        assert pilot.app.theme == "rama-dark"


async def test_no_color_draws_without_any(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(Session(store)) as pilot:
        await until_shows(pilot, "/v2/people")
        filters = pilot.app.get_line_filters()
        for strip in pilot.app.screen._compositor.render_strips():
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, pilot.app.screen.background_colors[1])
            for segment in strip:
                style = segment.style
                assert style is None or style.color is None or style.color.is_default
                assert style is None or style.bgcolor is None or style.bgcolor.is_default
        cursor = screen_of(pilot).flow_list.render_line(1)
        assert all(segment.style and segment.style.reverse for segment in cursor)


@pytest.mark.parametrize("keys", [["q"], ["ctrl+q"], ["enter", "q", "q"], ["slash", "ctrl+q"]])
async def test_ways_out(store: Path, keys: list[str]) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press(*keys)
        await until(pilot, lambda: not pilot.app.is_running or pilot.app._exit)
        assert pilot.app.return_code == 0


async def test_a_letter_that_is_typed_is_no_command(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        await pilot.press("slash", *"qcy?:/fF")
        assert pilot.app.screen.query_one(Input).value == "qcy?:/fF"
        assert pilot.app.is_running
        assert copied(pilot) == ""


# --- hostile content


async def test_nothing_from_the_network_is_markup_or_control(writer: Writer) -> None:
    hostile = next(flow for flow in make_flows(2000) if b"owned" in flow.request.target)
    hostile.request.headers.add("X-Evil", "[/nope][@click=app.quit]x[/]")
    put(writer, [hostile])
    async with shown(live(writer), size=(160, 45)) as pilot:
        await pilot.press("enter")
        await until_shows(pilot, "␛]0;owned␇&[bold]markup[/bold]", "[/nope][@click=app.quit]x[/]")
        for key in ("right_square_bracket",) * 3:
            await pilot.press(key)
            await pilot.pause()
            assert not set(text_of(pilot)) & set("\x1b\x07\x9b\u202e")
        await pilot.press("y")
        await until_shows(pilot, "URL of flow")
        assert "\x1b" not in copied(pilot)


def test_clipboard_text_goes_out_as_osc_52(store: Path) -> None:
    class Driver:
        written = ""

        def write(self, data: str) -> None:
            self.written += data

    session = Session(store)
    app = RamaApp(session, {})
    app._driver = driver = Driver()  # type: ignore[assignment]  # the rest of a driver is not used
    app.copy_to_clipboard("curl 'é'")
    session.close()
    encoded = base64.b64encode("curl 'é'".encode()).decode()
    assert driver.written == f"\x1b]52;c;{encoded}\x07"


async def test_a_click_on_a_chip_is_its_key(store: Path) -> None:
    async with shown(Session(store)) as pilot:
        bar = pilot.app.screen.query_one(StatusBar)
        await pilot.press("slash", *"~e", "enter")
        await until_shows(pilot, "FILTER ~e")
        start = line_of(pilot, "FILTER ~e").index("FILTER")
        await pilot._post_mouse_events(
            [events.MouseDown, events.MouseUp, events.Click], bar, (start + 2, 0), button=1
        )
        await until(pilot, lambda: pilot.app.screen.query_one(Input).has_focus)
