"""The messages of a flow as a person uses them, on a real store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rama_proxy.model.flow import ACTIVE, DONE, Flow
from rama_proxy.model.websocket import BINARY, TEXT
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer
from rama_tui.message_source import MessageSource
from rama_tui.widgets.messages_pane import MessagesPane
from rama_tui.widgets.tab_bar import TabBar
from tests.support.tui import eventually, live_store, put
from tests.tui import detail_flows
from tests.tui.detail_app import DetailApp, settle, texts
from tests.tui.message_flows import CHAT, Sent, json_of, put_messages, store_of, websocket

WIDE = (120, 40)
TICKS = tuple(Sent(number % 3 == 0, TEXT, json_of(number)) for number in range(1, 101))


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[DetailApp]:
    """A finished WebSocket that has one message of every kind."""
    flow = websocket()
    source = store_of(tmp_path / "chat.db", flow)
    yield DetailApp(flow, messages=source)
    source.close()


@pytest.fixture
def ticks(tmp_path: Path) -> Iterator[DetailApp]:
    """A finished WebSocket of a hundred messages, every third from the client."""
    flow = websocket()
    source = store_of(tmp_path / "ticks.db", flow, TICKS)
    yield DetailApp(flow, messages=source)
    source.close()


class Live:
    """A WebSocket that is open, with ten messages so far, and who writes it."""

    def __init__(self, writer: Writer, path: Path) -> None:
        self.writer = writer
        self.flow = websocket(ACTIVE)
        put(writer, [self.flow])
        self.count = 0
        self.say(10)
        self.source = MessageSource(lambda: Reader(path))
        self.app = DetailApp(self.flow, messages=self.source)

    def say(self, count: int, sent: Sent | None = None) -> None:
        """Write more messages."""
        first = self.count + 1
        said = [sent or TICKS[number - 1] for number in range(first, first + count)]
        put_messages(self.writer, self.flow, said, first)
        self.count += count


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A WebSocket that is open."""
    path = tmp_path / "live.db"
    with live_store(path) as writer:
        found = Live(writer, path)
        yield found
        found.source.close()


def pane_of(app: DetailApp) -> MessagesPane:
    """The pane, which is there even when it is out of sight."""
    return app.query_one(MessagesPane)


def lines(app: DetailApp) -> list[str]:
    """The list as it is drawn, the line of titles first."""
    messages = pane_of(app).messages
    return [messages.render_line(y).text.rstrip() for y in range(messages.size.height)]


def line_of(app: DetailApp, seq: int) -> str:
    """The line of message `seq`."""
    return next(line for line in lines(app) if re.match(rf"\s*{seq} [→←]", line))


def numbers(app: DetailApp) -> list[int]:
    """The messages in sight."""
    found = [re.match(r"\s*(\d+) [→←]", line) for line in lines(app)]
    return [int(match[1]) for match in found if match]


async def opened(pilot: Pilot[None]) -> DetailApp:
    """The app with the focus in the pane."""
    app = pilot.app
    assert isinstance(app, DetailApp)
    await settle(pilot)
    app.detail.focus()
    await pilot.pause()
    return app


async def has(pilot: Pilot[None], count: int) -> None:
    """Wait until the flow is known to have so many messages."""
    app = pilot.app
    assert isinstance(app, DetailApp)
    await eventually(lambda: pane_of(app).count == count)
    await settle(pilot)


# --- where it stands


async def test_a_websocket_opens_on_its_messages(chat: DetailApp) -> None:
    async with chat.run_test(size=WIDE) as pilot:
        await opened(pilot)
        assert chat.detail.tab == "messages"
        assert ("messages", "Messages 14") in chat.query_one(TabBar).tabs
        assert chat.focused is pane_of(chat).messages


async def test_a_flow_without_messages_has_no_such_tab(tmp_path: Path) -> None:
    source = store_of(tmp_path / "a.db", websocket())
    other = detail_flows.exchange()
    other.id = 7
    app = DetailApp(other, messages=source)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        assert app.detail.tab == "exchange"
        assert "messages" not in app.query_one(TabBar).names
        await pilot.press("]")
        assert app.detail.tab == "tls"
    source.close()


