"""Nothing is altered: what an HTTP/2 client sends reaches the origin so, and the other way."""

from __future__ import annotations

from collections.abc import Callable

import hpack
import pytest

from tests.support.between import Between
from tests.support.http2_clients import CLIENTS, Ask, Route, ask_node_at_once
from tests.support.http2_origin import Http2Origin
from tests.support.http2_raw import RawClient
from tests.support.origin_answers import Fields, Incoming
from tests.support.peers import wait_for

Ways = Callable[[str], list[Route]]


@pytest.fixture(params=["http", "https"])
def origin(
    request: pytest.FixtureRequest, http2_origin: Http2Origin, tls_http2_origin: Http2Origin
) -> Http2Origin:
    """Both, one after the other."""
    return http2_origin if request.param == "http" else tls_http2_origin


@pytest.fixture(params=["direct", "regular", "reverse"])
def ways(request: pytest.FixtureRequest, between: Between) -> Callable[[str], Route]:
    """How a client gets to an origin: the same is to arrive by each."""

    def way(url: str) -> Route:
        if request.param == "direct":
            return between.direct(url)
        return (between.regular if request.param == "regular" else between.reverse)(url)[1]

    return way


def fetch(route: Route, fields: Fields, body: bytes = b"", trailers: Fields | None = None) -> None:
    """Send fields behind pseudo fields, and see that they are answered."""
    with RawClient(route) as client:
        fetched = client.fetch(fields, body, trailers or [])
    assert (fetched.status, fetched.ended) == (200, True)


def pseudo(
    origin: Http2Origin, order: str, path: bytes = b"/echo", method: bytes = b"POST"
) -> Fields:
    """The pseudo fields of a request to an origin, in the order of these first letters."""
    scheme, _, authority = origin.url.encode().partition(b"://")
    values = {"m": method, "s": scheme, "a": authority, "p": path}
    names = {"m": b":method", "s": b":scheme", "a": b":authority", "p": b":path"}
    return [(names[letter], values[letter]) for letter in order]


ORDERS = ("masp", "mpas", "mspa", "psam")  # Chrome's, Firefox's, Safari's, nobody's


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_pseudo_fields(
    origin: Http2Origin, ways: Callable[[str], Route], order: str
) -> None:
    sent = [*pseudo(origin, order), (b"z", b"1"), (b"a", b"2")]
    route = ways(origin.url)
    scheme, _, authority = route.url.encode().partition(b"://")
    named = {b":authority": authority}  # in reverse mode the client names the proxy
    fetch(route, [(name, named.get(name, value)) for name, value in sent])
    (seen,) = origin.seen
    assert seen.fields == sent
    assert scheme == origin.url.partition("://")[0].encode()


def test_order_repetition_and_crumbs_of_fields(
    origin: Http2Origin, ways: Callable[[str], Route]
) -> None:
    fields = [
        (b"x-first", b"Keep My Case"),
        (b"cookie", b"a=1"),
        (b"user-agent", b"raw/1"),
        (b"cookie", b"b=2"),
        (b"accept", b"*/*"),
        (b"x-twice", b"2"),
        (b"x-empty", b""),
        (b"x-twice", b"1"),
        (b"te", b"trailers"),
        (b"x-latin", b"caf\xe9"),
        (b"cookie", b"c=3; d=4"),
        (b"content-length", b"4"),
        (b"priority", b"u=1, i"),
    ]
    route = ways(origin.url)
    authority = (b":authority", route.url.partition("://")[2].encode())
    sent = [authority if pair[0] == b":authority" else pair for pair in pseudo(origin, "mpas")]
    trailers = [(b"x-sum", b"42"), (b"x-more", b"1"), (b"x-more", b"2")]
    fetch(route, [*sent, *fields], b"data", trailers)
    (seen,) = origin.seen
    assert [pair for pair in seen.fields if pair[0][:1] != b":"] == fields
    assert (seen.body, seen.trailers) == (b"data", trailers)
    assert origin.faults == []


def test_what_must_not_be_indexed_stays_so(
    origin: Http2Origin, ways: Callable[[str], Route]
) -> None:
    route = ways(origin.url)
    with RawClient(route) as client:
        fields = client.pseudo("GET", "/echo")
        secret = hpack.NeverIndexedHeaderTuple(b"x-secret", b"s")
        assert client.fetch([*fields, secret, (b"x-open", b"o")]).status == 200
    (seen,) = origin.seen
    assert seen.never_indexed == [b"x-secret"]  # RFC 7541 6.2.3


@pytest.mark.parametrize(
    "path",
    [
        b"/echo",
        b"/echo?",
        b"/echo?x=%41&y=a%2fb",
        b"/echo/../echo",
        b"/echo//x",
        b"/echo?q='\"<>{}|^`",
        b"/echo?caf\xc3\xa9",
    ],
)
def test_paths(origin: Http2Origin, ways: Callable[[str], Route], path: bytes) -> None:
    route = ways(origin.url)
    with RawClient(route) as client:
        fields = client.pseudo("GET", "/echo")
        sent = [(name, path if name == b":path" else value) for name, value in fields]
        assert client.fetch(sent).status == 200
    (seen,) = origin.seen
    assert dict(seen.fields)[b":path"] == path


