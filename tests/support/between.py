"""The proxy between clients and origins: engines by their options, and the routes through them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.http2_clients import Client, Route

VERSIONS = ("HTTP/1.1", "HTTP/2")


class Between:
    """Starts each engine when it is first asked for, and closes them all."""

    def __init__(self, directory: Path, authority: TestAuthority) -> None:
        self._directory, self._authority = directory, authority
        self._engines: dict[tuple[str, ...], Engine] = {}
        self._closing = contextlib.ExitStack()

    def engine(self, *arguments: str) -> Engine:
        """The engine with these options."""
        if arguments not in self._engines:
            directory = self._directory / str(len(self._engines))
            directory.mkdir()
            trust = ("--ssl-ca", str(self._authority.path))
            engine = Engine(directory, *trust, *arguments)
            self._engines[arguments] = self._closing.enter_context(engine)
        return self._engines[arguments]

    def direct(self, url: str) -> Route:
        """The way to an origin without a proxy."""
        return Route(url, str(self._authority.path))

    def reverse(self, url: str, *arguments: str) -> tuple[Engine, Route]:
        """The way to an origin by an engine in reverse mode, of which the client knows nothing."""
        engine = self.engine("--mode", f"reverse:{url}", *arguments)
        scheme = url.partition(":")[0]
        return engine, Route(f"{scheme}://localhost:{engine.port}", engine.ca)

    def regular(self, url: str, *arguments: str) -> tuple[Engine, Route]:
        """The way to an origin by an engine that the client takes for its proxy."""
        engine = self.engine(*arguments)
        return engine, Route(url, engine.ca, engine.proxy)

    def pairing(self, url: str, client: Client, ours: str, theirs: str) -> tuple[Engine, Route]:
        """The way of a client that speaks `ours` to an origin that is spoken to in `theirs`."""
        forced = ("--upstream-http", theirs.rpartition("/")[2]) if ours != theirs else ()
        if client.can_tunnel(url, ours):
            return self.regular(url, *forced)
        return self.reverse(url, *forced)

    def close(self) -> None:
        """End every engine; fails if one ends badly."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory, ca: TestAuthority) -> Iterator[Between]:
    """The engines that the tests of a module share."""
    with Between(tmp_path_factory.mktemp("between"), ca) as engines:
        yield engines
