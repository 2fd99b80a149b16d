"""The blocks that the detail pane is made of."""

from __future__ import annotations

import time

import pytest
from textual.app import App, ComposeResult

from rama_tui.widgets import body_view, highlight
from rama_tui.widgets.blocks import Cell, Columns, Entry, Paragraph, Rule, Table, wrap
from rama_tui.widgets.body_view import MAX_LINE, TextLines, line_starts
from rama_tui.widgets.headers_view import StartLine
from rama_tui.widgets.hex_view import HexLines
from rama_tui.widgets.highlight import Pygments, highlighter
from rama_tui.widgets.lines_view import Block, LinesView, Runs
from tests.support.tui import eventually


def rows(block: Block, width: int) -> list[str]:
    return ["".join(text for text, _ in block.row(i)) for i in range(block.layout(width))]


def tones(runs: Runs) -> dict[str, str]:
    return {text.strip(): tone for text, tone in runs if text.strip()}


@pytest.mark.parametrize("part", [1, 2, 5, 1 << 20])
@pytest.mark.parametrize(
    ("data", "starts", "longest"),
    [
        (b"", [0], 0),
        (b"\n", [0], 1),
        (b"a", [0], 2),
        (b"a\n", [0], 2),
        (b"a\nb", [0, 2], 2),
        (b"\n\n", [0, 1], 1),
        (b"ab\ncde\n\nx", [0, 3, 7, 8], 4),
    ],
)
def test_lines_are_found_wherever_parts_end(
    data: bytes, starts: list[int], longest: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_view, "PART", part)
    found, width = line_starts(data)
    assert list(found) == starts
    assert width == longest


def test_lines_have_numbers() -> None:
    assert rows(TextLines(b"one\r\ntwo\n\nfour"), 40) == ["1 one", "2 two", "3 ", "4 four"]
    assert rows(TextLines(b"x\n" * 10), 40)[8:] == [" 9 x", "10 x"]


def test_what_is_no_text_is_made_visible() -> None:
    assert rows(TextLines(b"\x1b[2J\ta\xff\xe2\x80\xaeb\0"), 60) == ["1 ␛[2J    a\\xff‹202E›b␀"]


def test_a_long_line_is_cut_and_says_so() -> None:
    text = TextLines("é".encode() * MAX_LINE + b"\nshort")
    long, short = rows(text, 80)
    assert long == "1 " + "é" * (MAX_LINE // 2) + f" … {MAX_LINE:,} bytes more"
    assert short == "2 short"
    assert text.width > MAX_LINE


@pytest.mark.parametrize(
    ("data", "width", "expect"),
    [
        (b"abcdefghij\nk", 6, ["1 abcd", "  efgh", "  ij", "2 k"]),
        (b"k\nabcdefgh\n", 6, ["1 k", "2 abcd", "  efgh"]),
        ("日本語テキスト".encode(), 8, ["1 日本語", "  テキス", "  ト"]),
        (b"\xff\xfeabcdef", 10, ["1 \\xff\\xfe", "  abcdef"]),
        (b"a\tb\tc", 7, ["1 a   b", "      c"]),
        (b"short\nlines", 40, ["1 short", "2 lines"]),
    ],
)
def test_wrapped_lines_lose_nothing(data: bytes, width: int, expect: list[str]) -> None:
    text = TextLines(data, wrap=True)
    assert rows(text, width) == expect
    assert text.width == 0


def test_too_many_lines_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_view, "MAX_WRAPPED", 1)
    text = TextLines(b"abcdefgh\nx", wrap=True)
    assert rows(text, 6) == ["1 abcdefgh", "2 x"]
    assert text.width == 2 + 9
    assert not text.can_wrap


def test_what_is_too_long_to_be_measured_is_wrapped_by_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_view, "MAX_EXACT", 0)
    assert rows(TextLines("日本語".encode(), wrap=True), 9) == ["1 日本", "  語"]


def test_62_mb_open_in_two_seconds() -> None:
    data = b' "name": "user 12"\n' * 3_300_000
    begin = time.perf_counter()
    text = TextLines(data, "json")
    assert text.layout(80) == 3_300_000
    assert text.row(3_299_999)[0] == ("3300000 ", "dim")
    assert time.perf_counter() - begin < 2  # 0.4 s


def test_json_is_coloured_line_by_line() -> None:
    text = TextLines(b'{\n  "name": "x",\n  "n": -1.5e3,\n  "b": [true, null]\n}', "json")
    text.layout(80)
    assert tones(text.row(1)) == {
        "2": "dim",
        '"name"': "tag",
        ":": "dim",
        '"x"': "string",
        ",": "dim",
    }
    assert tones(text.row(2))["-1.5e3"] == "number"
    assert tones(text.row(3))["true"] == "word"


