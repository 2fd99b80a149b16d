"""Memory and store agree: expressions from the grammar, over stored flows of every kind."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rama_proxy.errors import FilterError
from rama_proxy.filters import OPERATORS, Operator, parse_filter
from rama_proxy.filters.syntax import MAX_DEPTH, MAX_TERMS
from rama_proxy.model.flow import Flow
from rama_proxy.store.reader import Reader
from tests.support.filtered import STARTED, rich_flows, strange_flows
from tests.support.flows import make_flow, make_flows, make_store

FLOWS = 300
NOW = STARTED + 600


@pytest.fixture(scope="module")
def stored() -> Iterator[tuple[list[Flow], Reader]]:
    flows = [*make_flows(FLOWS), *strange_flows(FLOWS + 1), *rich_flows(FLOWS + 101)]
    with tempfile.TemporaryDirectory() as directory:
        path = make_store(Path(directory) / "all.db", flows)
        with Reader(path) as reader:
            yield flows, reader


PATTERNS = st.sampled_from(
    (
        "example", "^http://", r"\d{3}", "EXAMPLE", "[aeiou]{3}", "json", ".", "^$", "é", "ſ", "ı",
        "k", r"\x00", "^x-", "html|css", "people", "user=ada", r"\.com$", "200", "^t13d", "t", "$",
        "443", "(GET|POST)", "look", r"\x1b", "ÿ", "next|ok", r"\s", "%3F",
        "^52d8", "m,p$",
    )
)  # fmt: skip


def quoted(pattern: str) -> str:
    return '"' + pattern.replace('"', '\\"') + '"'


# Values for what does not take a regex; each is tried with every sign where there is an order.
VALUES = {
    "number": ("0", "7", "100-200", "301"),
    "status": ("200", "404", "4xx", "0", "200-299", "2xx-3xx"),
    "gRPC status": ("0", "3", "not_found", "1-4"),
    "size": ("0", "100", "1k", "1.5k-64k", "1m"),
    "duration": ("0", "250ms", "0.5", "50ms-500ms", "1m30s"),
    "time": (
        "2026-09-21", "2026-09-21T14:13", "2026-09-21T14:13:20", "14:13", "2026-09-20-2026-09-22",
    ),
    "since": ("10m", "9m59s", "2026-09-21", "0"),
    "name=value": (
        "session", "session=abc", "THEME=.", "page=3", "q=a b", "page=x=", "host=",
        "content-.*=json", "x-a=1", "id=9", "id|lang", "=", "x-b=ÿ", r"x-a=\x00",
    ),
    "network": ("127.0.0.1", "192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "fe80::1", "10.0.0.0/8"),
}  # fmt: skip
SIGNS = st.sampled_from(("", "<", "<=", ">", ">=", "=", "==", "> "))
WORD_SIGNS = ("=", "!=", "~", "!~")


def with_argument(operator: Operator) -> st.SearchStrategy[str]:
    code, word = f"~{operator.code}", operator.word
    if operator.takes == "":
        return st.just(code)
    values = st.sampled_from(VALUES[operator.takes]) if operator.takes in VALUES else PATTERNS
    arguments = values.map(quoted)
    if operator.is_ordered:
        plain = st.tuples(st.just(f"{code} "), SIGNS, values).map("".join).filter(is_read)
    else:
        plain = arguments.map(f"{code} {{}}".format)
    if not word:
        return plain
    signs = (*WORD_SIGNS, "<", ">=") if operator.is_ordered else WORD_SIGNS
    named = st.tuples(st.just(word), st.sampled_from(signs), arguments).map(" ".join)
    return plain | named.filter(is_read)


def is_read(term: str) -> bool:
    """Nothing is smaller than a range of two."""
    try:
        return bool(parse_filter(term, now=NOW))
    except FilterError:
        assert re.search(r"[<>]", term)
        assert "-" in term
        return False


EXPRESSIONS = st.recursive(
    st.one_of([with_argument(operator) for operator in OPERATORS.values()]) | PATTERNS.map(quoted),
    lambda inner: st.one_of(
        inner.map("!{}".format),
        inner.map("not {}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from((" ", " & ", " | ", " and ", " or ")), inner)
        .map("".join)
        .map("({})".format),
        st.tuples(inner, st.sampled_from((" ", " & ", "| ")), inner).map("".join),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
@example(r'~ja3 "\x00"')
@example(r'~meta "\x00" | ~tag é | ~up 3128')
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_memory_and_store_agree(stored: tuple[list[Flow], Reader], expression: str) -> None:
    flows, reader = stored
    found = parse_filter(expression, now=NOW)
    expected = [flow.id for flow in flows if found.matches(flow)]
    assert list(reader.ids(found.where())) == expected
    assert reader.count(found.where()) == len(expected)
    changes = reader.since(0, found.where())
    assert sorted(changes.ids) == expected
    assert len(changes.ids) + len(changes.removed) == len(flows)


def test_the_deepest_and_the_longest_filter_run_in_sql(stored: tuple[list[Flow], Reader]) -> None:
    _, reader = stored
    deepest = "(~b x | ~q & " * MAX_DEPTH + "~h y" + ")" * MAX_DEPTH
    longest = " | ".join(["~src zzz", "!~all"] * (MAX_TERMS // 2))
    negated = "!" * MAX_DEPTH + "~e"
    for expression in (deepest, longest, negated):
        reader.count(parse_filter(expression).where())


def test_a_stored_flow_matches_as_the_one_it_was(stored: tuple[list[Flow], Reader]) -> None:
    flows, reader = stored
    for flow in flows[::10]:
        again = reader.flow(flow.id)
        assert again is not None
        reader.load_bodies(again)
        for expression in (
            "~b o",
            "~h x",
            "~t json",
            "~u 1",
            "~e",
            "~src 40",
            "~ja4 t13",
            "~h2fp ^1:6",
            "~a",
        ):
            assert parse_filter(expression).matches(again) == parse_filter(expression).matches(flow)


def test_generated_flows_are_the_same_each_time() -> None:
    first, second = make_flow(77), make_flow(77)
    assert first.request.raw == second.request.raw
    assert first.request.raw_content == second.request.raw_content
