"""The filter before the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import ControlType, Segment
from rich.style import Style
from textual.color import Color

from rama_tui.escape import Escape

BLACK = Color(0, 0, 0)


def escaped(text: str) -> str:
    """`text` as it goes to the terminal."""
    return "".join(segment.text for segment in Escape().apply([Segment(text)], BLACK))


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b]52;c;aGk=\x07",  # writes the clipboard
        "\x1b]0;title\x07",
        "\x1b[2J",
        "\x9b31m",  # the same in C1
        "a\rb",
        "\u202egnp.exe",  # reads backwards
        "pass\u200bword",
        "\ud800",
    ],
)
def test_nothing_that_steers_a_terminal_passes(attack: str) -> None:
    shown = escaped(attack + "   and what follows")
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e\u200b\ud800")
    shown.encode()


def test_plain_text_is_the_same_segment() -> None:
    segments = [Segment("GET /", Style(bold=True)), Segment("─ né 李"), Segment("")]
    assert Escape().apply(segments, BLACK) == segments


def test_control_segments_are_textual_s_own() -> None:
    segments = [Segment("\x1b[1A", None, [(ControlType.CURSOR_UP, 1)])]
    assert Escape().apply(segments, BLACK) == segments


@given(st.text(max_size=80))
def test_the_rest_of_the_line_stays_in_its_place(text: str) -> None:
    assert cell_len(escaped(text)) == cell_len(text)
