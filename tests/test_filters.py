"""The filter language: its grammar, its mistakes, and what has always been there."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rama_proxy.errors import FilterError
from rama_proxy.filters import OPERATORS, parse_filter
from rama_proxy.filters.syntax import MAX_DEPTH, MAX_LENGTH, MAX_TERMS
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from tests.support.filtered import exchange

NOW = 1_790_000_600.0

# What a test may give an operator that takes this.
ARGUMENTS = {
    "regex": "x", "body regex": "x", "name=value": "a=b", "network": "::1", "number": "7",
    "status": "4xx", "gRPC status": "5", "size": ">1k", "duration": "<1s", "time": "2026-09-21",
    "since": "10m",
}  # fmt: skip


def matches(expression: str, flow: Flow) -> bool:
    return parse_filter(expression, now=NOW).matches(flow)


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
    ("expression", "fits"),
    [
        ("status = 200", True),
        ("status == 2xx", True),
        ("status != 200", False),
        ("status !=404", True),
        ("status >= 200 and status <300", True),
        ("status ~ 200-299", True),
        ("host ~ ^EX", True),
        ("host !~ ex", False),
        ("host ! ~ ex", None),
        ("host = example.com", True),
        ("host = example", False),
        ("host = 'exa.ple.com'", False),  # = is no regex
        ("method != POST", True),
        ("type = 'text/css; charset=utf-8'", True),
        ("header ~ content-type=css", True),
        ("header = content-type=html", False),
        ("status = 404 or method = GET", True),
        ("status = 404 or method = GET and host ~ nowhere", False),  # and before or
        ("not status = 404", True),
        ("not not status = 200 and not (~e or ~q)", True),
        ("not ~e and ~c 200", True),
        ("~c 200 or ~c 404 and ~m POST", True),
        ("(~c 200 or ~c 404) and ~m POST", False),
        ("host", False),  # no sign: a word for the URL, as in mitmproxy
        ("status=200", False),
        ("'host' ~m GET", False),
        ("and", False),
        ("a and", False),
        ("example or", False),
        ("'and' | ~u or", False),
        ("'not' ~all", False),
        ("~c >= 200", True),
        ("~c < 200", False),
        ("~size >= 0 & ~ver 1.1", True),
    ],
)
def test_words(expression: str, fits: bool | None) -> None:
    if fits is None:
        with pytest.raises(FilterError):
            parse_filter(expression)
    else:
        assert matches(expression, exchange()) is fits


@pytest.mark.parametrize(
    ("expression", "position", "message", "hint"),
    [
        ("~hos x", 0, "there is no operator ~hos", "did you mean ~hs"),
        (
            "~c 200 & ~metod GET",
            9,
            "there is no operator ~metod",
            "did you mean ~meta (meta",
        ),
        ("~c200", 0, "there is no operator ~c200", "did you mean ~c (status code, or"),
        ("~", 0, "there is no operator ~", "operators: ~a ~all ~alpn ~at ~b"),
        ("~c abc", 3, "'abc' is not a status such as 404, 4xx, 400-499 or >=500", ""),
        ("~c ٣", 3, "'٣' is not a status", ""),
        ("~c 99999999999999999999", 3, "is not a status", ""),
        ("~c", 2, "takes a status", ""),
        ("~c >=", 3, "'>=' is not a status", ""),
        ("~c >=x", 3, "'>=x' is not a status", ""),
        ("~c 5xx-x", 3, "'5xx-x' is not a status", ""),
        ("~id 4xx", 4, "'4xx' is not a whole number", ""),
        ("~size 3parsecs", 6, "is not a size such as >1m", ""),
        ("~size ٣k", 6, "is not a size", ""),
        ("~size 9999999999t", 6, "is not a size", ""),
        ("~dur 3w", 5, "is not a duration", ""),
        ("~at noon", 4, "'noon' is not a time such as 14:30", ""),
        ("~at 2026-02-30", 4, "is not a time", ""),
        ("~at 14:30", 4, "counts from now", "say the day"),
        ("~since 10m", 7, "counts from now", "say the day"),
        ("~grpc great", 6, "'great' is not a status such as 5", ""),
        ("~ip example.com", 4, "'example.com' is not an address or a network", "~src and ~dst"),
        ("~ck 'a[=b'", 6, "bad regex", ""),
        ("~hdr 'a=b['", 9, "bad regex", ""),
        ("status >= x", 10, "'>=x' is not a status", ""),
        ("status >=", 9, "takes a status", ""),
        ("host > a", 5, "host has no order for >", "~ and !~"),
        ("host ~ (a|b)", 7, "quote one that has ( ) or ~ in it", ""),
        ("host !~", 7, "takes a regex", ""),
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
        (r"~b ([^a]*)*", 3, "quote one that has", ""),
        (r"~u 'a(?=b)'", 5, "look-around is not supported in a regex", "with & and !"),
        (r"~u '(?<!a)b'", 4, "look-around is not supported", "with & and !"),
        (r"~b '(a)b\1'", 8, "a reference back to a group is not supported", ""),
        (r"~u a{2,1001}", 4, "more than 1000 repeats", ""),
        (r"~u [ab].{900}z", 8, "take too long", "+ or *"),
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


def test_every_operator_says_what_it_is() -> None:
    for code, operator in OPERATORS.items():
        assert operator.code == code
        assert operator.help
        assert operator.takes in {"", *ARGUMENTS}
        assert all(parse_filter(f"~{code} '{value}'", now=NOW) for value in operator.values)


@given(st.text(max_size=40))
@settings(max_examples=500)
@example("~\\")
@example("~u '\\'")
@example("[[")
@example("~hdr [[=a")
@example("~at 0001-01-01")
@example("~at 9999-12-31")
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        found = parse_filter(text)
    except FilterError as error:
        position = error.position
    else:
        position = 0
        assert found.matches(exchange()) in {True, False}
    assert 0 <= position <= len(text)
