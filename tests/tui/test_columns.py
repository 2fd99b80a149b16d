"""What a row of the list shows, and in how many cells."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rama_proxy.store.reader import FlowRow
from rama_tui.columns import SIGNS, columns_for, fit, short_size, short_time, sign, style_of

ROW = FlowRow(
    id=7,
    kind="http",
    state="done",
    started=1_790_000_000.25,
    method="GET",
    scheme="https",
    host="api.example.com",
    port=443,
    path="/v1/cart?page=2",
    url="https://api.example.com/v1/cart?page=2",
    version="HTTP/1.1",
    status=200,
    resp_type="application/json",
    req_size=0,
    resp_size=1536,
    ttfb=0.05,
    total=0.0881,
    error="",
    mark="",
    comment="",
    rev=1,
    replay_of=None,
    grpc_status=None,
)


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def cells(row: FlowRow, width: int = 200) -> dict[str, str]:
    """What `row` shows in each column."""
    return {column.name: column.text(row) for column, _ in columns_for(width, row.id)}


def test_a_finished_exchange() -> None:
    assert cells(ROW) == {
        "sign": " ●",
        "id": "7",
        "time": "14:13:20.250",
        "method": "GET",
        "status": "200",
        "host": "api.example.com",
        "path": "/v1/cart?page=2",
        "type": "json",
        "size": "1.5k",
        "ms": "88ms",
        "ver": "https/1.1",
    }


@pytest.mark.parametrize(
    ("row", "expected", "style"),
    [
        (replace(ROW, status=101), "·", "dim"),
        (replace(ROW, status=204), "●", "ok"),
        (replace(ROW, status=304), "→", "redirect"),
        (replace(ROW, status=404), "▲", "client-error"),
        (replace(ROW, status=503), "■", "server-error"),
        (replace(ROW, status=999), "?", "dim"),
        (replace(ROW, status=None, state="active"), "◌", "dim"),
        (replace(ROW, status=None, state="error", error="reset"), "✗", "server-error"),
        (replace(ROW, status=502, state="error", error="refused"), "✗", "server-error"),
        (replace(ROW, status=None, state="held"), "‖", "held"),
        (replace(ROW, status=200, state="held"), "‖", "held"),
        (replace(ROW, grpc_status=0), "●", "ok"),
        (replace(ROW, grpc_status=5), "▲", "client-error"),
        (replace(ROW, grpc_status=14), "■", "server-error"),
        (replace(ROW, grpc_status=99), "■", "server-error"),
        (replace(ROW, grpc_status=0, state="error", error="reset"), "✗", "server-error"),
        (replace(ROW, kind="tcp"), "⇄", "ok"),
        (replace(ROW, kind="tcp", state="active", status=None), "◌", "dim"),
    ],
)
def test_each_state_has_a_sign_of_its_own_shape(row: FlowRow, expected: str, style: str) -> None:
    column = columns_for(80)[0].column
    assert sign(row) == expected
    assert style_of(column, row) == style


def test_every_sign_is_explained_and_one_cell_wide() -> None:
    drawn = {sign(replace(ROW, status=status)) for status in (200, 301, 404, 500)}
    assert drawn <= set(SIGNS)
    assert all(cell_len(item) == 1 for item in SIGNS)


def test_marks_and_replays_stand_before_the_sign() -> None:
    assert cells(replace(ROW, mark=":star:"))["sign"] == "★●"
    assert cells(replace(ROW, replay_of=3))["sign"] == "↺●"


def test_a_grpc_call_that_failed_shows_its_own_status() -> None:
    shown = [cells(replace(ROW, grpc_status=code))["status"] for code in (None, 0, 5, 16)]
    assert shown == ["200", "200", "g5", "g16"]


def test_what_is_not_known_yet() -> None:
    row = replace(ROW, state="active", status=None, resp_type="", resp_size=None, total=None)
    shown = cells(row)
    assert (shown["status"], shown["type"], shown["size"], shown["ms"]) == ("—", "", "", "…")


def test_errors_and_tunnels_say_so_in_the_path() -> None:
    assert cells(replace(ROW, error="connection refused"))["path"] == (
        "/v1/cart?page=2 — connection refused"
    )
    assert cells(replace(ROW, kind="tls", path="a:443", error="no trust"))["path"] == "no trust"
    assert cells(replace(ROW, kind="tcp", path="a:5432"))["path"] == "tcp tunnel"
    assert cells(replace(ROW, kind="tcp"))["ver"] == "tcp"
    assert cells(replace(ROW, kind="websocket", scheme="https"))["ver"] == "wss"


def test_ports_that_the_scheme_does_not_imply_are_shown() -> None:
    assert cells(replace(ROW, port=8443))["host"] == "api.example.com:8443"
    assert cells(replace(ROW, host="::1", port=8443))["host"] == "[::1]:8443"
    assert cells(replace(ROW, scheme="http", port=80))["host"] == "api.example.com"


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("text/html", "html"),
        ("text/javascript", "js"),
        ("application/x-www-form-urlencoded", "form"),
        ("application/problem+json", "json"),
        ("image/svg+xml", "xml"),
        ("application/octet-stream", "binary"),
        ("application/vnd.ms-excel", "ms-excel"),
        ("", ""),
    ],
)
def test_types_are_short(media_type: str, expected: str) -> None:
    assert cells(replace(ROW, resp_type=media_type))["type"] == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (9_949, "9.9k"),
        (9_950, "10k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (123_456_789, "123M"),
        (5_000_000_000_000_000, "5000T"),
        (None, ""),
    ],
)
def test_sizes(size: int | None, expected: str) -> None:
    assert short_size(size) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.0ms"),
        (0.0004, "0.4ms"),
        (0.00996, "10ms"),
        (0.9994, "999ms"),
        (0.9996, "1.00s"),
        (9.994, "9.99s"),
        (9.996, "10.0s"),
        (59.94, "59.9s"),
        (59.96, "1m00"),
        (185, "3m05"),
        (359_999, "99h59"),
        (None, ""),
    ],
)
def test_durations(seconds: float | None, expected: str) -> None:
    assert short_time(seconds) == expected


@given(st.floats(0, 3e5), st.integers(0, 10**15))
def test_figures_fit_their_columns(seconds: float, size: int) -> None:
    assert len(short_time(seconds)) <= 6
    assert len(short_size(size)) <= 5


@pytest.mark.parametrize("width", range(30, 260))
def test_columns_fill_the_width(width: int) -> None:
    cells = columns_for(width, 1_000_000)
    assert sum(cell.width + 1 for cell in cells) == width
    assert all(cell.width > 0 for cell in cells)


def test_more_room_shows_more() -> None:
    names = [[cell.column.name for cell in columns_for(width)] for width in (40, 80, 120, 160)]
    assert names[1] == ["sign", "method", "status", "host", "path", "size", "ms"]
    assert [len(columns) for columns in names] == sorted({len(columns) for columns in names})
    assert all({"sign", "method", "status", "path"} <= set(columns) for columns in names)


@given(st.text(max_size=60), st.integers(0, 30), st.booleans())
def test_fitted_text_has_exactly_its_width_and_no_controls(
    text: str, width: int, right: bool
) -> None:
    fitted = fit(text, width, right=right)
    assert cell_len(fitted) == width
    assert "\x1b" not in fitted
    assert not any(0x80 <= ord(letter) < 0xA0 for letter in fitted)


def test_what_is_cut_off_shows() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("abcd", 4) == "abcd"
    assert fit("ab", 4, right=True) == "  ab"
    assert fit("李雷李雷", 5) == "李雷…"
    assert fit("\x1b[2J", 6) == "␛[2J  "
