"""The peers themselves, without a proxy between: what e2e tests take for granted."""

from __future__ import annotations

import pytest

from tests.support.certificates import TestAuthority
from tests.support.fault_origin import MODES, FaultOrigin
from tests.support.peers import Nginx, curl


@pytest.mark.parametrize("name", ["0", "1k", "100k"])
def test_nginx_serves_files_of_known_bytes(nginx: Nginx, ca: TestAuthority, name: str) -> None:
    for url in (nginx.http, nginx.https):
        answer = curl("--cacert", str(ca.path), f"{url}/{name}")
        assert (answer.exit_code, answer.status) == (0, 200), answer.error
        assert answer.body == nginx.file(name)


def test_nginx_compresses_and_knows_the_statuses(nginx: Nginx) -> None:
    assert b"Content-Encoding: gzip" in curl("-i", "--compressed", f"{nginx.http}/data.json").body
    assert [curl(f"{nginx.http}/{code}").status for code in (204, 302, 304)] == [204, 302, 304]
    assert curl("-I", f"{nginx.http}/1g").body.lower().count(b"content-length: 1073741824") == 1


@pytest.mark.parametrize(
    ("mode", "exit_code"),  # curl's codes for what is broken
    [
        ("echo", 0),
        ("trailers", 0),
        ("early", 0),
        ("extensions", 0),
        ("close", 0),
        ("bare-lf", 0),
        ("short", 18),
        ("chunk-cut", 18),
        ("chunk-bad", 56),
        ("garbage", 1),
        ("hang-up", 52),
        ("reset", 56),
        ("reset-body", 56),
    ],
)
def test_fault_origin_does_what_its_modes_say(
    fault_origin: FaultOrigin, mode: str, exit_code: int
) -> None:
    assert curl(f"{fault_origin.url}/{mode}").exit_code == exit_code
    assert fault_origin.heads[0].startswith(b"GET /" + mode.encode())


def test_fault_origin_over_tls(tls_fault_origin: FaultOrigin, ca: TestAuthority) -> None:
    answer = curl("--cacert", str(ca.path), "-d", "some data", f"{tls_fault_origin.url}/echo")
    assert answer.body.endswith(b"\r\n\r\nsome data"), answer.error
    assert tls_fault_origin.bodies == [b"some data"]


def test_every_mode_is_described() -> None:
    assert [name for name, mode in MODES.items() if not mode.__doc__] == []
