"""The filter language: its grammar, its operators, and that memory and store agree."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rama_proxy.errors import FilterError
from rama_proxy.filters import OPERATORS, Operator, parse_filter
from rama_proxy.filters.syntax import MAX_DEPTH, MAX_LENGTH, MAX_TERMS
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.store.reader import Reader
from tests.support.flows import make_flow, make_flows, make_store

FLOWS = 300


def exchange(
    head: bytes = b"GET /a HTTP/1.1",
    fields: list[tuple[str, str]] | None = None,
    status: int | None = 200,
) -> Flow:
    """A flow of http://example.com:8080 with these parts."""
    method, target, version = head.split(b" ")
    request = Request(
        method.decode(), target, version.decode(), Headers(fields or [("Host", "example.com:8080")])
    )
    request.scheme, request.host, request.port = "http", "example.com", 8080
    client = ConnectionInfo("client", peer=("192.0.2.7", 4711))
    flow = Flow(client, request)
    flow.server = ConnectionInfo("server", address=("example.com", 8080))
    if status is not None:
        flow.response = Response(
            status, "OK", "HTTP/1.1", Headers([("Content-Type", "text/css; charset=utf-8")])
        )
    return flow


def matches(expression: str, flow: Flow) -> bool:
    return parse_filter(expression).matches(flow)


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("", True),
        ("   ", True),
        ("~all", True),
        ("!~all", False),
        ("example", True),
        ("EXAMPLE.com:8080/a$", True),
        ("~u ^http://example", True),
        ("~d ^example.com$", True),
        ("~d 8080", False),
        ("~m ^get$", True),
        ("~m post", False),
        ("~c 200", True),
        ("~c 20", False),
        ("~h '^host: example'", True),
        ("~hq 'host: ex'", True),
        ("~hs 'host: ex'", False),
        ("~hs '^content-type: text/css; charset=utf-8$'", True),
        ("~t css", True),
        ("~tq css", False),
        ("~ts charset=UTF-8", True),
        ("~a", True),
        ("~src ^192.0.2.7:4711$", True),
        ("~dst ^example.com:8080$", True),
        ("~http", True),
        ("~tcp", False),
        ("~s", True),
        ("~q", False),
        ("~e", False),
        ("~marked", False),
    ],
)
def test_operators_mean_what_they_mean_in_mitmproxy(expression: str, fits: bool) -> None:
    assert matches(expression, exchange()) is fits


def test_host_is_found_as_named_and_as_connected_to() -> None:
    flow = exchange(fields=[("Host", "www.named.test")])
    assert matches("~d ^www.named.test$", flow)
    assert matches("~d ^example.com$", flow)
    assert matches("~u named.test/a", flow)
    assert not matches("~u example.com", flow)


def test_a_malformed_host_is_searched_as_it_is() -> None:
    assert matches("~d '^a:b:c$'", exchange(fields=[("Host", "a:b:c")]))


def test_bodies_are_searched_decoded() -> None:
    flow = exchange(b"POST /a HTTP/1.1")
    flow.request.body.add(b"user=ada&\npassword=x", 100)
    assert flow.response is not None
    flow.response.headers.add("Content-Encoding", "gzip")
    flow.response.body.add(gzip.compress('{"größe": 7}'.encode()), 100)
    assert matches("~b größe", flow)
    assert matches("~bs größe", flow)
    assert not matches("~bq größe", flow)
    assert matches("~bq ada.+password", flow)  # . goes over lines
    assert not matches("~bs ada", flow)


@pytest.mark.parametrize(
    "encoding", ["gzip", "br", "zstd", "deflate", "nonsense", "gzip,gzip,gzip"]
)
def test_a_body_that_cannot_be_decoded_is_searched_as_it_is(encoding: str) -> None:
    flow = exchange()
    assert flow.response is not None
    flow.response.headers.add("Content-Encoding", encoding)
    flow.response.body.add(b"plain \xff words", 100)
    assert matches("~b words", flow)