@pytest.mark.parametrize("language", ["json", "html", "xml", "javascript", "css", "form", ""])
@pytest.mark.parametrize(
    "line", ["", "plain", "a=\"b\" <c d='e'>", "a = b = c", "/* x", "\u2039202E\u203a"]
)
def test_colours_change_no_text(language: str, line: str) -> None:
    assert "".join(text for text, _ in highlighter(language).runs(line)) == line


def test_the_end_of_a_long_line_has_no_colours() -> None:
    line = '"' + "x" * 3000 + '"'
    runs = highlighter("json").runs(line)
    assert "".join(text for text, _ in runs) == line
    assert runs[-1][1] == "plain"


def test_colours_are_given_up_where_they_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highlight, "SLOW", -1.0)
    colours = Pygments("json")
    for _ in range(highlight.PATIENCE):
        assert "".join(text for text, _ in colours.runs('{"a": 1}')) == '{"a": 1}'
    assert colours.runs('{"a": 1}') == [('{"a": 1}', "plain")]


@pytest.mark.parametrize(
    ("width", "expect"),
    [
        (79, "00000000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  │0123456789:;<=>?│"),
        (60, "00000000  30 31 32 33 34 35 36 37  │01234567│"),
        (30, "00000000  30 31 32 33  │0123│"),
    ],
)
def test_a_dump_takes_the_width_there_is(width: int, expect: str) -> None:
    dump = HexLines(bytes(range(0x30, 0x42)))
    assert rows(dump, width)[0] == expect
    assert len(expect) <= width


@pytest.mark.parametrize(
    ("text", "width", "expect"),
    [
        ("", 5, [""]),
        ("short", 5, ["short"]),
        ("two words", 6, ["two", "words"]),
        ("exactly six", 7, ["exactly", "six"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("aaaa,bbbb,cc", 11, ["aaaa,bbbb,", "cc"]),
        ("日本語", 4, ["日本", "語"]),
        ("日本", 1, ["日", "本"]),
        ("a\x1bb\u202ec", 80, ["a␛b‹202E›c"]),
        ("a  b", 2, ["a", "b"]),
    ],
)
def test_wrap(text: str, width: int, expect: list[str]) -> None:
    assert wrap(text, width) == expect


@pytest.mark.parametrize(
    ("width", "expect"),
    [
        (20, ["GET /path HTTP/1.1"]),
        (12, ["GET /path", "HTTP/1.1"]),
        (5, ["GET", "/path", "HTTP/1.1"]),
    ],
)
def test_a_start_line_keeps_its_words(width: int, expect: list[str]) -> None:
    assert rows(StartLine(Cell("GET", "word"), "/path", "HTTP/1.1"), width) == expect


def test_a_table_wraps_its_values() -> None:
    table = Table(
        [
            Entry("Host", (Cell("a.test"),)),
            Entry("Cookie", (Cell("one=1; two=2; three=3"),)),
            Entry("Empty", (Cell(""),)),
        ]
    )
    assert rows(table, 24) == [
        "Host    a.test",
        "Cookie  one=1; two=2;",
        "        three=3",
        "Empty",
    ]
    assert rows(table, 12) == [
        "Host",
        "  a.test",
        "Cookie",
        "  one=1;",
        "  two=2;",
        "  three=3",
        "Empty",
    ]
    assert rows(Table([]), 80) == []


def test_columns_stand_beside_each_other() -> None:
    left: list[Block] = [Rule("left"), Paragraph("a b c d e f", "dim")]
    right: list[Block] = [Rule("right"), Table([Entry("x", (Cell("1"),))])]
    assert rows(Columns(left, right), 40) == [
        "── left ───────────  ── right ──────────",
        "a b c d e f          x  1",
    ]


class LinesApp(App[None]):
    """A view alone."""

    def compose(self) -> ComposeResult:
        """The view."""
        yield LinesView()


async def test_a_view_that_is_filled_out_of_sight_has_rows_once_it_is_seen() -> None:
    app = LinesApp()
    async with app.run_test(size=(40, 10)) as pilot:
        view = app.query_one(LinesView)
        view.show_blocks([TextLines(b"x\n" * 8)])
        assert view.row_count == 8
        view.display = False
        await eventually(lambda: view.size.width == 0)
        view.show_blocks([TextLines(b"one")])
        assert [view.render_line(y).text.strip() for y in range(8)] == [""] * 8
        view.display = True
        await eventually(lambda: view.row_count == 1)
        await pilot.pause()
        assert view.render_line(0).text.strip() == "1 one"


def test_a_status_line_without_a_reason_has_one_space() -> None:
    line = StartLine(Cell("200", "ok"), "", "HTTP/2")
    assert line.layout(40) == 1
    assert "".join(text for text, _ in line.row(0)) == "200 HTTP/2"
