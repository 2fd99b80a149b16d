"""JSON re-indented, whatever it is."""

from __future__ import annotations

import json
import time

import pytest

from rama_proxy.content import jsontext
from rama_proxy.content.jsontext import (
    MAX_INDENTATION,
    indent_loosely,
    indentation,
    pretty_json,
    pretty_json_lines,
)


def test_keys_and_numbers_stay_as_sent() -> None:
    data = b'{"a":1,"a":2,"n":123456789012345678901234567890.00e400,"s":"\\u00e9\xc3\xa9"}'
    assert pretty_json(data) == (
        b'{\n  "a": 1,\n  "a": 2,\n  "n": 123456789012345678901234567890.00e400,\n'
        b'  "s": "\\u00e9\xc3\xa9"\n}',
        "",
    )


@pytest.mark.parametrize(
    ("data", "expect", "note"),
    [
        (b"", b"", ""),
        (b" \n", b" \n", ""),
        (b"[]", b"[]", ""),
        (b'{"a":[1,{"b":"x', b'{\n  "a": [\n    1,\n    {\n      "b": "x', "it ends too early"),
        (b"[1,]", b"[\n  1,\n  \n]", "trailing comma in array (byte 3)"),
        (b"[NaN]", b"[\n  NaN\n]", "invalid character (byte 1)"),
        (b'{"a":"]"} x', b'{\n  "a": "]"\n}\nx', "trailing characters (byte 11)"),
        (b"{}[]", b"{}\n[]", "trailing characters (byte 3)"),
        (b"]]}", b"\n]\n]\n}", "invalid character (byte 0)"),
    ],
)
def test_what_is_no_json_is_indented_as_it_stands(data: bytes, expect: bytes, note: str) -> None:
    assert pretty_json(data) == (expect, f"not valid JSON: {note}" if note else "")


def test_a_guard_against_inclusion_stays_in_front() -> None:
    assert pretty_json(b")]}'\n[1]") == (b")]}'\n[\n  1\n]", "")
    assert pretty_json(b"for(;;);[1]") == (b"for(;;);\n[\n  1\n]", "")


def test_lines_of_json_are_indented_each() -> None:
    assert pretty_json_lines(b'{"a":1}\n\x1e[2]\n') == (b'{\n  "a": 1\n}\n[\n  2\n]\n', "")
    pretty, note = pretty_json_lines(b"[1]\n[2")
    assert (pretty, note) == (b"[\n  1\n]\n[\n  2", "line 2: not valid JSON: it ends too early")


def test_more_lines_than_can_be_indented_are_shown_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jsontext, "MAX_LINES", 2)
    pretty, note = pretty_json_lines(b"[1]\n[2]\n[3]\n[4]")
    assert pretty == b"[\n  1\n]\n[\n  2\n]\n[3]\n[4]"
    assert note == "indented up to line 2 only"


@pytest.mark.parametrize("part", [1, 7, 100, 1 << 20])
def test_indentation_is_foreseen_wherever_pieces_end(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {"a": [1, {'q"[': "]}\\"}, [[]]], "long": "[" * 300, "b": {"c": {"d": [1, 2]}}}
    data = json.dumps(value).encode()
    monkeypatch.setattr(jsontext, "PART", part)
    added = sum(len(row) - len(row.lstrip()) for row in json.dumps(value, indent=2).split("\n"))
    assert added <= indentation(data) <= 3 * added


def test_nesting_does_not_blow_up() -> None:
    data = b"[" * 900 + b"1," * 1_000_000 + b"1" + b"]" * 900  # would become 1.8 GB
    pretty, note = pretty_json(data)
    assert pretty is data
    assert "nested too deep" in note


@pytest.mark.parametrize(
    "data",
    [
        b"[" * (1 << 20),
        b'"' * (1 << 20),
        b'"\\' * (1 << 19),
        b"[]," * (1 << 18),
        b'["' * (1 << 19),
        b"{:" * (1 << 19),
        b" " * (1 << 20),
        b"\n" * (1 << 20),
        b"\x1e\n" * (1 << 19),
        b'"' + b"a" * (1 << 20),
        b"x " * (1 << 19),
    ],
    ids=lambda data: repr(data[:4]),
)
def test_time_is_linear(data: bytes) -> None:
    begin = time.perf_counter()
    for pretty in (pretty_json, pretty_json_lines):
        text, _ = pretty(data)
        assert len(text) <= len(data) + MAX_INDENTATION + 8 * len(data)
    assert time.perf_counter() - begin < 8  # 1 s, quadratic would be hours


def test_depth_of_the_fallback_is_bounded() -> None:
    text = indent_loosely(b"[" * 500)
    assert max(map(len, text.split(b"\n"))) == 2 * jsontext.MAX_DEPTH + 1
