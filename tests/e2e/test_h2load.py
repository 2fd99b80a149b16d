"""h2load through the proxy to nginx: every request is answered, and memory comes back down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.http2_clients import h2load
from tests.support.peers import Nginx, wait_for

SECONDS = 60


def load(engine: Engine, scheme: str, requests: int) -> None:
    """Send requests on 8 connections with 32 streams each; every one must be answered."""
    options = ("-c", "8", "-m", "32")
    counted = h2load(f"{scheme}://localhost:{engine.port}/1k", requests, *options)
    assert (counted.succeeded, counted.failed, counted.errored) == (requests, 0, 0), counted.output
    assert counted.statuses["2xx"] == requests


def all_stored(engine: Engine, count: int, seconds: float = SECONDS) -> None:
    """Wait for the rows of `count` flows, all of them HTTP/2 and whole."""
    whole = "select count(*) from flows where state = 'done' and version = 'HTTP/2'"
    whole += " and status = 200 and resp_size = 1024"
    wait_for(lambda: engine.query(whole)[0][0] >= count, f"{count} rows", seconds)
    assert engine.query("select count(*) from flows") == [(count,)]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_5000_requests(tmp_path: Path, nginx: Nginx, ca: TestAuthority, scheme: str) -> None:
    url = nginx.h2c if scheme == "http" else nginx.https2
    with Engine(tmp_path, "--mode", f"reverse:{url}", "--ssl-ca", str(ca.path)) as engine:
        load(engine, scheme, 5000)
        all_stored(engine, 5000)


@pytest.mark.parametrize("upstream", ["1.1", "2"])
def test_1000_requests_with_a_version_forced_on_the_server(
    tmp_path: Path, nginx: Nginx, ca: TestAuthority, upstream: str
) -> None:
    options = ("--mode", f"reverse:{nginx.https2}", "--upstream-http", upstream)
    with Engine(tmp_path, *options, "--ssl-ca", str(ca.path)) as engine:
        load(engine, "https", 1000)
        all_stored(engine, 1000)


@pytest.mark.soak
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_100_000_requests_leave_memory_as_it_was(
    tmp_path: Path, nginx: Nginx, ca: TestAuthority, scheme: str
) -> None:
    url = nginx.h2c if scheme == "http" else nginx.https2
    with Engine(tmp_path, "--mode", f"reverse:{url}", "--ssl-ca", str(ca.path)) as engine:
        # SQLite's cache of 8 MiB fills, and the writer falls behind as far as it ever does.
        load(engine, scheme, 100_000)
        all_stored(engine, 100_000, 300)
        before = engine.memory("VmRSS")
        load(engine, scheme, 100_000)
        all_stored(engine, 200_000, 300)
        after = engine.memory("VmRSS")
        print(f"{scheme}: {before >> 20} MiB before, {after >> 20} after")
        assert after < before * 1.2
