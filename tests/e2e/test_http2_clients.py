"""Real clients through the real proxy, in all pairings of versions: as without the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.support.between import VERSIONS, Between
from tests.support.certificates import TestAuthority
from tests.support.http2_clients import CLIENTS, Ask, Result, Route
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
NGINX_ASKS = {
    "0": Ask("/0"),
    "100k": Ask("/100k"),
    "head": Ask("/1g", "HEAD"),
    "204": Ask("/204"),
    "304": Ask("/304"),
    "302": Ask("/302"),
    "404": Ask("/missing"),
    "405": Ask("/1k", "POST", (), b"data"),
    "gzip": Ask("/data.json", fields=(("accept-encoding", "gzip"),)),
    "range": Ask("/1k", fields=(("range", "bytes=10-19"),)),
}


@pytest.fixture(scope="module")
def origins(ca: TestAuthority) -> Iterator[dict[str, Http2Origin]]:
    """By scheme, the origins that the tests share."""
    context = ca.server_context("localhost", "127.0.0.1")
    with Http2Origin() as plain, Http2Origin(context) as secure:
        yield {"http": plain, "https": secure}


@pytest.fixture(scope="module")
def direct(between: Between) -> Direct:
    """What clients get without a proxy, asked for once."""
    return Direct(between)


class Direct:
    """Results by client, version, URL and question."""

    def __init__(self, between: Between) -> None:
        self._between = between
        self._known: dict[tuple[str, str, str, Ask], Result] = {}

    def result(self, name: str, version: str, url: str, ask: Ask) -> Result:
        """What the client gets there; it must speak the version that it was told to."""
        key = (name, version, url, ask)
        if key not in self._known:
            result = CLIENTS[name].ask(ask, self._between.direct(url), version)
            assert result.error == ""
            assert result.version == version
            self._known[key] = result
        return self._known[key]


@pytest.mark.parametrize(("name", "ours", "theirs"), PAIRINGS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_results_are_those_of_a_direct_connection(
    between: Between,
    direct: Direct,
    origins: dict[str, Http2Origin],
    scheme: str,
    name: str,
    ours: str,
    theirs: str,
    ask: Ask,
) -> None:
    origin = origins[scheme]
    expected = direct.result(name, ours, origin.url, ask)
    _, route = between.pairing(origin.url, CLIENTS[name], ours, theirs)
    result = CLIENTS[name].ask(ask, route, ours)
    assert result == expected
    assert result.version == ours
    assert origin.seen[-1].version == theirs
    assert origin.faults == []


@pytest.mark.parametrize(
    ("name", "ours", "theirs"), [one for one in PAIRINGS if CLIENTS[one[0]].sends_trailers]
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_trailers_of_requests_arrive(
    between: Between,
    direct: Direct,
    origins: dict[str, Http2Origin],
    scheme: str,
    name: str,
    ours: str,
    theirs: str,
) -> None:
    origin = origins[scheme]
    ask = Ask("/echo", "POST", (("trailer", "x-sum"),), b"data", (("x-sum", "42"), ("x-b", "c")))
    expected = direct.result(name, ours, origin.url, ask)
    _, route = between.pairing(origin.url, CLIENTS[name], ours, theirs)
    assert CLIENTS[name].ask(ask, route, ours) == expected
    assert origin.seen[-1].version == theirs
    assert [(n.lower(), v) for n, v in origin.seen[-1].trailers] == [
        (b"x-sum", b"42"),
        (b"x-b", b"c"),
    ]


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
    results, expected = {}, {}
    for key, ask in NGINX_ASKS.items():
        expected[key] = direct.result(name, ours, nginx_url(nginx, scheme, ours), ask)
        results[key] = CLIENTS[name].ask(ask, route, ours)
    assert results == expected
    assert {result.version for result in results.values()} == {ours}
    marked = Ask(f"/1k?{name}-{scheme}-{ours}-{theirs}")
    assert CLIENTS[name].ask(marked, route, ours).size == 1024
    assert f"GET {marked.path} {theirs.replace('/2', '/2.0')}" in nginx.requests()


@pytest.mark.parametrize("name", [name for name in CLIENTS if "HTTP/2" in CLIENTS[name].versions])
def test_trailers_of_nginx(between: Between, nginx: Nginx, name: str) -> None:
    for url in (nginx.h2c, nginx.https2):
        _, route = between.pairing(url, CLIENTS[name], "HTTP/2", "HTTP/2")
        for way in (between.direct(url), route):
            result = CLIENTS[name].ask(Ask("/trailers"), way, "HTTP/2")
            assert (result.status, result.size) == (200, 1024)
            assert result.trailers in (None, [("x-sum", "42")])
            assert (result.trailers is None) == (name == "httpx")


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
