"""The detail pane as a person uses it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from textual.binding import Binding
from textual.geometry import Offset
from textual.selection import Selection

from rama_proxy.content.protobuf_schema import Schema, parse_descriptors
from rama_proxy.errors import StoreError
from rama_proxy.model.body import Body
from rama_proxy.model.flow import ACTIVE, DONE, Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_tui.themes import LIGHT
from rama_tui.widgets.detail import Detail
from rama_tui.widgets.flow_banner import FlowBanner
from rama_tui.widgets.lines_view import LinesView
from rama_tui.widgets.preparation import Preparation
from rama_tui.widgets.raw_view import RawView
from rama_tui.widgets.side_view import SideView
from rama_tui.widgets.tab_bar import TabBar
from rama_tui.widgets.timing_view import TimingView
from rama_tui.widgets.tls_view import TlsView
from tests.support import grpc_flows
from tests.support.descriptors import SHOP
from tests.tui import detail_flows
from tests.tui.detail_app import DetailApp, settle, texts

HOSTILE = "\x1b]52;c;aGk=\x07 \x9b2J [/nope] [red]x \u202egpj\u200b \x00\r"


def numbered(number: int) -> Flow:
    made = detail_flows.exchange()
    made.id = number
    return made


def json_flow(size: int) -> Flow:
    """A response of `size` numbers, one a line when it is shown."""
    made = detail_flows.exchange()
    assert made.response is not None
    made.response.headers.remove("content-encoding")
    made.response.body = Body(json.dumps(list(range(size))).encode())
    return made


async def test_request_and_response_stand_beside_each_other() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        request, response = texts(app.request.lines), texts(app.response.lines)
        assert request[0] == "POST /v1/cart/items?locale=de&currency=EUR HTTP/1.1"
        assert "Accept          application/json" in request
        assert request[-3:] == ["1 sku = B-7", "2 quantity = 3", "3 note = for the office kitchen!"]
        assert response[0] == "201 Created HTTP/1.1"
        assert ' 2   "cart": {' in response
        assert any(row.startswith("── body · JSON · 233 B gzip ─") for row in response)
        assert app.request.region.y == app.response.region.y
        assert "#42 POST https://shop.example.com/v1/cart" in str(app.detail.border_title)


def grpc_call() -> Flow:
    made = detail_flows.exchange()
    made.request.target = b"/shop.v1.Shop/Get"
    made.request.headers = Headers([("content-type", "application/grpc")])
    made.request.body = Body(b"\x00\x00\x00\x00\x04\x0a\x02i7")
    made.response = Response(200, "OK", "HTTP/2", Headers([("content-type", "application/grpc")]))
    made.response.body = Body(b"\x00\x00\x00\x00\x08\x0a\x04ball\x20\x02")
    fields = [("grpc-status", "5"), ("grpc-message", "no%20ball [red]\x1b")]
    made.response.trailers = Headers(fields)
    return made


@pytest.mark.parametrize("schema", [None, parse_descriptors(SHOP)], ids=["without", "with"])
async def test_a_grpc_call_shows_its_messages_and_its_result(schema: Schema | None) -> None:
    app = DetailApp(grpc_call(), schema=schema)
    async with app.run_test(size=(140, 36)) as pilot:
        await settle(pilot)
        request, response = texts(app.request.lines), texts(app.response.lines)
        assert "gRPC 5 NOT_FOUND: no ball [red]␛" in response
        assert any(row.startswith("── body · gRPC · 13 B ─") for row in response)
        if schema is None:
            assert request[-2:] == ["1 # message 1, 4 B", '2 1: "i7"']
            assert '2 1: "ball"' in response
        else:
            assert request[-2:] == ["1 # message 1, 4 B, shop.v1.GetItem", '2 id: "i7"']
            assert '2 name: "ball"' in response
            assert "3 kind: TOY  # 2" in response


async def test_they_stack_where_it_is_narrow() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.request.region.x == app.response.region.x
        app.detail.focus()
        await pilot.pause()
        assert app.request.size.height > app.response.size.height
        await pilot.press("tab")
        assert app.request.size.height < app.response.size.height
        await pilot.resize_terminal(120, 24)
        await pilot.pause()
        assert app.request.region.y == app.response.region.y


async def test_a_stacked_pane_takes_no_more_rows_than_it_fills() -> None:
    app = DetailApp(detail_flows.plain())
    async with app.run_test(size=(80, 45)) as pilot:
        await settle(pilot)
        assert app.request.size.height == app.request.lines.row_count + 1
        app.detail.show(json_flow(100))
        await settle(pilot)
        assert app.request.size.height == app.request.lines.row_count + 1
        assert app.response.size.height == app.detail.size.height - app.request.size.height - 1
        await pilot.resize_terminal(120, 45)
        await pilot.pause()
        assert app.request.size.height == app.response.size.height == app.detail.size.height - 1


async def test_v_changes_the_view_of_the_pane_that_has_the_focus() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(160, 45)) as pilot:
        await settle(pilot)
        app.response.lines.focus()
        await pilot.press("v")
        await settle(pilot)
        rows = texts(app.response.lines)
        assert rows[-1].startswith('1 {"cart":{"id":"c_81f2","currency":"EUR","items":[')
        assert any("JSON as sent · 233 B gzip, 299 B decoded" in row for row in rows), rows
        await pilot.press("v")
        await settle(pilot)
        assert "7b 22 63 61 72 74 22 3a" in texts(app.response.lines)[8]
        assert texts(app.request.lines)[-1] == "3 note = for the office kitchen!"
        await pilot.click(".side--modes", offset=(1, 0))
        await settle(pilot)
        assert texts(app.request.lines)[-1].startswith("1 sku=B-7&quantity=3&note=")


async def test_w_wraps_long_lines() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        app.response.lines.focus()
        before = app.response.lines.row_count
        assert "the bell doe…" in "".join(drawn(app))
        await pilot.press("w")
        assert app.response.lines.row_count == before + 1
        assert "…" not in "".join(drawn(app))
        await pilot.press("w")
        assert app.response.lines.row_count == before
        await pilot.press("right", "right")
        assert app.response.lines.scroll_x == 16


async def test_a_burst_of_flows_reads_the_last_one() -> None:
    read: list[int] = []
    app = DetailApp(load=lambda flow: read.append(flow.id))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        for number in range(1, 200):
            app.detail.show(numbered(number))
        await settle(pilot)
        assert read == [199]
        assert "#199 " in str(app.detail.border_title)


async def test_bodies_are_read_in_a_thread_and_once() -> None:
    threads: list[threading.Thread] = []
    app = DetailApp(numbered(1), load=lambda flow: threads.append(threading.current_thread()))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        app.detail.focus()
        await pilot.press("v", "v", "]", "]", "]")
        await settle(pilot)
        assert len(threads) == 1
        assert threads[0] is not threading.main_thread()


async def test_a_slow_body_does_not_hold_up_its_head() -> None:
    let_go = threading.Event()
    app = DetailApp(detail_flows.exchange(), load=lambda flow: assert_true(let_go.wait(30)))
    async with app.run_test(size=(120, 36)) as pilot:
        while "201 Created HTTP/1.1" not in texts(app.response.lines):
            await pilot.pause(0.005)
        assert texts(app.response.lines)[-1] == "reading …"
        let_go.set()
        await settle(pilot)
        assert texts(app.response.lines)[-1] == "24 }"


def assert_true(value: bool) -> None:
    assert value


async def test_a_store_that_cannot_be_read_says_so_in_place_of_the_body() -> None:
    def load(flow: Flow) -> None:
        raise StoreError("the store is damaged")

    app = DetailApp(detail_flows.exchange(), load)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "the body cannot be read: the store is damaged" in texts(app.response.lines)
        assert texts(app.request.lines)[0].startswith("POST /v1/cart")


async def test_a_bug_in_reading_does_not_end_the_screen() -> None:
    def load(flow: Flow) -> None:
        raise KeyError("oops")

    app = DetailApp(detail_flows.exchange(), load)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "the body cannot be shown: KeyError('oops')" in texts(app.response.lines)


async def test_a_flow_that_grows_keeps_its_place() -> None:
    growing = json_flow(500)
    growing.state = ACTIVE
    assert growing.response is not None
    growing.response.body.complete = False
    app = DetailApp(growing)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "still arriving, 2.3 KiB so far" in texts(app.response.lines)
        app.response.lines.focus()
        await pilot.press("pagedown")
        place = app.response.lines.scroll_y
        assert place > 0
        app.detail.show(json_flow(600))
        await settle(pilot)
        assert app.response.lines.scroll_y == place
        assert texts(app.response.lines)[-2] == "601   599"
        app.detail.show(numbered(43))
        await settle(pilot)
        assert app.response.lines.scroll_y == 0


async def test_keys_scroll_at_once() -> None:
    app = DetailApp(json_flow(200_000))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        lines = app.response.lines
        lines.focus()
        await pilot.press("G")
        assert lines.scroll_y == lines.max_scroll_y == lines.row_count - lines.size.height
        assert "".join(segment.text for segment in lines.render_line(lines.size.height - 2)) == (
            "200001   199999".ljust(lines.scrollable_size.width)
        )
        page = lines.size.height - 1
        await pilot.press("pageup", "k", "j", "ctrl+u", "ctrl+d")
        assert lines.scroll_y == lines.max_scroll_y - page
        await pilot.press("home", "j", "down")
        assert lines.scroll_y == 2
        await pilot.press("b", "g")
        assert lines.scroll_y == 0


async def test_tabs_by_key_and_by_click() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        app.detail.focus()
        await pilot.press("]")
        assert app.detail.tab == "tls"
        tls = app.query_one(TlsView)
        assert app.focused is tls
        rows = texts(tls)
        assert "ALPN offered  h2, http/1.1" in rows[6]
        assert "ja4    t13d1812h2_85036bcba153_b26ce05bbdd6" in "\n".join(rows)
        assert "2026-01-01 to 2036-01-01, 3,501 days left" in "\n".join(rows)
        await pilot.press("]")
        assert "server TLS" in "\n".join(texts(app.query_one(TimingView)))
        await pilot.press("[", "[", "[")
        await settle(pilot)
        assert app.detail.tab == "raw"
        raw = texts(app.query(RawView).first().lines)
        assert raw[0] == "1 POST /v1/cart/items?locale=de&currency=EUR HTTP/1.1"
        assert raw[8] == "9 sku=B-7&quantity=3&note=for+the+office+kitchen%21"
        await pilot.click(TabBar, offset=(3, 0))
        assert app.detail.tab == "exchange"
        assert app.focused is app.request.lines


async def test_both_sides_of_http2_are_shown_with_and_without_tls() -> None:
    app = DetailApp(detail_flows.http2())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        app.detail.open_tab("tls")
        await settle(pilot)
        tls = app.query_one(TlsView)
        shown = "\n".join(texts(tls))
        assert "h2fp       52d84b11737d980aef856699f885ca86" in shown
        assert "h2fp_text  1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p" in shown
        assert "HEADER_TABLE_SIZE     65536" in shown
        assert "MAX_FRAME_SIZE          16777215" in shown
        assert shown.count("HTTP/2 start") == 2
        app.detail.show(detail_flows.cleartext_http2())
        await settle(pilot)
        shown = "\n".join(texts(tls))
        assert shown.count("Plain HTTP, no TLS.") == 2
        assert "h2fp       ada93706ea1b5cca53f2b62779d154cd" in shown
        assert "PRIORITY of 9           depends on 7, weight 1" in shown


async def test_a_tab_shows_the_flow_that_came_while_it_was_open() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        app.detail.open_tab("tls")
        app.detail.show(detail_flows.plain())
        await settle(pilot)
        assert "\n".join(texts(app.query_one(TlsView))).count("Plain HTTP, no TLS.") == 2
        app.detail.open_tab("exchange")
        await settle(pilot)
        assert texts(app.response.lines)[0] == "404 Not Found HTTP/1.1"
        assert texts(app.response.lines)[-1] == "No body."


@pytest.mark.parametrize(
    ("flow", "request_row", "response_row"),
    [
        (detail_flows.waiting(), "No body.", "No response yet."),
        (detail_flows.failed(), "No body.", "No response: it failed, as said above."),
    ],
)
async def test_what_is_not_there_says_why(flow: Flow, request_row: str, response_row: str) -> None:
    app = DetailApp(flow)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert texts(app.request.lines)[-1] == request_row
        assert texts(app.response.lines) == [response_row]


async def test_a_failed_call_says_so_above_every_tab() -> None:
    app = DetailApp(grpc_flows.call(1, status="5"))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "✗ grpc 5 NOT_FOUND: no such" in str(app.query_one(FlowBanner).render())
        app.detail.show(grpc_flows.call(2))
        await settle(pilot)
        assert not app.query_one(FlowBanner).display


async def test_error_and_notes_stand_above_every_tab() -> None:
    app = DetailApp(detail_flows.failed())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        banner = app.query_one(FlowBanner)
        for tab in ("exchange", "tls", "timing", "raw"):
            app.detail.open_tab(tab)
            await settle(pilot)
            assert banner.display
        assert "certificate of shop.example.com has expired" in str(banner.render())
        assert "request target made relative" in str(banner.render())
        app.detail.show(detail_flows.exchange())
        await settle(pilot)
        assert not banner.display


async def test_no_flow_is_no_error() -> None:
    app = DetailApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.query_one(".detail--empty").display
        await pilot.press("]")
        app.detail.focus()
        app.detail.show(detail_flows.exchange())
        await settle(pilot)
        assert not app.query_one(".detail--empty").display
        app.detail.show(None)
        await settle(pilot)
        assert app.query_one(".detail--empty").display


async def test_parts_of_a_response() -> None:
    made = detail_flows.exchange()
    assert made.response is not None
    early = Response(103, "Early Hints", "HTTP/1.1", Headers([("Link", "</a.css>; rel=preload")]))
    made.response.informational.append(early)
    made.response.trailers = Headers([("Server-Timing", "db;dur=53")])
    made.response.body.truncated, made.response.body.complete = True, False
    made.response.body.size = 5_000_000
    app = DetailApp(made)
    async with app.run_test(size=(120, 60)) as pilot:
        await settle(pilot)
        rows = texts(app.response.lines)
        assert rows[:3] == ["103 Early Hints HTTP/1.1", "Link  </a.css>; rel=preload", ""]
        assert rows[3] == "201 Created HTTP/1.1"
        assert "only the first 233 B of 4.8 MiB were kept" in rows
        assert "cut off: the end of the body never came" in rows
        assert rows[-1] == "Server-Timing  db;dur=53"


def hostile_flow() -> Flow:
    made = detail_flows.exchange()
    made.error, made.notes, made.state = HOSTILE, [HOSTILE], DONE
    request, response, server = made.request, made.response, made.server
    assert response is not None
    assert server is not None
    request.method, request.version = "GET" + HOSTILE, HOSTILE
    request.target = b"/" + HOSTILE.encode()
    request.host = request.authority = HOSTILE
    field = (HOSTILE.encode(), HOSTILE.encode())
    for message in (request, response):
        message.headers.fields.append(field)
        message.headers.set("content-type", "text/plain")
        message.headers.remove("content-encoding")
        message.headers.set("content-encoding", HOSTILE)
        message.raw = HOSTILE.encode() * 3
        message.trailers = Headers([field])
        message.body = Body(HOSTILE.encode() * 20)
    response.reason = HOSTILE
    server.address = (HOSTILE, 1)
    server.via = server.error = HOSTILE
    server.annotations[HOSTILE] = HOSTILE
    assert server.tls is not None
    server.tls.sni = server.tls.verify_error = server.tls.cipher = HOSTILE
    server.tls.alpn_offered = (HOSTILE,)
    server.tls.certificates = (HOSTILE.encode(),)
    server.tls.server_hello = HOSTILE.encode()
    return made


def drawn(app: DetailApp) -> Iterator[str]:
    """Every text that is sent to the terminal."""
    width, height = app.size
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            yield segment.text
    assert (width, height) != (0, 0)


async def test_hostile_text_is_drawn_as_text() -> None:
    app = DetailApp(hostile_flow())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        app.detail.focus()
        seen = 0
        for tab in ("exchange", "tls", "timing", "raw"):
            app.detail.open_tab(tab)
            await settle(pilot)
            for _ in range(3):
                shown = "".join(drawn(app))
                assert shown.isprintable(), [c for c in shown if not c.isprintable()]
                seen += shown.count("␛]52;c")
                await pilot.press("v")
                await settle(pilot)
        assert seen > 20


async def test_a_selection_is_copied_as_text() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        lines = app.response.lines
        selection = Selection(Offset(4, 0), Offset(12, 1))
        assert lines.get_selection(selection) == ("Created HTTP/1.1\nContent-Type", "\n")
        assert lines.get_selection(Selection(None, Offset(3, 0))) == ("201", "\n")
        app.screen.selections = {lines: selection}
        await pilot.pause()
        marked = app.screen.get_component_rich_style("screen--selection").bgcolor
        row = lines.render_line(0)
        assert [s.text for s in row if s.style and s.style.bgcolor == marked] == [
            "Created",
            " HTTP/1.1",
        ]


async def test_a_theme_changes_all_colours() -> None:
    app = DetailApp(detail_flows.exchange())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        before = [segment.style for segment in app.response.lines.render_line(0)]
        app.theme = LIGHT.name
        await pilot.pause()
        after = [segment.style for segment in app.response.lines.render_line(0)]
        assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("widget", [Detail, SideView, LinesView])
def test_bindings_have_ids_and_words(widget: type[Detail | SideView | LinesView]) -> None:
    for binding in widget.BINDINGS:
        assert isinstance(binding, Binding)
        assert binding.id is not None
        assert binding.id.startswith("detail.")
        assert binding.description
        assert binding.tooltip or not binding.show


def test_a_cancelled_preparation_stops() -> None:
    read: list[int] = []
    preparation = Preparation(lambda flow: read.append(flow.id))
    assert preparation.run(detail_flows.exchange(), [], lambda: True) is not None
    assert read == []


async def test_the_pane_is_left_while_a_body_is_read() -> None:
    let_go = threading.Event()
    app = DetailApp(detail_flows.exchange(), load=lambda flow: assert_true(let_go.wait(30)))
    async with app.run_test(size=(120, 36)) as pilot:
        while app.detail.is_settled:
            await pilot.pause(0.005)
        asyncio.get_running_loop().call_later(0.05, let_go.set)
        app.exit()
