"""What an unfinished filter could go on with."""

from __future__ import annotations

import pytest

from rama_proxy.filters import MESSAGE_OPERATORS, OPERATORS, completions, parse_filter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~si", ["~size", "~since"]),
        ("~siz", ["~size"]),
        ("~e & !~ja", ["~e & !~ja3", "~e & !~ja4"]),
        ("~m P", ["~m POST", "~m PUT", "~m PATCH"]),
        ("~m po", ["~m poST"]),
        ("~size ", ["~size >1m", "~size >100k", "~size <1k", "~size 1k-64k"]),
        ("~size >100", ["~size >100k"]),
        ("dur", ["duration"]),
        ("~e and stat", ["~e and status"]),
        ("status = 4", ["status = 4xx", "status = 404"]),
        ("method ~ GE", ["method ~ GET"]),
        ("~size", []),
        ("~u exa", []),
        ("~e ", []),
        ("", []),
        ("'~si", []),
    ],
)
def test_completions(text: str, expected: list[str]) -> None:
    assert completions(text) == expected


def test_messages_have_no_words() -> None:
    assert completions("~bin", MESSAGE_OPERATORS) == ["~binary"]
    assert completions("stat", MESSAGE_OPERATORS) == []


def test_every_value_that_is_offered_is_understood() -> None:
    for operator in OPERATORS.values():
        for offered in completions(f"~{operator.code} ") if operator.takes else []:
            parse_filter(offered, now=1e9)
