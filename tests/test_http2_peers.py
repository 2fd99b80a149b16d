"""The HTTP/2 peers themselves, without a proxy between: what e2e tests take for granted."""

from __future__ import annotations

import hashlib
import json

import h2.settings
import hpack
import pytest

from tests.support.certificates import TestAuthority
from tests.support.http2_clients import CLIENTS, Ask, Result, Route, ask_node_at_once, h2load
from tests.support.http2_origin import Http2Origin
from tests.support.http2_raw import RawClient
from tests.support.origin_answers import ANSWERS, pattern
from tests.support.peers import Nginx

SPOKEN = [(name, version) for name, client in CLIENTS.items() for version in client.versions]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(params=["http", "https"])
def origin(
    request: pytest.FixtureRequest, http2_origin: Http2Origin, tls_http2_origin: Http2Origin
) -> Http2Origin:
    """Both, one after the other."""
    return http2_origin if request.param == "http" else tls_http2_origin


@pytest.mark.parametrize(("name", "version"), SPOKEN)
def test_every_client_tells_what_the_origin_sends(
    origin: Http2Origin, ca: TestAuthority, name: str, version: str
) -> None:
    route, client = Route(origin.url, str(ca.path)), CLIENTS[name]

    def ask(*arguments: object, **more: object) -> Result:
        result = client.ask(Ask(*arguments, **more), route, version)  # type: ignore[arg-type]
        assert (result.version, result.error) == (version, "")
        assert origin.seen[-1].version == version
        return result

    large = ask("/bytes?size=200000")
    assert (large.status, large.size, large.digest) == (200, 200000, digest(pattern(200000)))
    head = ask("/bytes?size=1000", "HEAD")
    assert (head.size, ("content-length", "1000") in head.fields) == (0, True)
    assert ask("/status?code=204").fields == [("etag", '"5f3a"')]
    assert ask("/status?code=304").fields == [("etag", '"5f3a"'), ("content-length", "1000")]
    fields = ask("/fields?size=20").fields
    assert [value for name, value in fields if name == "set-cookie"] == ["a=1; Path=/", "b=2"]
    assert [value for name, value in fields if name == "x-twice"] == ["2", "1"]
    assert ("x-empty", "") in fields
    assert ask("/early").informational in (
        None if name == "httpx" else [],
        [
            (102, []),
            (103, [("link", "</a.css>; rel=preload")]),
            (103, [("link", "</b.css>; rel=preload"), ("x-hint", "2")]),
        ],
    )
    if name != "httpx":
        assert ask("/trailers").trailers == [("x-sum", "42"), ("x-more", "a"), ("x-more", "b")]
    data = bytes(range(256)) * 300
    uploaded = ask("/echo", "POST", (("x-a", "b"),), data)
    assert uploaded.status == 200
    assert origin.seen[-1].body == data
    assert origin.seen[-1].complete
    assert origin.faults == []


def test_echo_is_the_same_by_both_versions(http2_origin: Http2Origin, ca: TestAuthority) -> None:
    route = Route(http2_origin.url, str(ca.path))
    ask = Ask("/echo?x=1", "POST", (("x-a", "b"), ("cookie", "c=1; d=2")), b"abc")
    one, two = (CLIENTS["curl"].ask(ask, route, version) for version in ("HTTP/1.1", "HTTP/2"))
    assert one == two
    assert one.digest is not None
    assert [seen.version for seen in http2_origin.seen] == ["HTTP/1.1", "HTTP/2"]


def test_the_origin_keeps_what_it_gets_as_it_came(origin: Http2Origin, ca: TestAuthority) -> None:
    with RawClient(Route(origin.url, str(ca.path))) as client:
        pseudo = list(reversed(client.pseudo("POST", "/echo")))
        crumbs = [(b"cookie", b"a=1"), (b"x", b""), (b"cookie", b"b=2")]
        secret = hpack.NeverIndexedHeaderTuple(b"authorization", b"s")
        fetched = client.fetch([*pseudo, *crumbs, secret], b"body", [(b"x-sum", b"42")])
    (seen,) = origin.seen
    assert seen.fields == [*pseudo, *crumbs, (b"authorization", b"s")]
    assert seen.never_indexed == [b"authorization"]
    assert (seen.body, seen.trailers) == (b"body", [(b"x-sum", b"42")])
    assert fetched.status == 200
    said = json.loads(fetched.body)
    assert said["fields"] == [["x", ""], ["authorization", "s"], ["cookie", "a=1; b=2"]]
    assert said["trailers"] == [["x-sum", "42"]]
    assert origin.faults == []