async def test_any_kind_of_flow_may_have_messages(tmp_path: Path) -> None:
    flow = detail_flows.exchange()
    said = [Sent(True, BINARY, b"\x00\x01"), Sent(False, BINARY, b'{"a":1}')]
    source = store_of(tmp_path / "a.db", flow, said)
    app = DetailApp(flow, messages=source)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        assert app.detail.tab == "messages"
        await pilot.press("j")
        await settle(pilot)
        assert texts(pane_of(app).payload.lines) == ["1 {", '2   "a": 1', "3 }"]
    source.close()


async def test_the_tab_that_was_chosen_stays_for_the_next_flows(tmp_path: Path) -> None:
    first, second, plain = websocket(), websocket(), detail_flows.exchange()
    second.id, plain.id = 43, 44
    source = store_of(tmp_path / "a.db", first)
    with live_store(tmp_path / "a.db") as writer:
        put_messages(writer, second, CHAT)
    app = DetailApp(first, messages=source)

    async def shown(flow: Flow) -> str:
        app.detail.show(flow)
        await settle(pilot)
        return app.detail.tab

    async with app.run_test(size=WIDE) as pilot:
        assert await shown(plain) == "exchange"
        assert await shown(first) == "messages"
        app.detail.open_tab("exchange")
        assert await shown(second) == "exchange"
        app.detail.open_tab("timing")
        assert await shown(plain) == "timing"
        assert await shown(first) == "timing"
        app.detail.open_tab("messages")
        assert await shown(plain) == "exchange"
        assert await shown(second) == "messages"
    source.close()


@pytest.mark.parametrize(
    ("state", "sentence"), [(ACTIVE, "No messages yet."), (DONE, "No messages.")]
)
async def test_a_websocket_without_messages_says_so(
    tmp_path: Path, state: str, sentence: str
) -> None:
    flow = websocket(state)
    source = store_of(tmp_path / "a.db", flow, ())
    app = DetailApp(flow, messages=source)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        app.detail.open_tab("messages")
        await settle(pilot)
        assert lines(app)[1].strip() == sentence
        assert not pane_of(app).payload.display
        await pilot.press("y", "enter", "j", "G", "g", "v")
    source.close()


async def test_list_and_message_stand_as_the_width_allows(chat: DetailApp) -> None:
    async with chat.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        pane = pane_of(chat)
        assert pane.messages.region.bottom == pane.payload.region.y
        assert pane.payload.size.height >= 8
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        assert pane.messages.region.y == pane.payload.region.y
        assert pane.messages.region.right < pane.payload.region.x


# --- what it shows


async def test_a_line_for_each_message(chat: DetailApp) -> None:
    async with chat.run_test(size=(100, 60)) as pilot:
        await opened(pilot)
        assert lines(chat)[0].split() == ["#", "Time", "After", "Type", "Size", "Message"]
        assert line_of(chat, 1).split()[:2] == ["1", "→"]
        assert line_of(chat, 2).split()[:2] == ["2", "←"]
        assert line_of(chat, 2).endswith('+0.620 text      25 {"type":"connection_ack"}')
        assert line_of(chat, 4).endswith("ping      13 are you there")
        assert "binary    48 00 01 02 03" in line_of(chat, 6)
        assert 'dropped {"amount": 12' in line_of(chat, 7)
        assert 'edited, injected {"balance":999}' in line_of(chat, 8)
        assert '3.4M truncated {"log":"xxx' in line_of(chat, 10)
        assert line_of(chat, 11).endswith("not decompressed ab 56 4a 2c c8")
        assert line_of(chat, 12).endswith("66k broken off")
        assert line_of(chat, 13).endswith("1001 (going away) maintenance at noon")


