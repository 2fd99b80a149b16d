"""What the list of messages says in which column."""

from __future__ import annotations

import pytest

from rama_proxy.model.websocket import CLOSE, DROPPED, EDITED, PING, TEXT, TRUNCATED
from rama_proxy.store.reader import MessageHead
from rama_tui.message_columns import CLOCK_FROM, columns_for, elapsed, remarks, tone_of

HEAD = MessageHead(12, 1_790_000_000.5, True, TEXT, 1234, 0, 5, b"hello")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "+0.000"),
        (-0.0001, "+0.000"),
        (-1.25, "-1.250"),
        (59.9994, "+59.999"),
        (59.9996, "+1:00.0"),
        (754.567, "+12:34.5"),
        (3600, "+1:00:00"),
        (18_062, "+5:01:02"),
        (99 * 3600 + 3599, "+99:59:59"),
    ],
)
def test_time_since_the_start(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text
    assert len(text) <= 9


@pytest.mark.parametrize("width", [40, 62, CLOCK_FROM - 1, CLOCK_FROM, 138])
@pytest.mark.parametrize("last", [1, 1_000_000])
def test_columns_fill_the_width(width: int, last: int) -> None:
    columns = columns_for(width, last)
    assert sum(cells + 1 for _, cells in columns) == width
    assert ("clock" in [column.name for column, _ in columns]) == (width >= CLOCK_FROM)
    assert columns[0][1] >= len(str(last))


def test_a_row_in_words() -> None:
    texts = [column.text(HEAD, 1_790_000_000) for column, _ in columns_for(60, 12)]
    assert texts == ["12", "→", "+0.500", "text", "1.2k", "hello"]
    assert columns_for(60, 12)[1][0].text(HEAD._replace(from_client=False), 0) == "←"


def test_what_happened_to_a_message_is_said_in_words() -> None:
    assert remarks(0) == ""
    assert remarks(EDITED | DROPPED | TRUNCATED) == "dropped, edited, truncated"


def test_control_frames_stay_in_the_background() -> None:
    assert tone_of(HEAD) == ""
    assert tone_of(HEAD._replace(opcode=PING)) == "dim"
    assert tone_of(HEAD._replace(opcode=CLOSE)) == "close"
    assert tone_of(HEAD._replace(opcode=PING, flags=DROPPED)) == "dropped"