def test_state_mark_comment_and_annotations() -> None:
    flow = exchange(status=None)
    assert matches("~q", flow)
    assert not matches("~s | ~a | ~c 200", flow)
    flow.error, flow.mark, flow.comment = "connection refused", ":star:", "first\nlook at it"
    flow.client.annotations["ja4"] = "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert matches("~e ~marked ~comment ^look ~ja4 ^t13d1516 !~ja3 .", flow)
    flow.kind = "tcp"
    assert matches("~tcp & !~http & !~q & !~s", flow)


def test_the_http2_fingerprint_is_found_by_hash_and_by_text() -> None:
    flow = exchange()
    assert not matches("~h2fp .", flow)
    flow.client.annotations["h2fp"] = "52d84b11737d980aef856699f885ca86"
    flow.client.annotations["h2fp_text"] = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
    assert matches("~h2fp ^52d84b11 ~h2fp m,a,s,p$", flow)
    assert not matches("~h2fp m,p,a,s", flow)


def test_repeated_content_types_are_all_searched() -> None:
    fields = [("Host", "a"), ("Content-Type", "text/x"), ("content-type", "image/png")]
    assert matches("~tq image ~tq text/x", exchange(fields=fields))


def test_fields_that_are_not_utf_8_are_read_as_latin_1() -> None:
    flow = exchange()
    flow.request.headers = Headers.of([(b"X", b"caf\xe9")])
    assert matches("~hq café", flow)


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("~c 404 | ~c 200 & ~m GET", True),  # & before |
        ("~c 200 | ~c 404 & ~m POST", True),
        ("(~c 200 | ~c 404) & ~m POST", False),
        ("~m POST ~c 404 | ~c 200", False),  # | before juxtaposition, as in mitmproxy
        ("~m GET ~c 404 | ~c 200", True),
        ("!~c 404 & !~m POST", True),
        ("!(~c 200 & ~m GET)", False),
        ("!!~c 200", True),
        ("! ( ~q | ~e )", True),
        ("~c 200&~m GET", True),
        ("(~c 200)(~m GET)", True),
        ("~u nothing|example", True),  # a | inside a word is the regex's
        ("~u nothing| ~c 200", True),  # one at its end is not
        ("~u a&b", False),
        ("'~c 200'", False),  # quoted: a regex for the URL
        (r'"example\.com"', True),
        (r"~u 'e\x78ample'", True),
        (r'~u "\"" | ~u "ex"', True),
    ],
)
def test_grammar(expression: str, fits: bool) -> None:
    assert matches(expression, exchange()) is fits


@pytest.mark.parametrize(
    ("expression", "position", "message", "hint"),
    [
        ("~hos x", 0, "there is no operator ~hos", "did you mean ~hs"),
        ("~c 200 & ~metod GET", 9, "there is no operator ~metod", "did you mean ~m (method)?"),
        ("~c200", 0, "there is no operator ~c200", "did you mean ~c (status code)?"),
        ("~", 0, "there is no operator ~", "operators: ~a ~all ~b"),
        ("~c abc", 3, "~c takes a whole number, not 'abc'", ""),
        ("~c ٣", 3, "~c takes a whole number", ""),
        ("~c 99999999999999999999", 3, "~c takes a whole number", ""),
        ("~c", 2, "~c (status code) takes a number", ""),
        ("~d (a|b)", 3, "quote one that has ( ) or ~ in it", ""),
        ("~u ~c 200", 3, "~u (URL) takes a regex", ""),
        ("(~c 200", 0, "this ( is never closed", ""),
        ("~c 200)", 6, "this ) closes nothing", ""),
        ("~c 200 &", 8, "something is missing after &", ""),
        ("| ~c 200", 0, "something is missing before |", ""),
        ("()", 1, "something is missing after ( before )", ""),
        ("!", 1, "something is missing after !", ""),
        ("~u 'abc", 3, "the quote ' is never closed", ""),
        ("~u a[", 4, "bad regex 'a['", ""),
        ("~u '(a+)+$'", 4, "a repeat of a repeat, '(a+)+', can take for ever", "leave one"),
        (r"~b ([^a]*)*", 3, "quote one that has", ""),
        (r"~b '([^a]*)*'", 4, "a repeat of a repeat", "leave one"),
        (r"~b '\u00e9'", 4, "bad regex", ""),  # bytes have no \u
        ("~u \udcff", 3, "bad regex", ""),
        ("(" * (MAX_DEPTH + 2) + "a", MAX_DEPTH + 1, "nested too deeply", ""),
        ("!" * (MAX_DEPTH + 2) + "a", MAX_DEPTH + 1, "nested too deeply", ""),
        ("a " * (MAX_TERMS + 1), 2 * MAX_TERMS, f"more than {MAX_TERMS} terms", ""),
        ("a" * (MAX_LENGTH + 1), MAX_LENGTH, "letters", ""),
    ],
)
def test_a_mistake_is_told_with_its_place(
    expression: str, position: int, message: str, hint: str
) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(expression)
    assert message in str(caught.value)
    assert caught.value.position == position
    assert hint in caught.value.hint


