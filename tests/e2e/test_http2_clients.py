"""Real clients through the real proxy, in all pairings of versions: as without the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.support.between import VERSIONS, Between
from tests.support.certificates import TestAuthority
from tests.support.http2_clients import CLIENTS, Ask, Result, Route, ask_all
from tests.support.http2_origin import Http2Origin
from tests.support.peers import Nginx, wait_for

PAIRINGS = [
    (name, ours, theirs)
    for name, client in CLIENTS.items()
    for ours, theirs in product(client.versions, VERSIONS)
]
SCHEMES = ("http", "https")
BODY = bytes(range(256)) * 300  # more than a window

ASKS = {
    "empty": Ask("/bytes?size=0"),
    "small": Ask("/bytes?size=1000"),
    "large": Ask("/bytes?size=300000"),
    "unsized": Ask("/bytes?size=70000&length=0"),
    "head": Ask("/bytes?size=1000", "HEAD"),
    "head-unsized": Ask("/bytes?size=1000&length=0", "HEAD"),
    "upload": Ask("/echo", "POST", (("content-type", "text/plain"),), BODY),
    "nothing-uploaded": Ask("/echo", "PUT", (), b""),
    "no-body": Ask("/echo?a=%20b&c='~", "DELETE", (("x-twice", "1"), ("x-twice", "2"))),
    "cookies": Ask("/echo", fields=(("cookie", "a=1; b=2"),)),
    "early": Ask("/early"),
    "continue": Ask("/echo", "POST", (("expect", "100-continue"),), BODY[:1000]),
    "trailers": Ask("/trailers"),
    "fields": Ask("/fields?size=20"),  # a head of more than one frame
    "204": Ask("/status?code=204"),
    "304": Ask("/status?code=304"),
    "404": Ask("/status?code=404"),
    "slow": Ask("/slow?every=0.05"),
}
REQUEST_TRAILERS = {
    "request-trailers": Ask(
        "/echo", "POST", (("trailer", "x-sum"),), b"data", (("x-sum", "42"), ("x-b", "c"))
    ),
}
NGINX_ASKS = {
    "100k": Ask("/100k"),
    "head": Ask("/1g", "HEAD"),
    "204": Ask("/204"),
    "304": Ask("/304"),
    "302": Ask("/302"),
    "405": Ask("/1k", "DELETE"),
    "gzip": Ask("/data.json", fields=(("accept-encoding", "gzip"),)),
    "range": Ask("/1k", fields=(("range", "bytes=10-19"),)),
}


@pytest.fixture(scope="module")
def origins(ca: TestAuthority) -> Iterator[dict[str, Http2Origin]]:
    """By scheme, the origins that the tests share."""
    context = ca.server_context("localhost", "127.0.0.1")
    with Http2Origin() as plain, Http2Origin(context) as secure:
        yield {"http": plain, "https": secure}


class Direct:
    """What clients get without a proxy, asked for once."""

    def __init__(self, between: Between) -> None:
        self._between = between
        self._known: dict[tuple[str, str, str], dict[str, Result]] = {}

    def results(self, name: str, version: str, url: str, asks: dict[str, Ask]) -> dict[str, Result]:
        """What a client gets there; it must speak the version that it was told to."""
        if (name, version, url) not in self._known:
            results = results_of(name, version, self._between.direct(url), asks)
            assert [result.error for result in results.values() if result.error] == []
            assert {result.version for result in results.values()} == {version}
            self._known[name, version, url] = results
        return self._known[name, version, url]


def results_of(name: str, version: str, route: Route, asks: dict[str, Ask]) -> dict[str, Result]:
    """What a client gets for each question, by its key."""
    return dict(zip(asks, ask_all(name, list(asks.values()), route, version), strict=True))


@pytest.fixture(scope="module")
def direct(between: Between) -> Direct:
    """For the tests of this module."""
    return Direct(between)


@pytest.mark.parametrize(("name", "ours", "theirs"), PAIRINGS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_results_are_those_of_a_direct_connection(
    between: Between,
    direct: Direct,
    origins: dict[str, Http2Origin],
    scheme: str,
    name: str,
    ours: str,
    theirs: str,
) -> None:
    origin = origins[scheme]
    asks = ASKS | (REQUEST_TRAILERS if CLIENTS[name].sends_trailers else {})
    expected = direct.results(name, ours, origin.url, asks)
    _, route = between.pairing(origin.url, CLIENTS[name], ours, theirs)
    before = len(origin.seen)
    results = results_of(name, ours, route, asks)
    assert results == expected
    assert {result.version for result in results.values()} == {ours}
    assert {seen.version for seen in origin.seen[before:]} == {theirs}
    assert origin.faults == []


def nginx_url(nginx: Nginx, scheme: str, version: str) -> str:
    """Where nginx speaks this version; over TLS one port has both."""
    if scheme == "https":
        return nginx.https2
    return nginx.h2c if version == "HTTP/2" else nginx.http


@pytest.mark.parametrize(("name", "ours", "theirs"), PAIRINGS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nginx_answers_as_it_does_directly(
    between: Between,
    direct: Direct,
    nginx: Nginx,
    scheme: str,
    name: str,
    ours: str,
    theirs: str,
) -> None:
    url = nginx_url(nginx, scheme, theirs)
    _, route = between.pairing(url, CLIENTS[name], ours, theirs)
    asks = NGINX_ASKS | {"marked": Ask(f"/1k?{scheme}-{ours}")}
    results = results_of(name, ours, route, asks | {"marked": Ask(f"/1k?{name}-{ours}-{theirs}")})
    assert results == direct.results(name, ours, nginx_url(nginx, scheme, ours), asks)
    assert {result.version for result in results.values()} == {ours}
    line = f"GET /1k?{name}-{ours}-{theirs} {theirs.replace('/2', '/2.0')}"
    assert line in nginx.requests()


@pytest.mark.parametrize("name", ["node", "nghttp"])  # curl ends with Content-Length
def test_trailers_of_nginx(between: Between, nginx: Nginx, name: str) -> None:
    for url in (nginx.h2c, nginx.https2):
        _, route = between.pairing(url, CLIENTS[name], "HTTP/2", "HTTP/2")
        for way in (between.direct(url), route):
            result = CLIENTS[name].ask(Ask("/trailers"), way, "HTTP/2")
            assert (result.status, result.size) == (200, 1024)
            assert result.trailers == [("x-sum", "42")]


@pytest.mark.parametrize(("ours", "theirs"), product(VERSIONS, VERSIONS))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_rows_say_which_protocol_each_side_spoke(
    between: Between,
    origins: dict[str, Http2Origin],
    scheme: str,
    ours: str,
    theirs: str,
) -> None:
    origin = origins[scheme]
    engine, route = between.pairing(origin.url, CLIENTS["curl"], ours, theirs)
    path = f"/trailers?row={ours}-{theirs}".replace("/1.1", "1").replace("/2", "2")
    assert CLIENTS["curl"].ask(Ask(path), route, ours).status == 200
    mine = f"path = '{path}' and port = {origin.port} and state = 'done'"
    wait_for(lambda: engine.flows_where(mine), "the row")
    (flow,) = engine.flows_where(mine)
    assert (flow.request.version, flow.request.scheme) == (ours, scheme)
    assert flow.request.url == origin.url + path
    assert flow.response is not None
    assert bytes(flow.response.body) == b"hello world"
    assert flow.response.trailers is not None
    assert list(flow.response.trailers) == [("x-sum", "42"), ("x-more", "a"), ("x-more", "b")]
    assert flow.server is not None
    if scheme == "https":
        alpn = {"HTTP/1.1": ("", "http/1.1"), "HTTP/2": ("h2",)}
        assert flow.client.alpn in alpn[ours]
        assert flow.server.alpn in alpn[theirs]


def test_a_client_that_offers_both_speaks_what_the_server_chose(
    between: Between, ca: TestAuthority
) -> None:
    context = ca.server_context("localhost", "127.0.0.1")
    with Http2Origin(context, protocols=["http/1.1"]) as origin:
        engine = between.engine()
        for route in (between.direct(origin.url), Route(origin.url, engine.ca, engine.proxy)):
            result = CLIENTS["curl"].ask(Ask("/bytes?size=5"), route, "HTTP/2")
            assert (result.status, result.size, result.version) == (200, 5, "HTTP/1.1")
