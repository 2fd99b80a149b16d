"""Everything that goes wrong reaches the person: an answer that says why, and a row that does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.model.flow import Flow
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.peers import Answer, Nginx, curl, free_port

QUICK = (
    "--response-timeout=1s",
    "--stream-timeout=1s",
    "--connect-timeout=1s",
    "--handshake-timeout=1s",
)


@pytest.fixture
def hasty(tmp_path: Path, ca: TestAuthority) -> Iterator[Engine]:
    """An engine that waits for nobody longer than a second."""
    with Engine(tmp_path, "--ssl-ca", str(ca.path), *QUICK) as running:
        yield running


def failed(engine: Engine, nginx: Nginx, answer: Answer, status: int, *words: str) -> Flow:
    """Check the answer and the row of a request that got no response, and that the next works."""
    assert answer.status == status, answer
    (flow,) = engine.flows()
    assert flow.state == "error"
    for word in words:
        assert word in answer.body.decode()
        assert word in flow.error
    assert curl("-x", engine.proxy, f"{nginx.http}/1k").body == nginx.file("1k")
    return flow


@pytest.mark.parametrize(
    ("mode", "status", "word"),
    [
        ("hang-up", 502, "closed"),
        ("reset", 502, "reset"),
        ("garbage", 502, "garbage"),
        ("bare-lf", 502, "LF"),
        ("two-lengths", 502, "Content-Length"),
        ("endless-head", 502, "head"),
        ("chunk-bad", 502, "zz"),  # it comes with the head, of which nothing was passed on yet
        ("silence", 504, "response"),
    ],
)
def test_a_server_that_gives_no_good_response(
    hasty: Engine, nginx: Nginx, fault_origin: FaultOrigin, mode: str, status: int, word: str
) -> None:
    answer = curl("-x", hasty.proxy, f"{fault_origin.url}/{mode}")
    failed(hasty, nginx, answer, status, word)


@pytest.mark.parametrize("mode", ["short", "chunk-cut", "reset-body", "silence-body"])
def test_a_response_that_is_cut_never_looks_whole(
    hasty: Engine, nginx: Nginx, fault_origin: FaultOrigin, mode: str
) -> None:
    answer = curl("-x", hasty.proxy, f"{fault_origin.url}/{mode}")
    assert answer.exit_code in (18, 56), answer  # partial file, receive error
    (flow,) = hasty.flows()
    assert flow.state == "error"
    assert flow.error
    assert flow.response is not None
    assert flow.response.status == 200
    assert bytes(flow.response.body) in (b"0123456789", b"hello", b"hellocut")
    assert not flow.response.body.complete
    assert curl("-x", hasty.proxy, f"{nginx.http}/1k").body == nginx.file("1k")


def test_a_response_that_nobody_asked_for_reaches_nobody(
    hasty: Engine, fault_origin: FaultOrigin
) -> None:
    url = f"{fault_origin.url}/second"
    assert curl("-x", hasty.proxy, url, url).body == b"firstfirst"
    assert curl("-x", hasty.proxy, url).body == b"first"
    assert fault_origin.connections == 3
    assert len(hasty.flows(3)) == 3


def test_a_port_where_nobody_listens(hasty: Engine, nginx: Nginx) -> None:
    port = free_port()
    answer = curl("-x", hasty.proxy, f"http://127.0.0.1:{port}/")
    failed(hasty, nginx, answer, 502, "refused", f"127.0.0.1:{port}")


def test_a_name_that_does_not_resolve(hasty: Engine, nginx: Nginx) -> None:
    answer = curl("-x", hasty.proxy, "http://no-such-host.invalid/")
    failed(hasty, nginx, answer, 502, "no-such-host.invalid")


def test_a_host_that_does_not_answer(hasty: Engine, nginx: Nginx) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # beyond the backlog, connections are not answered at all
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        answer = curl("-x", hasty.proxy, f"http://127.0.0.1:{full.getsockname()[1]}/")
    failed(hasty, nginx, answer, 504, "did not answer within 1 s")


@pytest.mark.parametrize(
    ("names", "first_day", "last_day", "self_signed", "word"),
    [
        (("localhost",), -9, -1, False, "expired"),
        (("localhost",), 1, 9, False, "not valid before"),
        (("other.example",), -1, 9, False, "localhost"),
        (("localhost",), -1, 9, True, "self-signed"),
    ],
)
def test_a_certificate_that_does_not_hold_is_named(
    hasty: Engine,
    nginx: Nginx,
    ca: TestAuthority,
    names: tuple[str, ...],
    first_day: int,
    last_day: int,
    self_signed: bool,
    word: str,
) -> None:
    context = ca.server_context(
        *names, first_day=first_day, last_day=last_day, self_signed=self_signed
    )
    with FaultOrigin(context) as origin:
        answer = curl("-x", hasty.proxy, "--cacert", hasty.ca, f"{origin.url}/echo")
        flow = failed(hasty, nginx, answer, 502, word)
        assert origin.heads == []  # nothing was sent to a server that we do not trust
        assert "--ssl-insecure" in answer.body.decode()
        assert flow.server is not None
        assert flow.server.tls is not None
        assert flow.server.tls.verify_error


def test_an_unknown_authority_is_named(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path) as engine:
        answer = curl("-x", engine.proxy, "--cacert", engine.ca, f"{nginx.https}/1k")
        failed(engine, nginx, answer, 502, "authority")


def test_a_server_that_breaks_off_the_handshake(hasty: Engine, nginx: Nginx) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            sock, _ = server.accept()
            sock.recv(10)
            sock.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}/"
        answer = curl("-x", hasty.proxy, "--cacert", hasty.ca, url)
        thread.join()
    failed(hasty, nginx, answer, 502, "handshake")


@pytest.mark.parametrize(
    ("request_bytes", "word"),
    [
        (b"GET http://h/ HTTP/1.1\nHost: h\n\n", "LF"),
        (b"GET http://h/ HTTP/1.1\r\n\r\n", "Host"),
        (b"GET http://h/ HTTP/1.1\r\nHost: other\r\n\r\n", "Host"),
        (b"GET http://h/ HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", "A "),
        (
            b"POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length",
        ),
    ],
)
def test_a_request_that_may_be_read_two_ways_is_refused_and_recorded(
    engine: Engine, request_bytes: bytes, word: str
) -> None:
    with socket.create_connection(("127.0.0.1", engine.port), 10) as sock:
        sock.sendall(request_bytes)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert word.encode() in answer.partition(b"\r\n\r\n")[2]
    (flow,) = engine.flows()
    assert flow.state == "error"
    assert word in flow.error
    assert request_bytes.startswith(flow.request.raw[:20])
    assert flow.request.raw


def test_a_client_that_leaves_is_noted(engine: Engine, fault_origin: FaultOrigin) -> None:
    with socket.create_connection(("127.0.0.1", engine.port), 10) as sock:
        url = fault_origin.url.encode()
        authority = url.removeprefix(b"http://")
        sock.sendall(b"GET %s/sse?count=99 HTTP/1.1\r\nHost: %s\r\n\r\n" % (url, authority))
        assert b"data: tick" in sock.recv(65536) + sock.recv(65536)
    (flow,) = engine.flows()
    assert flow.state == "error"
    assert "client" in flow.error
