"""Captured text on its way to a terminal."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from rama_proxy.model.text import escape_lines, escape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("GET /a?b=c", "GET /a?b=c"),
        ("Zoë 李雷 🙂", "Zoë 李雷 🙂"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\r\n\tb\x00\x7f", "a␍␊␉b␀␡"),
        ("\x9b31mred\x85", "\ufffd31mred\ufffd"),
        ("\u202etxt.exe", "‹202E›txt.exe"),
        ("a\u200bb\ufeffc\u2066d", "a‹200B›b‹FEFF›c‹2066›d"),
        ("x\u2028y\U000e0041", "x‹2028›y‹E0041›"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_steers_or_hides_is_shown(text: str, shown: str) -> None:
    assert escape_text(text) == shown


def test_lines_keep_tabs_and_line_feeds_only() -> None:
    assert escape_lines("a\tb\nc\r\n\x1b[2J") == "a\tb\nc␍\n␛[2J"


def test_no_code_point_that_a_terminal_obeys_is_left() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = set(escape_text(everything))
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs", "Zl", "Zp"}
    bidi = {unicodedata.bidirectional(letter) for letter in shown}
    assert not bidi & {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B"}
    neutral = {letter for letter in shown if unicodedata.bidirectional(letter) == "BN"}
    assert {unicodedata.category(letter) for letter in neutral} <= {"Cn"}  # no letters at all
    assert escape_text(escape_text(everything)) == escape_text(everything)
