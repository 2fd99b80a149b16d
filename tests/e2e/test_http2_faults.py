"""HTTP/2 origins and clients that give up, refuse, dawdle or do not read."""

from __future__ import annotations

import contextlib

import h2.settings
import pytest

from tests.support.between import Between
from tests.support.certificates import TestAuthority
from tests.support.http2_clients import (
    CLIENTS,
    Ask,
    Route,
    ask_node,
    ask_node_at_once,
    h2load,
)
from tests.support.http2_origin import Http2Origin
from tests.support.http2_raw import RawClient
from tests.support.peers import wait_for

CODES = h2.settings.SettingCodes
MIB = 1 << 20


@pytest.fixture(params=["direct", "proxied"])
def way(request: pytest.FixtureRequest) -> str:
    """The same is to happen by both."""
    return str(request.param)


def route_to(between: Between, origin: Http2Origin, way: str) -> Route:
    """The route to an origin by that way."""
    if way == "direct":
        return between.direct(origin.url)
    return between.regular(origin.url)[1]


@pytest.mark.parametrize("code", [2, 8, 11, 13])
def test_a_reset_inside_a_body_reaches_the_client(
    between: Between, tls_http2_origin: Http2Origin, way: str, code: int
) -> None:
    with RawClient(route_to(between, tls_http2_origin, way)) as client:
        fetched = client.get(f"/reset?code={code}&after=1000")
        assert (fetched.status, len(fetched.body)) == (200, 1000)
        assert fetched.reset == code
        assert client.get("/bytes?size=5").body == b"01234"  # the connection lives on


def test_a_client_that_gives_up_is_told_to_the_origin(
    between: Between, tls_http2_origin: Http2Origin, way: str
) -> None:
    origin = tls_http2_origin
    with RawClient(route_to(between, origin, way)) as client:
        stream = client.send(client.pseudo("POST", "/stall"), b"x" * 100)
        wait_for(lambda: origin.seen, "the request at the origin")
        client.reset(stream, 8)
        wait_for(lambda: origin.seen[0].reset == 8, "the reset at the origin")
        assert client.get("/bytes?size=5").body == b"01234"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("curl", "/refuse"),
        ("curl", "/goaway"),
        ("curl", "/push"),
        ("node", "/refuse-body"),  # curl 7.88 takes the RST_STREAM behind the answer for a failure
    ],
)
def test_clients_get_what_they_get_directly(
    between: Between, ca: TestAuthority, name: str, path: str
) -> None:
    results = []
    for way in ("direct", "proxied"):
        with Http2Origin(ca.server_context("localhost", "127.0.0.1")) as origin:
            body = b"x" * 300_000 if path == "/refuse-body" else None
            ask = Ask(path, "POST" if body else "GET", (), body)
            results.append(CLIENTS[name].ask(ask, route_to(between, origin, way), "HTTP/2"))
            assert origin.faults == []
    assert results[0] == results[1]
    assert results[0].status in (200, 413)


def test_no_push_is_asked_for(between: Between, tls_http2_origin: Http2Origin) -> None:
    origin = tls_http2_origin
    result = ask_node(Ask("/push"), route_to(between, origin, "proxied"), "HTTP/2")
    assert (result.status, result.size, result.pushed, result.error) == (200, 2, 0, "")
    assert (int(CODES.ENABLE_PUSH), 0) in origin.client_settings[0]


def test_a_goaway_sends_new_requests_to_a_new_connection(
    between: Between, tls_http2_origin: Http2Origin
) -> None:
    origin = tls_http2_origin
    with RawClient(route_to(between, origin, "proxied")) as client:
        assert client.get("/goaway").body == b"01234567890123456789"
        for _ in range(3):
            assert client.get("/bytes?size=5").body == b"01234"
    assert origin.seen[0].connection not in {seen.connection for seen in origin.seen[1:]}


def test_small_windows_and_few_streams(between: Between, ca: TestAuthority, way: str) -> None:
    small = {CODES.INITIAL_WINDOW_SIZE: 500, CODES.MAX_CONCURRENT_STREAMS: 2}
    context = ca.server_context("localhost", "127.0.0.1")
    with Http2Origin(context, settings=small) as origin:
        route = route_to(between, origin, way)
        asks = [Ask(f"/echo?{number}", "POST", (), b"x" * 5000) for number in range(20)]
        assert {result.status for result in ask_node_at_once(asks, route)} == {200}
        if way == "proxied":
            route = between.reverse(origin.url)[1]
        load = h2load(f"{route.url}/bytes?size=3000", 100, "-c", "2", "-m", "20")
        assert (load.succeeded, load.statuses["2xx"]) == (100, 100)
        assert {len(seen.body) for seen in origin.seen if seen.path == "echo"} == {5000}
        assert origin.faults == []


def test_a_duplex_exchange_flows_both_ways_at_once(
    between: Between, tls_http2_origin: Http2Origin, way: str
) -> None:
    data = bytes(2 * MIB)
    with RawClient(route_to(between, tls_http2_origin, way)) as client:
        assert client.fetch(client.pseudo("POST", "/duplex"), data).body == data


def test_a_client_that_does_not_read_holds_the_origin_back(
    between: Between, tls_http2_origin: Http2Origin, ca: TestAuthority
) -> None:
    del ca
    engine, route = between.regular(tls_http2_origin.url)
    with RawClient(route) as warm:
        assert warm.get("/bytes?size=5").status == 200
    before = engine.memory("VmRSS")
    with RawClient(route, {CODES.INITIAL_WINDOW_SIZE: 1000}, reads=False) as client:
        stalled = [client.send(client.pseudo("GET", f"/bytes?size={20 * MIB}")) for _ in range(8)]
        wait_for(lambda: read_until(client, stalled, 1000), "the windows to be full")
        assert client.get("/bytes?size=5").body == b"01234"  # others go on
        assert engine.memory("VmRSS") - before < 24 * MIB


def read_until(client: RawClient, streams: list[int], size: int) -> bool:
    """Whether every stream has so many bytes; reads once more if not."""
    if all(len(client.streams[stream].body) >= size for stream in streams):
        return True
    client.receive()
    return False


def test_an_origin_that_does_not_read_holds_the_client_back(
    between: Between, tls_http2_origin: Http2Origin
) -> None:
    origin = tls_http2_origin
    engine, route = between.regular(origin.url)
    with RawClient(route) as client:
        assert client.get("/bytes?size=5").status == 200
        before = engine.memory("VmRSS")
        client.socket.settimeout(1)  # what comes later is not coming
        with contextlib.suppress(TimeoutError):
            client.send(client.pseudo("POST", "/stall"), bytes(64 * MIB))
            pytest.fail("64 MiB went into nothing")
        assert engine.memory("VmRSS") - before < 24 * MIB
        assert not origin.seen[-1].complete


@pytest.mark.parametrize("name", ["curl", "node"])
def test_events_arrive_when_they_are_sent(
    between: Between, tls_http2_origin: Http2Origin, way: str, name: str
) -> None:
    route = route_to(between, tls_http2_origin, way)
    result = CLIENTS[name].ask(Ask("/slow?count=4&every=0.1"), route, "HTTP/2")
    assert (result.status, result.size) == (200, 4 * len(b"id: 0\ndata: tick\n\n"))
    with RawClient(route) as client:
        stream = client.send(client.pseudo("GET", "/slow?count=3&every=0.3"))
        sizes = {0}
        while not client.streams[stream].over:
            client.receive()
            sizes.add(len(client.streams[stream].body))
    assert sizes == {0, 18, 36, 54}
