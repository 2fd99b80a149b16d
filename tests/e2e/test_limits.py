"""Every limit and time limit of the options, as a peer that goes beyond it meets it."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.peers import Nginx, curl, wait_for


@contextlib.contextmanager
def connection(engine: Engine) -> Iterator[socket.socket]:
    """A connection to the proxy."""
    with socket.create_connection(("127.0.0.1", engine.port), 10) as sock:
        yield sock


def until_closed(sock: socket.socket) -> tuple[bytes, float]:
    """What comes until the proxy closes, and after how many seconds it does."""
    begin = time.monotonic()
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            received += data
    return received, time.monotonic() - begin


@pytest.mark.parametrize(
    ("option", "fields"),
    [("--max-fields=20", b"A: b\r\n" * 30), ("--max-head=2k", b"A: " + b"b" * 3000 + b"\r\n")],
    ids=["fields", "head"],
)
def test_heads_have_limits(tmp_path: Path, nginx: Nginx, option: str, fields: bytes) -> None:
    with Engine(tmp_path, option) as engine:
        assert curl("-x", engine.proxy, f"{nginx.http}/1k").status == 200
        with connection(engine) as sock:
            sock.sendall(b"GET http://h/ HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n")
            answer, _ = until_closed(sock)
        assert answer.split()[1] in (b"400", b"431")
        refused = engine.flows(2)[1]
        assert refused.state == "error"


def test_connections_beyond_the_most_are_closed_at_once(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--max-connections=2") as engine:
        with connection(engine), connection(engine):
            with connection(engine) as third:
                _, seconds = until_closed(third)
            assert seconds < 1
        wait_for(
            lambda: curl("-x", engine.proxy, f"{nginx.http}/1k").status == 200,
            "room after the others left",
        )


def test_a_body_beyond_the_budget_is_relayed_and_not_kept(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--capture-budget=50k") as engine:
        assert curl("-x", engine.proxy, f"{nginx.http}/100k").body == nginx.file("100k")
        (flow,) = engine.flows()
        assert flow.response is not None
        assert (flow.response.body.size, flow.response.body.truncated) == (100 * 1024, True)
        assert len(bytes(flow.response.body)) < 100 * 1024


@pytest.mark.parametrize(
    ("option", "sent"),
    [
        ("--head-timeout=1s", b"GET http://h/ HTTP/1.1\r\nHost:"),
        ("--idle-timeout=1s", b""),
        ("--body-timeout=1s", b"POST %s/echo HTTP/1.1\r\nHost: %s\r\nContent-Length: 9\r\n\r\nabc"),
        ("--handshake-timeout=1s", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_client_that_goes_silent_is_left(
    tmp_path: Path, fault_origin: FaultOrigin, option: str, sent: bytes
) -> None:
    url = fault_origin.url.encode()
    if b"%s" in sent:
        sent %= (url, url.removeprefix(b"http://"))
    with Engine(tmp_path, option) as engine, connection(engine) as sock:
        sock.sendall(sent)
        _, seconds = until_closed(sock)
        assert 0.8 < seconds < 3


def test_a_silent_tunnel_is_closed(tmp_path: Path, fault_origin: FaultOrigin) -> None:
    with Engine(tmp_path, "--tunnel-timeout=1s") as engine, connection(engine) as sock:
        authority = b"127.0.0.1:%d" % fault_origin.port
        sock.sendall(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.sendall(b"\x00 not HTTP")
        _, seconds = until_closed(sock)
        assert 0.8 < seconds < 3
        assert engine.flows()[0].kind == "tcp"


def test_options_come_from_environment_and_file_too(tmp_path: Path, nginx: Nginx) -> None:
    (tmp_path / "config").mkdir(mode=0o700)
    (tmp_path / "config/config.toml").write_text(f"mode = {json.dumps('reverse:' + nginx.http)}\n")
    env = {"RAMA_BODY_LIMIT": "1000", "RAMA_CONFDIR": str(tmp_path / "config")}
    with Engine(tmp_path, env=env) as engine:
        assert curl(f"http://127.0.0.1:{engine.port}/100k").body == nginx.file("100k")
        (flow,) = engine.flows()
        assert flow.response is not None
        assert len(bytes(flow.response.body)) == 1000
