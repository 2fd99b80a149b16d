"""Nothing is altered: the same bytes arrive with the proxy between and without it."""

from __future__ import annotations

import socket
import ssl
import time

import pytest

from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.peers import curl

HEAD = b"Host: %s\r\nx-ODD-case: a\r\nX-Odd-Case:b\r\nX-Latin: caf\xe9\r\nConnection: close\r\n\r\n"
WELL_FORMED = ["headers", "trailers", "extensions", "early", "close", "old", "echo"]


def read_to_end(sock: socket.socket) -> bytes:
    """Everything until the peer closes."""
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def connect(port: int) -> socket.socket:
    """A connection to 127.0.0.1."""
    return socket.create_connection(("127.0.0.1", port), 10)


def open_tunnel(engine: Engine, authority: bytes) -> socket.socket:
    """A connection to `authority` through CONNECT."""
    sock = connect(engine.port)
    sock.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    return sock


@pytest.mark.parametrize("mode", WELL_FORMED)
def test_plain_http(engine: Engine, fault_origin: FaultOrigin, mode: str) -> None:
    authority = b"127.0.0.1:%d" % fault_origin.port
    target = b"/%s?x=\xc3\xa4&y='" % mode.encode()
    with connect(fault_origin.port) as sock:
        sock.sendall(b"GET %s HTTP/1.1\r\n" % target + HEAD % authority)
        direct = read_to_end(sock)
    with connect(engine.port) as sock:
        sock.sendall(b"GET http://%s%s HTTP/1.1\r\n" % (authority, target) + HEAD % authority)
        proxied = read_to_end(sock)
    assert proxied == direct
    assert fault_origin.heads[0] == fault_origin.heads[1]
    (flow,) = engine.flows()
    assert flow.response is not None
    assert flow.response.raw in direct
    assert flow.request.raw.endswith(HEAD % authority)


@pytest.mark.parametrize("mode", WELL_FORMED)
def test_https(engine: Engine, tls_fault_origin: FaultOrigin, ca: TestAuthority, mode: str) -> None:
    origin = tls_fault_origin
    authority = b"localhost:%d" % origin.port
    request = b"POST /%s HTTP/1.1\r\nContent-Length: 3\r\n" % mode.encode() + HEAD % authority
    received = []
    for sock, trusted in (
        (connect(origin.port), str(ca.path)),
        (open_tunnel(engine, authority), engine.ca),
    ):
        context = ssl.create_default_context(cafile=trusted)
        with sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(request + b"abc")
            received.append(read_to_end(tls))
    assert received[0] == received[1]
    assert origin.heads[0] == origin.heads[1]


def test_trailers_are_stored(engine: Engine, fault_origin: FaultOrigin) -> None:
    answer = curl("-x", engine.proxy, f"{fault_origin.url}/trailers")
    assert answer.body == b"hello world"
    (flow,) = engine.flows()
    assert flow.response is not None
    assert flow.response.trailers is not None
    assert list(flow.response.trailers) == [("X-Sum", "42")]
    assert bytes(flow.response.body) == b"hello world"


def test_informational_responses_are_passed_on_and_stored(
    engine: Engine, fault_origin: FaultOrigin
) -> None:
    answer = curl("-x", engine.proxy, "-i", f"{fault_origin.url}/early")
    assert answer.body.count(b"HTTP/1.1 103 Early Hints\r\n") == 2
    (flow,) = engine.flows()
    assert flow.response is not None
    assert [early.status for early in flow.response.informational] == [102, 103, 103]


def test_events_arrive_when_they_are_sent(engine: Engine, fault_origin: FaultOrigin) -> None:
    url = fault_origin.url.encode()
    begin = time.monotonic()
    seen = []
    with connect(engine.port) as sock:
        sock.sendall(
            b"GET %s/sse?count=3&every=1 HTTP/1.1\r\n" % url
            + HEAD % b"127.0.0.1:%d" % fault_origin.port
        )
        while data := sock.recv(65536):
            seen += [time.monotonic() - begin] * data.count(b"data: tick")
    assert [round(moment) for moment in seen] == [0, 1, 2]
    (flow,) = engine.flows()
    assert flow.response is not None
    assert bytes(flow.response.body).count(b"data: tick") == 3


def test_a_body_waits_for_100_continue(engine: Engine, fault_origin: FaultOrigin) -> None:
    data = b"x" * 5000
    expecting = ("-x", engine.proxy, "-i", "-H", "Expect: 100-continue", "--data-binary", "@-")
    answer = curl(*expecting, f"{fault_origin.url}/continue", stdin=data)
    assert answer.body.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert answer.body.endswith(data)
    answer = curl(*expecting, f"{fault_origin.url}/no-continue", stdin=data)
    assert answer.status == 417
    passed, refused = engine.flows(2)
    assert bytes(passed.request.body) == data
    assert refused.response is not None
    assert refused.response.status == 417


def test_head_answers_keep_in_step(engine: Engine, fault_origin: FaultOrigin) -> None:
    url = f"{fault_origin.url}/head-length"
    answer = curl("-x", engine.proxy, "-I", url, url)
    assert answer.exit_code == 0, answer.error
    assert answer.body.count(b"Content-Length: 1000") == 2
    assert len(engine.flows(2)) == 2


def test_an_upgraded_connection_is_a_tunnel(engine: Engine, fault_origin: FaultOrigin) -> None:
    authority = b"127.0.0.1:%d" % fault_origin.port
    with connect(engine.port) as sock:
        sock.sendall(
            b"GET http://%s/upgrade HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
            b"Upgrade: echo\r\n\r\n" % (authority, authority)
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b"\x00anything\xff")
        assert sock.recv(65536) == b"\x00anything\xff"
    (flow,) = engine.flows()
    assert flow.response is not None
    assert flow.response.status == 101


def test_bytes_that_are_not_http_pass_through_a_tunnel(
    engine: Engine, fault_origin: FaultOrigin
) -> None:
    with open_tunnel(engine, b"127.0.0.1:%d" % fault_origin.port) as sock:
        sock.sendall(b"\x00\x01 no protocol that we know\n")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""  # the origin read it, understood nothing and left
    (flow,) = engine.flows()
    assert flow.kind == "tcp"


def test_pipelined_requests_are_answered_in_order(
    engine: Engine, fault_origin: FaultOrigin
) -> None:
    authority = b"127.0.0.1:%d" % fault_origin.port
    start = b"GET http://%s/echo?%%d HTTP/1.1\r\nHost: %s\r\n" % (authority, authority)
    with connect(engine.port) as sock:
        last = b"Connection: close\r\n\r\n"
        sock.sendall(start % 1 + b"\r\n" + start % 2 + b"\r\n" + start % 3 + last)
        answers = read_to_end(sock)
    places = [answers.index(b"/echo?%d HTTP/1.1" % number) for number in (1, 2, 3)]
    assert places == sorted(places)
    assert len(engine.flows(3)) == 3