def test_faults_of_the_origin(origin: Http2Origin, ca: TestAuthority) -> None:
    with RawClient(Route(origin.url, str(ca.path))) as client:
        broken = client.get("/reset?code=11&after=5")
        assert (broken.status, broken.body, broken.reset) == (200, b"01234", 11)
        assert client.get("/reset?code=3&after=-1").reset == 3
        assert client.get("/refuse").reset == 7
        assert client.get("/refuse").body == b"accepted"
        early = client.get("/early")
        assert [dict(head)[b":status"] for head in early.heads] == [b"102", b"103", b"103", b"200"]
        refused = client.fetch(client.pseudo("POST", "/refuse-body"), b"x" * 10)
        assert (refused.status, refused.ended) == (413, True)
        client.reset(client.send(client.pseudo("POST", "/stall")), 8)
        assert client.get("/goaway").body == b"01234567890123456789"
        assert client.goaway == 0
    assert [seen.reset for seen in origin.seen if seen.path == "stall"] == [8]
    assert origin.faults == []


def test_a_duplex_answer_comes_before_the_end_of_the_request(
    origin: Http2Origin, ca: TestAuthority
) -> None:
    data = bytes(1 << 20)  # more than both windows: nobody can wait for the end
    with RawClient(Route(origin.url, str(ca.path))) as client:
        assert client.fetch(client.pseudo("POST", "/duplex"), data).body == data


def test_settings_of_the_origin_are_kept_to(ca: TestAuthority) -> None:
    codes = h2.settings.SettingCodes
    small = {codes.INITIAL_WINDOW_SIZE: 500, codes.MAX_CONCURRENT_STREAMS: 2}
    with Http2Origin(settings=small) as origin:
        route = Route(origin.url, str(ca.path))
        asks = [Ask(f"/echo?{number}", "POST", (), b"x" * 3000) for number in range(10)]
        assert [result.status for result in ask_node_at_once(asks, route)] == [200] * 10
        assert h2load(f"{origin.url}/bytes?size=2000", 40, "-c", "2", "-m", "10").succeeded == 40
        assert origin.faults == []


def test_a_push_reaches_who_allows_it(origin: Http2Origin, ca: TestAuthority) -> None:
    (result,) = ask_node_at_once([Ask("/push")], Route(origin.url, str(ca.path)))
    assert (result.status, result.size, result.pushed) == (200, 2, 1)


@pytest.mark.parametrize("url", ["h2c", "https2"])
def test_nginx_speaks_http2(nginx: Nginx, ca: TestAuthority, url: str) -> None:
    base: str = getattr(nginx, url)
    for name in ("curl", "node", "nghttp", "httpx"):
        result = CLIENTS[name].ask(Ask("/100k"), Route(base, str(ca.path)), "HTTP/2")
        assert (result.status, result.digest) == (200, digest(nginx.file("100k")))
        assert result.version == "HTTP/2"
    load = h2load(f"{base}/1k", 300, "-c", "2", "-m", "16")
    assert (load.succeeded, load.failed, load.errored) == (300, 0, 0)


def test_nginx_speaks_http1_alone_where_it_did(nginx: Nginx, ca: TestAuthority) -> None:
    for url in (nginx.https, nginx.http):
        options = CLIENTS["curl"].ask(Ask("/1k"), Route(url, str(ca.path)), "HTTP/1.1")
        assert options.version == "HTTP/1.1"
    offered = CLIENTS["curl"].ask(Ask("/1k"), Route(nginx.https, str(ca.path)), "HTTP/2")
    assert offered.version == "HTTP/1.1"


def test_every_answer_is_described() -> None:
    assert [name for name, answer in ANSWERS.items() if not answer.__doc__] == []