async def test_the_message_under_the_cursor_is_shown_in_full(chat: DetailApp) -> None:
    async with chat.run_test(size=WIDE) as pilot:
        await opened(pilot)
        payload = pane_of(chat).payload
        assert texts(payload.lines)[:3] == [
            "1 {",
            '2   "type": "connection_init",',
            '3   "payload": {',
        ]
        await pilot.press("v")
        await settle(pilot)
        assert texts(payload.lines)[0].startswith('1 {"type":"connection_init","payload"')
        await pilot.press("v")
        await settle(pilot)
        assert texts(payload.lines)[0].startswith("00000000  7b 22 74 79 70 65")
        await pilot.press("v", *["j"] * 5)
        await settle(pilot)
        assert texts(payload.lines)[0].startswith("00000000  00 01 02 03")
        await pilot.press(*["j"] * 4)
        await settle(pilot)
        assert texts(payload.lines)[0] == "only the first 708 B of 3.2 MiB were kept"
        assert "JSON" in texts(payload.lines)[1]
        await pilot.press("j")
        await settle(pilot)
        notes, row = texts(payload.lines)
        assert notes == "not decompressed"
        assert row.startswith("00000000  ab 56 4a 2c c8")
        await pilot.press("j")
        await settle(pilot)
        assert texts(payload.lines) == ["broken off", "Nothing in it."]
        await pilot.press("j")
        await settle(pilot)
        assert texts(payload.lines) == ["1 1001 (going away) maintenance at noon"]


async def test_hostile_bytes_are_drawn_and_not_sent(chat: DetailApp) -> None:
    async with chat.run_test(size=(140, 40)) as pilot:
        await opened(pilot)
        pane = pane_of(chat)
        await pilot.press(*["j"] * 8)
        for mode in ("pretty", "raw", "hex"):
            await settle(pilot)
            assert pane.payload.mode == mode
            drawn = "".join(
                part.text for strip in chat.screen._compositor.render_strips() for part in strip
            )
            assert drawn.isprintable()
            assert "\u202e" not in drawn
            assert "␛]52;c;aGk=␇ \ufffd2J [/nope]" in drawn
            if mode != "hex":
                assert "‹202E›gpj‹200B›" in "".join(texts(pane.payload.lines))
            await pilot.press("v")


# --- moving


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["j", "down", "k"], 2),
        (["k"], 1),
        (["G"], 100),
        (["end", "home"], 1),
        (["G", "up"], 99),
        (["pagedown"] * 20, 100),
        (["ctrl+d", "ctrl+u"], 1),
    ],
)
async def test_keys_move_the_cursor(ticks: DetailApp, keys: list[str], cursor: int) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press(*keys)
        assert pane_of(ticks).messages.cursor_id == cursor
        assert cursor in numbers(ticks)


