"""A flow that goes into the store comes out as it was, to the byte."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rama_proxy.model.body import Body
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Message, Request, Response
from rama_proxy.store.reader import Reader
from tests.support.flows import make_flow, make_store


def stored(flow: Flow, directory: Path) -> Flow:
    """`flow` as it comes out of a store."""
    with Reader(make_store(directory / f"{flow.id}.db", [flow])) as reader:
        again = reader.flow(flow.id)
        assert again is not None
        reader.load_bodies(again)
        return again


def assert_same_message(found: Message, expected: Message) -> None:
    assert found.headers == expected.headers
    assert found.raw == expected.raw
    assert found.version == expected.version
    assert found.trailers == expected.trailers
    assert_same_body(found.body, expected.body)


def assert_same_body(found: Body, expected: Body) -> None:
    assert bytes(found) == bytes(expected)
    assert found.size == expected.size
    assert found.complete == expected.complete
    assert found.truncated == expected.truncated
    assert found.edited == expected.edited


def assert_same_connection(found: ConnectionInfo, expected: ConnectionInfo) -> None:
    marks = ("opened", "resolved", "connected", "secured", "closed")
    for item in fields(ConnectionInfo):
        if item.name not in {*marks, "tls"}:
            assert getattr(found, item.name) == getattr(expected, item.name), item.name
    for mark in marks:
        ours, theirs = getattr(found, mark), getattr(expected, mark)
        if theirs is None:
            assert ours is None, mark
        else:
            assert expected.opened is not None
            after = theirs - expected.opened + expected.started
            assert ours == pytest.approx(after, abs=2e-6), mark
    assert (found.tls is None) == (expected.tls is None)
    if found.tls is not None and expected.tls is not None:
        for part in fields(TlsInfo):
            assert getattr(found.tls, part.name) == getattr(expected.tls, part.name), part.name


@pytest.mark.parametrize("number", [1, 2, 9, 15, 17, 33, 50, 61, 77, 153, 219])
def test_generated_flows_come_out_as_they_were(number: int, tmp_path: Path) -> None:
    flow = make_flow(number)
    again = stored(flow, tmp_path)
    request, expected = again.request, flow.request
    for name in ("method", "target", "scheme", "host", "port", "authority", "pseudo_order"):
        assert getattr(request, name) == getattr(expected, name)
    assert request.pretty_url == expected.pretty_url
    assert_same_message(request, expected)
    assert (again.response is None) == (flow.response is None)
    if again.response is not None and flow.response is not None:
        assert (again.response.status, again.response.reason) == (
            flow.response.status,
            flow.response.reason,
        )
        assert_same_message(again.response, flow.response)
    for name in ("id", "kind", "state", "error", "mark", "comment", "killed", "parent_id"):
        assert getattr(again, name) == getattr(flow, name)
    assert_same_connection(again.client, flow.client)
    assert (again.server is None) == (flow.server is None)
    if again.server is not None and flow.server is not None:
        assert_same_connection(again.server, flow.server)
    for mark in ("request_end", "response_begin", "end"):
        ours, theirs = getattr(again.timing, mark), getattr(flow.timing, mark)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            expected_after = theirs - flow.timing.begin
            assert ours - again.timing.begin == pytest.approx(expected_after, abs=1e-6)


def bare_flow() -> Flow:
    request = Request("GET", b"/", "HTTP/1.1", Headers([("Host", "a.test")]))
    request.scheme, request.host, request.port = "http", "a.test", 80
    return Flow(ConnectionInfo("client"), request)


def test_everything_else_of_a_flow(tmp_path: Path) -> None:
    flow = bare_flow()
    request = flow.request
    request.method, request.target = "PATCH", b"http://a.test/\xff?q=\x01"
    request.authority, request.pseudo_order = "a.test", "m,s,p,a"
    request.raw = b"PATCH http://a.test/\xff?q=\x01 HTTP/1.1\r\nhOsT:\ta.test \r\n\r\n"
    request.headers = Headers.of([(b"hOsT", b"a.test"), (b"X", b"\xe9\x00"), (b"x", b"")])
    request.trailers = Headers.of([(b"Checksum", b"\xff\xfe")])
    request.body.add(b"0123456789", 4)
    response = flow.response = Response(299, "M\xfcde", "HTTP/1.0", Headers([("A", "\u4e00")]))
    response.raw = b"HTTP/1.0 299 M\xfcde\r\nA: \xe4\xb8\x80\r\n\r\n"
    response.trailers = Headers()
    response.body.replace(b"edited")
    early = Response(103, "Early Hints", "HTTP/1.1", Headers([("Link", "</a.css>")]))
    early.raw = b"HTTP/1.1 103 Early Hints\r\nLink:  </a.css>\r\n\r\n"
    odd = Response(100, "", "HTTP/1.1", Headers.of([(b"X", b"\xff")]))
    response.informational = [early, odd]
    flow.notes, flow.tags = ["request target made relative"], {"b", "a"}
    flow.metadata = {"rule": {"hits": 2}, "list": [1, None, "é"], "odd": object}
    flow.parent_id, flow.killed, flow.mark, flow.comment = 3, True, ":red:", "two\nlines"

    again = stored(flow, tmp_path)

    assert_same_message(again.request, request)
    assert again.request.target == request.target
    assert again.request.pseudo_order == "m,s,p,a"
    assert again.response is not None
    assert again.response.reason == "M\xfcde"
    assert_same_message(again.response, response)
    first, second = again.response.informational
    assert (first.status, first.reason, first.raw) == (103, "Early Hints", early.raw)
    assert second.headers == odd.headers
    assert second.raw == b""
    assert (again.notes, again.tags) == (flow.notes, flow.tags)
    assert again.metadata["rule"] == {"hits": 2}
    assert again.metadata["list"] == [1, None, "é"]
    assert again.metadata["odd"] == str(object)
    assert (again.parent_id, again.killed, again.comment) == (3, True, "two\nlines")


def test_metadata_that_json_cannot_hold_does_not_lose_the_flow(tmp_path: Path) -> None:
    flow = bare_flow()
    flow.metadata = {"surrogate": "\ud800", "tuple key": {(1, 2): 3}}
    assert "tuple key" in str(stored(flow, tmp_path).metadata)


def test_a_connection_with_everything(tmp_path: Path) -> None:
    flow = bare_flow()
    info = flow.client
    info.peer, info.local, info.original = ("::1", 1), ("127.0.0.1", 2), ("192.0.2.1", 3)
    info.mode, info.via, info.h2_start, info.error = (
        "transparent",
        "http://p:1",
        b"\x00PRI",
        "reset",
    )
    info.started, info.opened, info.closed = 1_790_000_000.25, 77.5, 80.0
    info.annotations = {"ja3": "x", "ja4": "t13d", "other": "é"}
    info.tls = TlsInfo(
        version="TLSv1.2",
        alpn_offered=("h2", "http/1.1"),
        client_hello=b"\x01\x00",
        server_hello=b"\x02\x00",
        certificates=(b"leaf", b"root"),
        verify_error="self-signed",
        resumed=True,
    )
    flow.server = ConnectionInfo("server", address=("a.test", 443), started=1.0, opened=2.0)
    again = stored(flow, tmp_path)
    assert_same_connection(again.client, info)
    assert again.server is not None
    assert_same_connection(again.server, flow.server)


def test_marks_of_flow_and_connection_are_on_one_scale(tmp_path: Path) -> None:
    flow = make_flow(1)
    again = stored(flow, tmp_path)
    assert again.client.secured is not None
    assert flow.client.secured is not None
    before = flow.timing.begin - flow.client.secured
    assert again.timing.begin - again.client.secured == pytest.approx(before, abs=1e-5)


def test_datasette_sees_headers_urls_and_fingerprints(tmp_path: Path) -> None:
    flow = make_flow(1)
    flow.client.annotations |= {"h2fp": "52d84b", "h2fp_text": "1:65536|00|0|m,a,s,p"}
    path = make_store(tmp_path / "a.db", [flow])
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT side, n, name, value FROM headers ORDER BY 1, 2"
        ).fetchall()
        listed = connection.execute("SELECT url, status, time, ms FROM flow_list").fetchone()
        ja = connection.execute(
            "SELECT ja3, ja4 FROM connections WHERE ja4 LIKE 't13d%'"
        ).fetchone()
        http2 = "SELECT h2fp, h2fp_text FROM connections WHERE h2fp = '52d84b'"
        start = connection.execute(http2).fetchone()
        plan = " ".join(str(row) for row in connection.execute("EXPLAIN QUERY PLAN " + http2))
    connection.close()
    assert start == ("52d84b", "1:65536|00|0|m,a,s,p")
    assert "connections_h2fp" in plan
    assert rows[0] == ("request", 0, "Host", flow.request.host)
    assert next(name for side, _, name, _ in rows if side == "response") == "Server"
    assert listed[0] == flow.request.pretty_url
    assert listed[2].startswith("2026-09-21 14:13:20.")
    assert ja == (flow.client.annotations["ja3"], flow.client.annotations["ja4"])


names = st.binary(min_size=1, max_size=12)
values = st.binary(max_size=20)
header_lists = st.lists(st.tuples(names, values), max_size=6)


@given(
    header_lists,
    st.binary(max_size=40),
    st.binary(max_size=3000),
    header_lists,
    st.binary(max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_any_bytes_survive(
    request_fields: list[tuple[bytes, bytes]],
    target: bytes,
    body: bytes,
    response_fields: list[tuple[bytes, bytes]],
    raw: bytes,
) -> None:
    flow = bare_flow()
    flow.request.target, flow.request.headers = target, Headers.of(request_fields)
    flow.request.raw = raw
    flow.request.body.add(body, 1 << 20)
    flow.response = Response(200, "OK", "HTTP/1.1", Headers.of(response_fields))
    flow.response.trailers = Headers.of(request_fields)
    with tempfile.TemporaryDirectory() as directory:
        again = stored(flow, Path(directory))
    assert again.request.target == target
    assert_same_message(again.request, flow.request)
    assert again.response is not None
    assert_same_message(again.response, flow.response)
