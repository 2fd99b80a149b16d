"""What all tests share: an environment of their own, and real peers on loopback."""

from __future__ import annotations

import os

import pytest

from tests.support.http2_origin import http2_origin, tls_http2_origin
from tests.support.peers import CLIENT_VARIABLES, ca, fault_origin, nginx, tls_fault_origin

__all__ = [
    "ca",
    "fault_origin",
    "http2_origin",
    "nginx",
    "tls_fault_origin",
    "tls_http2_origin",
]


def pytest_configure(config: pytest.Config) -> None:
    """The long tests run when asked for by `-m soak` only."""
    if not config.option.markexpr:
        config.option.markexpr = "not soak"


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's configuration, captures or authority."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name in CLIENT_VARIABLES or name[:5] == "RAMA_"]:
        del os.environ[name]
    os.environ["RAMA_CONFDIR"] = str(home / "config")
    os.environ["RAMA_CAPTURES"] = str(home / "data")
