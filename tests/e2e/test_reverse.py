"""Reverse mode: clients that know nothing of a proxy."""

from __future__ import annotations

from pathlib import Path

from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.peers import Nginx, curl


def test_http_in_https_out_with_the_host_of_the_target(
    tmp_path: Path, nginx: Nginx, ca: TestAuthority
) -> None:
    mode = f"reverse:{nginx.https}"
    with Engine(tmp_path, "--mode", mode, "--ssl-ca", str(ca.path)) as engine:
        answer = curl(f"http://127.0.0.1:{engine.port}/scheme")
        assert answer.body == f"https localhost localhost:{nginx.https_port}\n".encode()
        (flow,) = engine.flows()
        assert flow.request.url == f"{nginx.https}/scheme"
        assert flow.notes  # Host was changed, and the flow says so


def test_keep_host_leaves_it_alone(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--mode", f"reverse:{nginx.http}", "--keep-host") as engine:
        answer = curl("-H", "Host: shop.example", f"http://127.0.0.1:{engine.port}/scheme")
        assert answer.body == b"http shop.example shop.example\n"


def test_tls_in_too(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--mode", f"reverse:{nginx.https}", "--ssl-insecure") as engine:
        for host in ("localhost", "127.0.0.1"):
            answer = curl("--cacert", engine.ca, f"https://{host}:{engine.port}/1k")
            assert answer.body == nginx.file("1k"), answer.error
        flow = engine.flows(2)[0]
        assert flow.client.tls is not None
        assert flow.server is not None
        assert flow.server.tls is not None
        assert flow.server.tls.verify_error  # accepted, not hidden


def test_an_unknown_authority_is_refused_by_name(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--mode", f"reverse:{nginx.https}") as engine:
        answer = curl(f"http://127.0.0.1:{engine.port}/1k")
        assert answer.status == 502
        assert b"--ssl-insecure" in answer.body or b"--ssl-ca" in answer.body
        (flow,) = engine.flows()
        assert flow.state == "error"
        assert flow.error
