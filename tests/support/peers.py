"""Real peers on loopback for tests and bench: nginx, curl, and certificates for them.

Everything lives in a directory that is given and ends with its `close`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.support.certificates import TestAuthority
from tests.support.fault_origin import FaultOrigin

T = TypeVar("T")

CLIENT_VARIABLES = {  # what would send a client elsewhere or make it trust something else
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSLKEYLOGFILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
}


def clean_env(**more: str) -> dict[str, str]:
    """The environment for a client or engine: nothing that points it anywhere, and `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
    return kept | more


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], T], what: str, seconds: float = 10) -> T:
    """The first true value of `condition`, asked every 10 ms. Fails naming `what` after that."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s for {what}", pytrace=False)
        time.sleep(0.01)
    return value


def listens(port: int) -> bool:
    """Whether something accepts connections on 127.0.0.1:`port`."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def program(name: str) -> str:
    """The path of a program that the tests need; fails saying which is missing."""
    path = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed; .ci/run lists what the tests need", pytrace=False)
    return path


@dataclass(slots=True)
class Answer:
    """What curl said. `exit_code` is its own, `status` 0 if no response came."""

    exit_code: int
    status: int
    body: bytes
    error: str


def curl(*arguments: str, timeout: float = 30, stdin: bytes | None = None) -> Answer:
    """Run curl with `arguments` in a clean environment, without its config file."""
    report = "%{stderr}\nstatus=%{http_code}"
    run = subprocess.run(
        [program("curl"), "-q", "-sS", "-w", report, *arguments],
        env=clean_env(),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=timeout,
    )
    error, _, status = run.stderr.decode(errors="replace").rpartition("\nstatus=")
    return Answer(run.returncode, int(status or 0), run.stdout, error)


NGINX_CONF = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {access_log};
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
  uwsgi_temp_path tmp; scgi_temp_path tmp;
  types {{ text/html html; application/json json; text/css css; image/png png;
           application/javascript js; text/plain txt; }}
  default_type application/octet-stream;
  keepalive_requests 1000000000;
  absolute_redirect off;
  gzip on; gzip_types application/json; gzip_min_length 200;
  sendfile on; tcp_nopush on;
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    listen 127.0.0.1:{https2} ssl http2;
    listen 127.0.0.1:{h2c} http2;
    ssl_certificate leaf.pem; ssl_certificate_key leaf.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;
    root files;
    location = /204 {{ return 204; }}
    location = /304 {{ return 304; }}
    location = /302 {{ return 302 /1k; }}
    location = /trailers {{ add_trailer X-Sum 42; alias files/1k; }}
    location = /scheme {{ return 200 "$scheme $host $http_host\\n"; }}
  }}
}}
"""

PROTOCOLS = b"""<pre id=said></pre><script>
onload = () => {
  const entries = ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
  said.textContent = entries.map(entry => entry.nextHopProtocol).join(' ')
}
</script>"""


class Nginx:
    """nginx on an HTTP and an HTTPS port, serving `files` of known bytes.

    Both speak HTTP/1.1 only; `https2` offers HTTP/2 too, `h2c` speaks it alone and without TLS.
    /0, /1k, /100k and /1g have that size (/1g is sparse zeros), /data.json is sent gzipped to who
    asks, /page.html shows 30 assets, /protocols.html says by which protocol each of them came;
    /trailers has some where the version of HTTP allows it; /204, /304 and /302 are those statuses.
    """

    def __init__(self, directory: Path, authority: TestAuthority, *, log: bool = True) -> None:
        self.directory = directory
        self.http_port, self.https_port = free_port(), free_port()
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.https = f"https://localhost:{self.https_port}"
        self.https2_port, self.h2c_port = free_port(), free_port()
        self.https2 = f"https://localhost:{self.https2_port}"
        self.h2c = f"http://127.0.0.1:{self.h2c_port}"
        self.files = directory / "files"
        self._write_files()
        (directory / "tmp").mkdir()
        (directory / "leaf.pem").write_bytes(authority.leaf("localhost", "127.0.0.1"))
        conf = NGINX_CONF.format(
            http=self.http_port,
            https=self.https_port,
            https2=self.https2_port,
            h2c=self.h2c_port,
            access_log="access.log" if log else "off",
        )
        (directory / "nginx.conf").write_text(conf)
        self._process = subprocess.Popen(
            [program("nginx"), "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # it repeats there what error.log has
        )
        ports = (self.http_port, self.https_port, self.https2_port, self.h2c_port)
        wait_for(lambda: all(map(listens, ports)), "nginx to listen")

    def _write_files(self) -> None:
        self.files.mkdir(parents=True)
        for name, size in (("0", 0), ("1k", 1024), ("100k", 100 * 1024)):
            (self.files / name).write_bytes((b"0123456789abcde\n" * (size // 16))[:size])
        with (self.files / "1g").open("wb") as file:
            file.truncate(1 << 30)
        (self.files / "data.json").write_bytes(b'{"items": [' + b"1234567, " * 400 + b"0]}")
        page = self._page()
        (self.files / "page.html").write_bytes(page)
        (self.files / "protocols.html").write_bytes(page + PROTOCOLS)

    def _page(self) -> bytes:
        """A page of ten styles, ten scripts and ten pictures; the title counts what loaded."""
        tags = []
        picture = _png()
        for number in range(10):
            (self.files / f"s{number}.css").write_bytes(b"p { margin: %dpx }" % number)
            (self.files / f"s{number}.js").write_bytes(b"window.loaded = %d;" % number)
            (self.files / f"i{number}.png").write_bytes(picture)
            tags.append(
                f'<link rel="stylesheet" href="s{number}.css">'
                f'<script src="s{number}.js"></script><img src="i{number}.png">'
            )
        # a data: icon keeps browsers from asking for /favicon.ico
        icon = '<link rel="icon" href="data:,">'
        return f"<!doctype html><title>page</title>{icon}<p>{''.join(tags)}".encode()

    @property
    def assets(self) -> list[str]:
        """The paths of everything that page.html shows."""
        names = ("s{}.css", "s{}.js", "i{}.png")
        return ["/" + name.format(number) for number in range(10) for name in names]

    def file(self, name: str) -> bytes:
        """The bytes of a served file."""
        return (self.files / name).read_bytes()

    def requests(self) -> list[str]:
        """The request lines that reached it."""
        return re.findall(
            r'"([A-Z]+ \S+ HTTP/[\d.]+)"', (self.directory / "access.log").read_text()
        )

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _png() -> bytes:
    """One grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x80")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    """The authority of the test servers; `ca.path` is for --cacert and --ssl-ca."""
    return TestAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, ca: TestAuthority) -> Iterator[Nginx]:
    """One nginx for all tests."""
    with Nginx(tmp_path_factory.mktemp("nginx"), ca) as server:
        yield server


@pytest.fixture
def fault_origin() -> Iterator[FaultOrigin]:
    """A server that breaks HTTP on demand."""
    with FaultOrigin() as origin:
        yield origin


@pytest.fixture
def tls_fault_origin(ca: TestAuthority) -> Iterator[FaultOrigin]:
    """The same over TLS, as localhost."""
    with FaultOrigin(ca.server_context("localhost", "127.0.0.1")) as origin:
        yield origin