async def test_enter_goes_into_the_message_and_escape_back(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        pane = pane_of(ticks)
        await pilot.press("enter")
        assert pane.payload.lines.has_focus
        await pilot.press("escape")
        assert pane.messages.has_focus
        await pilot.press("Z")
        assert not pane.messages.display
        assert pane.payload.lines.has_focus
        await pilot.press("escape")
        await pilot.pause()
        assert pane.messages.display
        assert pane.messages.has_focus


async def test_the_mouse_chooses_and_opens(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        pane = pane_of(ticks)
        await pilot.click(pane.messages, offset=(20, 3))
        assert pane.messages.cursor_id == 3
        await pilot.click(pane.messages, offset=(20, 4), times=2)
        assert pane.payload.lines.has_focus
        assert pane.messages.cursor_id == 4


async def test_y_copies_the_message_as_it_was_sent(chat: DetailApp) -> None:
    async with chat.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("y")
        await eventually(lambda: chat.clipboard == CHAT[0].data.decode())
        await pilot.press(*["j"] * 5, "y")
        await eventually(lambda: chat.clipboard == CHAT[5].data.hex())


async def test_w_wraps_the_message(tmp_path: Path) -> None:
    flow = websocket()
    source = store_of(tmp_path / "a.db", flow, [Sent(True, TEXT, b"word " * 100)])
    app = DetailApp(flow, messages=source)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        assert pane_of(app).payload.lines.row_count == 1
        await pilot.press("w")
        assert pane_of(app).payload.lines.row_count == 5
    source.close()


# --- live


async def test_the_list_follows_while_the_cursor_is_at_the_end(live: Live) -> None:
    async with live.app.run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        messages = pane_of(app).messages
        assert messages.cursor_id == 10
        assert "following" in lines(app)[0]
        live.say(5)
        await has(pilot, 15)
        assert messages.cursor_id == 15
        assert ("messages", "Messages 15") in app.query_one(TabBar).tabs
        assert '"id": 15,' in texts(pane_of(app).payload.lines)[1]
        await pilot.press("k", "j")
        live.say(40)
        await has(pilot, 55)
        assert messages.cursor_id == 55
        assert 55 in numbers(app)


async def test_away_from_the_end_it_stays_and_counts(live: Live) -> None:
    async with live.app.run_test(size=(80, 24)) as pilot:
        app = await opened(pilot)
        live.say(40)
        await has(pilot, 50)
        await pilot.press(*["k"] * 12)
        before, messages = numbers(app), pane_of(app).messages
        assert messages.cursor_id == 38
        live.say(3)
        await has(pilot, 53)
        assert messages.cursor_id == 38
        assert numbers(app) == before
        assert lines(app)[-1].endswith(" ↓ 3 new")
        assert "following" not in lines(app)[0]
        await pilot.press("F")
        assert messages.cursor_id == 53
        assert "new" not in lines(app)[-1]
        await pilot.press("k", "g", "G")
        assert messages.follow


async def test_the_first_message_makes_the_tab_appear_and_moves_nobody(live: Live) -> None:
    other = detail_flows.exchange()
    other.id, other.state = 99, ACTIVE
    async with live.app.run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        app.detail.show(other)
        await settle(pilot)
        assert app.detail.tab == "exchange"
        put_messages(live.writer, other, [Sent(False, TEXT, b"event")])
        await has(pilot, 1)
        assert app.detail.tab == "exchange"
        assert app.query_one(TabBar).tabs[1] == ("messages", "Messages 1")
        await pilot.press("]")
        await settle(pilot)
        assert texts(pane_of(app).payload.lines) == ["1 event"]


async def test_the_same_flow_read_again_keeps_its_place(live: Live) -> None:
    async with live.app.run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        await pilot.press("k", "k")
        app.detail.show(websocket(DONE))
        await settle(pilot)
        assert pane_of(app).messages.cursor_id == 8
        assert app.detail.tab == "messages"


# --- the filter


async def filtered(pilot: Pilot[None], text: str) -> DetailApp:
    """Type a filter and keep it."""
    app = pilot.app
    assert isinstance(app, DetailApp)
    await pilot.press("slash", *text, "enter")
    await settle(pilot)
    return app


async def test_a_filter_narrows_the_list_and_escape_clears_it(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        pane = pane_of(ticks)
        assert not pane.bar.display
        await filtered(pilot, "id.:1[0-3],")
        assert pane.bar.display
        assert pane.messages.has_focus
        assert numbers(ticks) == [10, 11, 12, 13]
        assert lines(ticks)[0].endswith(" 4 of 100")
        await filtered(pilot, " & >")
        assert numbers(ticks) == [12]
        await settle(pilot)
        assert '"id": 12,' in texts(pane.payload.lines)[1]
        await pilot.press("escape")
        await settle(pilot)
        assert not pane.bar.display
        assert pane.messages.row_count == 100
        assert pane.messages.cursor_id == 1


async def test_the_cursor_stays_at_its_message(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press(*["j"] * 59)
        messages = pane_of(ticks).messages
        assert messages.cursor_id == 60
        await filtered(pilot, ">")
        assert messages.cursor_id == 60
        await pilot.press("slash", *["backspace"] * 3, "<", "enter")
        await settle(pilot)
        assert messages.cursor_id == 61
        await pilot.press("escape")
        await settle(pilot)
        assert messages.cursor_id == 60
        assert 60 in numbers(ticks)


async def test_a_mistake_is_pointed_at_and_changes_nothing(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("slash", *"~nope")
        await pilot.pause()
        bar = pane_of(ticks).bar
        assert bar.has_class("-bad")
        assert "there is no operator ~nope" in str(bar.query_one("#filter-error").render())
        await pilot.press("escape")
        await settle(pilot)
        assert pane_of(ticks).messages.row_count == 100
        assert not bar.display


async def test_a_message_that_comes_while_it_is_out_of_sight_is_drawn_later(
    chat: DetailApp,
) -> None:
    async with chat.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        payload = pane_of(chat).payload
        await filtered(pilot, "nothing like it")
        assert not payload.display
        await pilot.press("escape")
        await settle(pilot)
        assert texts(payload.lines)[0] == "1 {"


async def test_keys_in_the_filter_are_letters(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("slash", *"/fyFvwZ")
        assert ticks.query_one(MessagesPane).query_one(Input).value == "/fyFvwZ"


async def test_what_fits_nothing_says_so(ticks: DetailApp) -> None:
    async with ticks.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await filtered(pilot, "nothing like it")
        assert lines(ticks)[1].strip() == "No message matches. esc clears the filter."
        assert lines(ticks)[0].endswith("0 of 100")


async def test_a_filter_goes_on_with_what_arrives(live: Live) -> None:
    async with live.app.run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        await filtered(pilot, "needle")
        messages = pane_of(app).messages
        assert messages.row_count == 0
        live.say(3)
        live.say(1, Sent(False, TEXT, b"a needle"))
        await has(pilot, 14)
        assert numbers(app) == [14]
        assert messages.cursor_id == 14
        live.say(2, Sent(False, TEXT, b"two needles"))
        await has(pilot, 16)
        assert numbers(app) == [14, 15, 16]
        assert messages.cursor_id == 16


async def test_another_flow_begins_without_the_filter(tmp_path: Path) -> None:
    first, second = websocket(), websocket()
    second.id = 43
    source = store_of(tmp_path / "a.db", first, TICKS)
    with live_store(tmp_path / "a.db") as writer:
        put_messages(writer, second, TICKS[:5])
    app = DetailApp(first, messages=source)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await filtered(pilot, ">")
        await pilot.press(*["j"] * 4)
        app.detail.show(second)
        await settle(pilot)
        assert numbers(app) == [1, 2, 3, 4, 5]
        assert pane_of(app).messages.cursor_id == 1
        assert not pane_of(app).bar.display
    source.close()


# --- many


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose WebSocket has 200 000 messages."""
    path = tmp_path_factory.mktemp("many") / "many.db"
    said = (Sent(number % 3 == 0, TEXT, json_of(number)) for number in range(1, 200_001))
    store_of(path, websocket(), said).close()
    return path


async def test_two_hundred_thousand_messages_open_at_once(many: Path) -> None:
    source = MessageSource(lambda: Reader(many))
    app = DetailApp(None, messages=source)
    async with app.run_test(size=WIDE) as pilot:
        begin = time.perf_counter()
        app.detail.show(websocket())
        await settle(pilot)
        took = time.perf_counter() - begin
        assert numbers(app)[0] == 1
        assert took < 1.5, took  # 0.2 s on an idle machine
        await opened(pilot)
        begin = time.perf_counter()
        await pilot.press("G", "pageup", "g", "pagedown", "G")
        assert time.perf_counter() - begin < 3
        assert numbers(app)[-1] == 200_000
        assert len(pane_of(app).messages.window._pages) <= 5
    source.close()


async def test_a_long_search_shows_its_progress_and_can_be_given_up(many: Path) -> None:
    source = MessageSource(lambda: Reader(many))
    app = DetailApp(websocket(), messages=source)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        pane = pane_of(app)
        pane.bar.apply_text('"id":1.*5,.*price.*(101|103)')
        await eventually(lambda: "searching" in pane.messages.note and pane.messages.row_count)
        assert numbers(app)[0] < 200  # what was found is there
        pane.bar.apply_text('"id":199999,')
        await eventually(lambda: pane.is_settled and pane.messages.row_count == 1)
        assert pane.messages.cursor_id == 199_999
        assert pane.messages.note == "1 of 200,000"
    source.close()
