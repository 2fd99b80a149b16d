"""A read-only connection to a store: how queries are put to it, and what their failures become."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from backports import zstd

from rama_proxy.errors import QueryInterrupted
from rama_proxy.filters import FUNCTIONS
from rama_proxy.store.bodies import unpack
from rama_proxy.store.files import store_error
from rama_proxy.store.opening import open_for_reading, recover


class Queries:
    """The store at `path`, open for reading. Raises StoreError for what cannot be read.

    May be used from several threads, by one at a time; only `interrupt` may come at any moment.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        recover(path)
        self._connection = open_for_reading(path)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("rama_unpack", 2, unpack_whole, deterministic=True)
        for name, (count, function) in FUNCTIONS.items():
            self._connection.create_function(name, count, function, deterministic=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close; it is of no more use."""
        self._connection.close()

    def interrupt(self) -> None:
        """Stop the query that another thread is waiting for; it raises QueryInterrupted."""
        self._connection.interrupt()

    def data_version(self) -> int:
        """A number that changes when somebody has written; microseconds to ask."""
        version: int = self._value("PRAGMA data_version")
        return version

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname == "SQLITE_INTERRUPT":
                raise QueryInterrupted("the query was stopped") from error
            raise store_error(self.path, error) from error
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    def _all(self, query: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._errors():
            return self._connection.execute(query, parameters).fetchall()

    def _value(self, query: str, parameters: Sequence[object] = ()) -> Any:
        rows = self._all(query, parameters)
        return rows[0][0] if rows else None

    def _tuples(self, query: str, parameters: Sequence[object]) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor.execute(query, parameters)


def unpack_whole(codec: int, data: bytes) -> bytes | None:
    """`unpack` for queries: one damaged body must not end a search through all."""
    try:
        return unpack(codec, data)
    except zstd.ZstdError:
        return None
