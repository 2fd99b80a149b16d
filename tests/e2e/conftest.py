"""The engine that e2e tests share: a new one for each test, which trusts the test servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.between import between
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine

__all__ = ["between", "engine"]


@pytest.fixture
def engine(tmp_path: Path, ca: TestAuthority) -> Iterator[Engine]:
    """`rama capture` in regular mode."""
    with Engine(tmp_path, "--ssl-ca", str(ca.path)) as running:
        yield running
