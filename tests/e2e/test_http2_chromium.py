"""A real browser loads a page with assets over HTTP/2 through the proxy."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_chromium import QUIET, spki_of
from tests.support.engine import Engine
from tests.support.peers import Nginx, clean_env, program, wait_for


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_with_30_assets_over_http2(
    engine: Engine, nginx: Nginx, tmp_path: Path, scheme: str
) -> None:
    """To an HTTPS proxy it speaks HTTP/2 as well: TLS and HTTP/2 in streams of HTTP/2."""
    command = [program("chromium"), "--headless", *QUIET]
    command += ["--no-sandbox"] if os.getuid() == 0 else []
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--proxy-server={scheme}://127.0.0.1:{engine.port}",
    ]
    command += ["--proxy-bypass-list=<-loopback>"]
    command += [f"--ignore-certificate-errors-spki-list={spki_of(engine.ca)}"]
    run = subprocess.run(
        [*command, "--dump-dom", f"{nginx.https2}/protocols.html"],
        env=clean_env(HOME=str(tmp_path)),
        capture_output=True,
        timeout=100,
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', run.stdout.decode())
    assert said is not None, run.stderr[-2000:]
    assert said[1].split() == ["h2"] * 31  # the browser's own word
    ours = f"port = {nginx.https2_port} and method = 'GET' and state = 'done'"
    wait_for(lambda: len(engine.flows_where(ours)) == 31, "31 rows")
    flows = engine.flows_where(ours)
    assert {flow.request.version for flow in flows} == {"HTTP/2"}
    assert {flow.client.alpn for flow in flows} == {"h2"}
    assert {flow.server.alpn for flow in flows if flow.server} == {"h2"}
    assert {flow.request.pseudo_order for flow in flows} == {"masp"}
    assert len({flow.client.id for flow in flows}) == 1
    bodies = {
        flow.request.path: flow.response.content for flow in flows if flow.response is not None
    }
    paths = ["/protocols.html", *nginx.assets]
    assert bodies == {path: nginx.file(path[1:]) for path in paths}
    assert engine.query(f"select distinct version, resp_version from flows where {ours}") == [
        ("HTTP/2", "HTTP/2")
    ]