def test_harmless_repeats_of_groups_are_allowed() -> None:
    for pattern in (r"(/\w+)+$", r"(\w+\.)+com", "(ab+)*", "(a|b)+", "(a)+"):
        parse_filter(f"~u '{pattern}'")


def test_every_operator_says_what_it_is() -> None:
    for code, operator in OPERATORS.items():
        assert operator.code == code
        assert operator.help
        assert operator.takes in {"", "regex", "body regex", "number"}


@given(st.text(max_size=40))
@settings(max_examples=500)
@example("~\\")
@example("~u '\\'")
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        found = parse_filter(text)
    except FilterError as error:
        position = error.position
    else:
        position = 0
        assert found.matches(exchange()) in {True, False}
    assert 0 <= position <= len(text)


# --- Memory and store agree: expressions from the grammar, over stored flows of every kind.


def strange_flows() -> Iterator[Flow]:
    """Flows with what the generator does not make."""
    for number, head in enumerate((b"G\x00T /\x00\xff HTTP/1.0", b"POST /%F0?\xc3\xa9 HTTP/1.1")):
        flow = exchange(head.replace(b"\x00T", b"ET"), [("Host", "[::1"), ("X-A", "1\x00é")])
        flow.id = FLOWS + 1 + number
        flow.client.id, flow.server = 9000 + number, None
        flow.client.annotations = {"ja3": "x\x00y", "h2fp": "52d84b", "h2fp_text": "3:100|00|0|m,p"}
        del flow.client.annotations[("h2fp", "ja3")[number]]
        flow.client.tls = TlsInfo(sni="a")
        flow.request.headers.fields.append((b"X-B", b"\xff"))
        flow.request.body.add(b"\x00\xff" * 600, 700)
        flow.comment, flow.error = "é\nİı\u017f", "\x1b[31m"
        yield flow


@pytest.fixture(scope="module")
def stored() -> Iterator[tuple[list[Flow], Reader]]:
    flows = [*make_flows(FLOWS), *strange_flows()]
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


def with_argument(operator: Operator) -> st.SearchStrategy[str]:
    name = f"~{operator.code}"
    if operator.takes == "":
        return st.just(name)
    if operator.takes == "number":
        return st.sampled_from((200, 201, 302, 304, 404, 502, 0)).map(lambda code: f"{name} {code}")
    return PATTERNS.map(lambda pattern: f"{name} {quoted(pattern)}")


EXPRESSIONS = st.recursive(
    st.one_of([with_argument(operator) for operator in OPERATORS.values()]) | PATTERNS.map(quoted),
    lambda inner: st.one_of(
        inner.map("!{}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from((" ", " & ", " | ")), inner)
        .map("".join)
        .map("({})".format),
        st.tuples(inner, st.sampled_from((" ", " & ", "|")), inner).map("".join),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_memory_and_store_agree(stored: tuple[list[Flow], Reader], expression: str) -> None:
    flows, reader = stored
    found = parse_filter(expression)
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
            assert matches(expression, again) == matches(expression, flow)


def test_generated_flows_are_the_same_each_time() -> None:
    first, second = make_flow(77), make_flow(77)
    assert first.request.raw == second.request.raw
    assert first.request.raw_content == second.request.raw_content
