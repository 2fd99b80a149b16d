"""A real browser loads a real page, everything of it decrypted and stored."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.engine import Engine
from tests.support.peers import Nginx, clean_env, program, wait_for

QUIET = [  # else it calls home
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
]


def spki_of(file: str) -> str:
    """The hash by which Chromium is told to trust an authority."""
    key = x509.load_pem_x509_certificate(Path(file).read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def test_a_page_with_30_assets(engine: Engine, nginx: Nginx, tmp_path: Path) -> None:
    command = [program("chromium"), "--headless", *QUIET]
    command += ["--no-sandbox"] if os.getuid() == 0 else []
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--proxy-server={engine.proxy}"]
    command += ["--proxy-bypass-list=<-loopback>"]
    command += [f"--ignore-certificate-errors-spki-list={spki_of(engine.ca)}"]
    run = subprocess.run(
        [*command, "--dump-dom", f"{nginx.https}/page.html"],
        env=clean_env(HOME=str(tmp_path)),
        capture_output=True,
        timeout=100,
    )
    assert b"<title>page</title>" in run.stdout, run.stderr[-2000:]
    ours = f"port = {nginx.https_port} and method = 'GET' and state = 'done'"
    wait_for(lambda: len(engine.flows_where(ours)) == 31, "31 rows")
    bodies = {
        flow.request.path: flow.response.content
        for flow in engine.flows_where(ours)
        if flow.response is not None
    }
    assert bodies == {path: nginx.file(path[1:]) for path in ["/page.html", *nginx.assets]}
