"""Regexes of filters: Python's meaning, and a time that grows with nothing but the text."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rama_proxy.errors import FilterError
from rama_proxy.filters import parse_filter
from rama_proxy.filters.regex import byte_regex, check_regex, line_regex, text_regex
from rama_proxy.store.reader import Reader
from tests.support.filtered import exchange
from tests.support.flows import make_store

MIB = 1 << 20
LIMIT = 2.0  # seconds for what takes milliseconds; a backtracking engine takes years

ENDLESS = ("(a+)+$", "(a|aa)+$", "(a*)*b", r"(\w+\s?)+$", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$")


@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_repeat_of_a_repeat_ends(pattern: str) -> None:
    text = "a" * MIB + "!"
    flow = exchange()
    flow.request.body.add(text.encode(), 2 * MIB)
    flow.request.headers.add("X", text)
    flow.comment = text
    begin = time.perf_counter()
    parse_filter(f"~b '{pattern}' | ~h '{pattern}' | ~comment '{pattern}'").matches(flow)
    assert time.perf_counter() - begin < LIMIT


def test_the_store_searches_with_the_same_engine() -> None:
    flow = exchange()
    flow.request.headers.add("X", "a" * MIB + "!")
    flow.request.body.add(b"a" * (MIB // 8) + b"!", MIB)
    with tempfile.TemporaryDirectory() as directory:
        path = make_store(Path(directory) / "a.db", [flow])
        with Reader(path) as reader:
            begin = time.perf_counter()
            assert reader.count(parse_filter("~bq '(a+)+$' | ~hq '(a+)+$'").where()) == 0
            assert reader.count(parse_filter("~bq '(a+)+!$' & ~hq '(a+)+!$'").where()) == 1
            assert time.perf_counter() - begin < LIMIT


def test_a_long_search_lets_other_threads_run() -> None:
    data = b"ab" * (8 * MIB)
    found: list[object] = []
    search = threading.Thread(target=lambda: found.append(byte_regex("(a|b)+zq").search(data)))
    search.start()
    turns = 0
    while not found:
        turns += 1
    search.join()
    assert found == [None]
    assert turns > 1000


def test_the_slowest_regexes_are_refused() -> None:
    for pattern in ("(a.{900}|b.{800})z", "(.{1,20}a){40}z", "(a|b)(.*a.{300}){3}z"):
        with pytest.raises(FilterError, match="take too long"):
            check_regex(pattern, 0)
    for pattern in (".{400}", r"\d{1,3}(\.\d{1,3}){3}", "[0-9a-f]{8}(-[0-9a-f]{4}){3}"):
        check_regex(pattern, 0)
        check_regex(pattern, 0, of_bytes=True)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"a\Z", "a", True),
        (r"a\Z", "a\n", False),
        ("a$", "a\n", True),
        ("a$", "a\nb", False),
        ("(?m)a$", "a\nb", True),
        ("^$", "\n", True),
        ("a{,2}b", "aab", True),
        ("^a{,2}b", "aaab", False),
        (r"\u00e9|\U0001F600", "É", True),
        (r"[\u00e0-\u00ef]", "é", True),
        (r"\é[\é]", "éé", True),
        (r"\xe9", "é", True),
        (r"\x00", "a\0", True),
        ("\0", "a\0", True),
        (r"\_\ \-\/", "_ -/", True),
        ("(?P<name>a)b", "ab", True),
        ("(?:a|b)+?c", "abc", True),
        ("(?-i)A", "a", False),
        ("(?i)A", "a", True),
        ("ß|straẞe", "STRAßE", True),
        ("É", "é", True),
        ("k", "\u212a", True),
        (r"[^\n]", "\n", False),
        (".", "\n", False),
        ("(?s).", "\n", True),
        ("", "", True),
    ],
)
def test_text_as_in_python(pattern: str, text: str, fits: bool) -> None:
    check_regex(pattern, 0)
    assert (text_regex(pattern).search(text.encode()) is not None) is fits
    if "(?-i)" not in pattern:
        assert (re.search(pattern, text, re.IGNORECASE) is not None) is fits


@pytest.mark.parametrize(
    ("pattern", "data", "fits"),
    [
        ("größe", "Größe".encode(), True),
        ("é", "É".encode(), False),  # case is ASCII's, as in Python's regexes of bytes
        ("é", b"\xe3\xa9\x80", False),
        ("é+x", "ééx".encode(), True),
        (r"\u00e9", "é".encode(), True),
        (r"\ud800", b"x", None),
        (r"\xff", b"a\xff", True),
        (r"\xe9", b"\xc9", False),
        (r"[\x80-\xff]", b"a\xff", True),
        (r"^\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n", True),
        ("a.b", b"a\xffb", True),
        ("a.b", b"a\nb", True),
        ("a$", b"a\n", True),
        ("^b", b"a\nb", False),
        ("NULL", b'{"a": null}', True),
    ],
)
def test_bytes(pattern: str, data: bytes, fits: bool | None) -> None:
    if fits is None:
        with pytest.raises(FilterError):
            check_regex(pattern, 0, of_bytes=True)
        return
    check_regex(pattern, 0, of_bytes=True)
    assert (byte_regex(pattern).search(data) is not None) is fits


def test_a_bracket_in_a_set_is_a_letter() -> None:
    check_regex("[[a]", 0)  # in Python's engine a warning
    assert text_regex("[[a]").search(b"[")


def test_lines() -> None:
    assert line_regex("^b$").search(b"a\nb\nc")
    assert not line_regex("a.b").search(b"a\nb")


@pytest.mark.parametrize(
    ("pattern", "position", "says"),
    [
        ("ab(?=c)", 2, "look-around is not supported"),
        ("(?!c)", 0, "look-around is not supported"),
        ("x(?<=c)", 1, "look-around is not supported"),
        (r"(a)\1", 3, "a reference back to a group"),
        ("(?P<q>a)(?P=q)", 8, "a reference back to a group"),
        ("ba++", 2, "a repeat that gives nothing back"),
        ("(?>a)", 0, "a repeat that gives nothing back"),
        ("(a)(?(1)b)", 3, "a condition"),
        ("(?#note)a", 0, "a comment"),
        ("(?x) a", 0, "one of these flags"),
        ("a{1001}", 1, "more than 1000 repeats"),
        (r"a\q", 1, "bad regex"),
        ("a(b", 0, "bad regex"),
        ("*", 0, "bad regex"),
        ("b[z-a]", 2, "bad regex"),
        ("[(?=](?=a)", 5, "look-around"),
        ("[[", 0, "bad regex"),
        ("a\\", 1, "bad regex"),
        ("\udcff", 0, "not text"),
    ],
)
def test_what_is_refused_and_where(pattern: str, position: int, says: str) -> None:
    for of_bytes in (False, True):
        with pytest.raises(FilterError, match=re.escape(says)) as caught:
            check_regex(pattern, 10, of_bytes)
        assert caught.value.position - 10 in {position, 0}


PIECES = st.sampled_from(
    ("a", "b", "B", ".", "[ab]", "[^a]", "^", "$", "x*", "a+?", "(a|b)", "(?:ab)+", r"\d", r"\s",
     r"\.", "b{2}", "a{1,2}", "é", r"\x41", r"\bA", "|", "\n", "0", r"\Z")
)  # fmt: skip
TEXTS = st.text(st.sampled_from("abABé0 .x\n"), max_size=8)


@given(st.lists(PIECES, max_size=5).map("".join), TEXTS)
@settings(max_examples=500)
def test_it_finds_what_python_finds(pattern: str, text: str) -> None:
    expected = re.search(pattern, text, re.IGNORECASE | re.ASCII) is not None
    if "é" in pattern.casefold():
        expected = re.search(pattern, text, re.IGNORECASE) is not None
    elif r"\b" in pattern:
        text = text.replace("é", "e")
        expected = re.search(pattern, text, re.IGNORECASE | re.ASCII) is not None
    check_regex(pattern, 0)
    assert (text_regex(pattern).search(text.encode()) is not None) is expected


@given(st.text(max_size=20))
@settings(max_examples=500)
def test_any_pattern_is_searched_or_refused(pattern: str) -> None:
    for of_bytes, compiled in ((False, text_regex), (True, byte_regex)):
        try:
            check_regex(pattern, 0, of_bytes)
        except FilterError as error:
            position = error.position
        else:
            position = 0
            compiled(pattern).search(b"a\xff")
        assert 0 <= position <= len(pattern)