def test_h2c_to_the_proxy_itself_names_the_origin(
    between: Between, http2_origin: Http2Origin
) -> None:
    engine = between.engine()
    route = Route(f"http://127.0.0.1:{engine.port}", engine.ca)
    sent = [*pseudo(http2_origin, "masp", b"/echo?prior"), (b"x-a", b"b")]
    fetch(route, sent, b"data")
    (seen,) = http2_origin.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/echo?prior", b"data")
    assert ordered(seen)[:1] == ["x-a"]
    assert seen.value(b"host") == http2_origin.url.partition("://")[2].encode()


def test_responses_come_as_they_were_sent(
    origin: Http2Origin, ways: Callable[[str], Route]
) -> None:
    with RawClient(ways(origin.url)) as client:
        fields = client.get("/fields?size=30").heads[-1]
        early = client.get("/early")
        ended = client.get("/trailers")
    assert fields[:8] == [
        (b":status", b"200"),
        (b"set-cookie", b"a=1; Path=/"),
        (b"x-empty", b""),
        (b"x-latin", b"caf\xe9"),
        (b"set-cookie", b"b=2"),
        (b"x-upper-value", b"Keep My Case"),
        (b"x-twice", b"2"),
        (b"x-twice", b"1"),
    ]
    assert len(fields) == 8 + 30 + 1
    assert early.heads == [
        [(b":status", b"102")],
        [(b":status", b"103"), (b"link", b"</a.css>; rel=preload")],
        [(b":status", b"103"), (b"link", b"</b.css>; rel=preload"), (b"x-hint", b"2")],
        [(b":status", b"200"), (b"content-length", b"2")],
    ]
    assert ended.trailers == [(b"x-sum", b"42"), (b"x-more", b"a"), (b"x-more", b"b")]


def test_streams_share_one_connection_to_the_origin(
    origin: Http2Origin, ways: Callable[[str], Route]
) -> None:
    asks = [Ask(f"/echo?{number}", "POST", (), b"x" * 5000) for number in range(30)]
    assert {result.status for result in ask_node_at_once(asks, ways(origin.url))} == {200}
    assert len(origin.seen) == 30
    assert {seen.connection for seen in origin.seen} == {1}


@pytest.mark.parametrize(
    ("ours", "theirs"), [("HTTP/1.1", "HTTP/2"), ("HTTP/2", "HTTP/1.1"), ("HTTP/2", "HTTP/2")]
)
def test_cookies_and_names_when_versions_differ(
    between: Between, origin: Http2Origin, ours: str, theirs: str
) -> None:
    _, route = between.pairing(origin.url, CLIENTS["curl"], ours, theirs)
    fields = (("X-Mixed-Case", "Value"), ("cookie", "a=1; b=2"), ("x-after", "1"))
    assert CLIENTS["curl"].ask(Ask("/echo", fields=fields), route, ours).status == 200
    (seen,) = origin.seen
    assert seen.version == theirs
    names = [name for name, _ in seen.fields]
    assert len([name for name in names if name.lower() == b"x-mixed-case"]) == 1
    assert b"; ".join(v for n, v in seen.fields if n.lower() == b"cookie") == b"a=1; b=2"
    assert ordered(seen) == ["user-agent", "accept", "x-mixed-case", "cookie", "x-after"]
    host = b":authority" if theirs == "HTTP/2" else b"host"
    value = {name.lower(): value for name, value in seen.fields}[host]
    assert value == origin.url.partition("://")[2].encode()
    if theirs == "HTTP/2":
        assert names == [name.lower() for name in names]
        assert not {b"host", b"connection", b"transfer-encoding"} & set(names)


def ordered(seen: Incoming) -> list[str]:
    """The names in lower case, each where it came first, without those of the hop."""
    names = [name.decode().lower() for name, _ in seen.fields]
    return [name for name in dict.fromkeys(names) if name[0] != ":" and name != "host"]


def test_the_row_has_the_fields_as_sent(between: Between, http2_origin: Http2Origin) -> None:
    engine, route = between.reverse(http2_origin.url)
    with RawClient(route) as client:
        sent = list(reversed(client.pseudo("POST", "/echo?row")))
        fields = [(b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2")]
        assert client.fetch([*sent, *fields], b"d", [(b"x-sum", b"42")]).status == 200
    mine = f"path = '/echo?row' and port = {http2_origin.port} and state = 'done'"
    wait_for(lambda: engine.flows_where(mine), "the row")
    (flow,) = engine.flows_where(mine)
    assert [*flow.request.headers] == [(n.decode(), v.decode()) for n, v in fields]
    assert flow.request.pseudo_order == "sapm"
    assert flow.request.trailers is not None
    assert list(flow.request.trailers) == [("x-sum", "42")]
    assert flow.request.authority
