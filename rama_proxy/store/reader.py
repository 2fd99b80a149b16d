"""Reading a store, while its engine writes or after. Never writes; nobody waits for it.

A Reader may be used from several threads, by one at a time; only `interrupt` may come at any
moment. Queries that a filter narrows run the filter's own functions inside SQLite.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from backports import zstd

from rama_proxy.errors import QueryInterrupted, StoreError
from rama_proxy.filters import FUNCTIONS, Where
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.store.bodies import unpack
from rama_proxy.store.connection_rows import chain_of, connection_from_row
from rama_proxy.store.files import newest_store, store_error
from rama_proxy.store.lock import writer_pid
from rama_proxy.store.opening import open_for_reading, recover
from rama_proxy.store.rows import flow_from_row, from_json, to_json

__all__ = ["Changes", "FlowRow", "LogRow", "MessageRow", "Reader", "newest_store", "writer_pid"]

EVERY = Where("1")
_FETCH = 256

_ROWS = (
    "SELECT f.id, f.kind, f.state, f.started_at, f.method, f.scheme, f.host, f.port, f.path, f.url,"
    " f.version, f.status, f.resp_type, f.req_size, f.resp_size, f.t_ttfb_us, f.t_total_us,"
    " f.error, f.mark, f.comment, f.rev, f.parent_id, f.grpc_status FROM flows f WHERE "
)
_PAGE = _ROWS + "f.id IN (SELECT value FROM json_each(?))"  # noqa: S608  our own words
_COUNT = "SELECT count(*) FROM flows f WHERE "
_IDS = "SELECT f.id FROM flows f WHERE "  # unordered: SQLite may read an index, not the table
_SINCE = ("SELECT f.rev, f.id, ", " FROM flows f WHERE f.rev > ? ORDER BY f.rev LIMIT ?")
_CERTIFICATES = (
    "SELECT sha256, der FROM certificates WHERE sha256 IN (SELECT value FROM json_each(?))"
)
_BODY = {
    "request": "SELECT b.codec, b.data, b.size FROM flows f JOIN bodies b ON b.id = f.req_body_id"
    " WHERE f.id = ?",
    "response": "SELECT b.codec, b.data, b.size FROM flows f JOIN bodies b ON b.id = f.resp_body_id"
    " WHERE f.id = ?",
}
_ANNOTATIONS = (
    "SELECT f.id, c.annotations FROM flows f JOIN connections c ON c.id = f.client_id"
    " WHERE f.id IN (SELECT value FROM json_each(?)) AND c.annotations IS NOT NULL"
)
_MESSAGES = (
    "SELECT seq, at, from_client, opcode, size, flags, data FROM messages"
    " WHERE flow_id = ? AND seq > ? ORDER BY seq LIMIT ?"
)
_MESSAGE_COUNT = "SELECT count(*) FROM messages WHERE flow_id = ?"
_LOG = "SELECT id, at, level, source, message FROM log WHERE id > ? ORDER BY id"


@dataclass(slots=True)
class FlowRow:
    """What a list shows of a flow. Durations in seconds, sizes in bytes seen."""

    id: int
    kind: str
    state: str
    started: float
    method: str
    scheme: str
    host: str
    port: int
    path: str  # with query
    url: str  # with the host that the client named
    version: str
    status: int | None
    resp_type: str  # media type without parameters
    req_size: int
    resp_size: int | None
    ttfb: float | None
    total: float | None
    error: str
    mark: str
    comment: str
    rev: int
    replay_of: int | None
    grpc_status: int | None  # of a gRPC call that has ended


class Changes(NamedTuple):
    """What happened after a revision: ask again from `rev`.

    `ids` were written and fit the condition, `removed` were written and do not.
    """

    rev: int
    ids: list[int]
    removed: list[int]


@dataclass(slots=True)
class LogRow:
    """A line of the engine's log; `at` is wall-clock seconds."""

    id: int
    at: float
    level: str
    source: str
    message: str


@dataclass(slots=True)
class MessageRow:
    """A message of a flow; `seq` counts both directions from 1.

    `at` is wall-clock seconds, `size` that of the whole message, `data` what was kept; opcodes and
    flags are those of model.websocket.
    """

    seq: int
    at: float
    from_client: bool
    opcode: int
    size: int
    flags: int
    data: bytes


class Reader:
    """A read-only view of the store at `path`. Raises StoreError for what cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        recover(path)
        self._connection = open_for_reading(path)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("rama_unpack", 2, _unpack_whole, deterministic=True)
        for name, (count, function) in FUNCTIONS.items():
            self._connection.create_function(name, count, function, deterministic=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close; the reader is of no more use."""
        self._connection.close()

    def interrupt(self) -> None:
        """Stop the query that another thread is waiting for; it raises QueryInterrupted."""
        self._connection.interrupt()

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

    def data_version(self) -> int:
        """A number that changes when somebody has written; microseconds to ask."""
        version: int = self._value("PRAGMA data_version")
        return version

    def last_rev(self) -> int:
        """The revision of the latest change."""
        return self._value("SELECT max(rev) FROM flows") or 0

    def last_id(self) -> int:
        """The highest flow id, 0 without any."""
        return self._value("SELECT max(id) FROM flows") or 0

    def count(self, where: Where | None = None) -> int:
        """How many flows there are."""
        where = where or EVERY
        count: int = self._value(_COUNT + where.sql, where.params)
        return count

    def ids(self, where: Where | None = None) -> array[int]:
        """The ids of all flows, ascending."""
        where = where or EVERY
        with self._errors():
            found = [row[0] for row in self._tuples(_IDS + where.sql, where.params)]
        found.sort()
        return array("q", found)

    def _tuples(self, query: str, parameters: Sequence[object]) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor.execute(query, parameters)

    def since(self, rev: int, where: Where | None = None, limit: int = 5000) -> Changes:
        """What was written after revision `rev`, oldest change first, at most `limit` flows."""
        where = where or EVERY
        query = where.sql.join(_SINCE)
        with self._errors():
            rows = self._tuples(query, (*where.params, rev, limit)).fetchall()
        if not rows:
            return Changes(rev, [], [])
        return Changes(
            rows[-1][0],
            [flow_id for _, flow_id, fits in rows if fits],
            [flow_id for _, flow_id, fits in rows if not fits],
        )

    def page(self, ids: Iterable[int]) -> list[FlowRow]:
        """The rows of `ids` in their order; one that is not there is left out."""
        wanted = list(ids)
        with self._errors():
            rows = self._tuples(_PAGE, (to_json(wanted),)).fetchall()
        found = {row[0]: _flow_row(row) for row in rows}
        return [found[flow_id] for flow_id in wanted if flow_id in found]

    def iter_flows(
        self, where: Where | None = None, *, newest_first: bool = False
    ) -> Iterator[FlowRow]:
        """The rows of all flows by id, as they are found."""
        where = where or EVERY
        query = _ROWS + where.sql + (" ORDER BY f.id DESC" if newest_first else " ORDER BY f.id")
        with self._errors():
            cursor = self._tuples(query, where.params)
            while rows := cursor.fetchmany(_FETCH):
                yield from map(_flow_row, rows)

    def flow(self, flow_id: int) -> Flow | None:
        """The whole flow with its connections; bodies have their sizes, `load_bodies` the rest."""
        rows = self._all("SELECT * FROM flows WHERE id = ?", (flow_id,))
        if not rows:
            return None
        row = dict(rows[0])
        client = self.connection(row["client_id"] or 0)
        server = self.connection(row["server_id"]) if row["server_id"] else None
        return flow_from_row(row, client or ConnectionInfo("client", id=0), server)

    def connection(self, connection_id: int) -> ConnectionInfo | None:
        """A connection with its TLS and certificates."""
        rows = self._all("SELECT * FROM connections WHERE id = ?", (connection_id,))
        if not rows:
            return None
        row = dict(rows[0])
        found = self._all(_CERTIFICATES, (to_json(chain_of(row)),))
        return connection_from_row(row, {item["sha256"]: item["der"] for item in found})

    def load_bodies(self, flow: Flow) -> None:
        """Fill the chunks of both bodies of a flow of this store."""
        for message, side in ((flow.request, "request"), (flow.response, "response")):
            if message is not None:
                data = self.body(flow.id, side)
                message.body.chunks = [data] if data else []

    def body(self, flow_id: int, side: str) -> bytes:
        """What was kept of the "request" or "response" body, content coding included."""
        rows = self._all(_BODY[side], (flow_id,))
        if not rows:
            return b""
        codec, stored, size = rows[0]
        data = _unpack_whole(codec, stored)
        if data is None or len(data) != size:
            raise StoreError(f"{self.path}: the {side} body of flow {flow_id} is damaged")
        return data

    def messages(self, flow_id: int, after_seq: int = 0, limit: int = 1000) -> list[MessageRow]:
        """The messages of a flow after number `after_seq`, in order, at most `limit`."""
        rows = self._all(_MESSAGES, (flow_id, after_seq, limit))
        return [MessageRow(row[0], row[1] / 1e6, bool(row[2]), *row[3:]) for row in rows]

    def message_count(self, flow_id: int) -> int:
        """How many messages a flow has."""
        count: int = self._value(_MESSAGE_COUNT, (flow_id,))
        return count

    def annotations(self, ids: Iterable[int]) -> dict[int, dict[str, str]]:
        """For each of these flows what addons noted on its client's connection."""
        rows = self._all(_ANNOTATIONS, (to_json(list(ids)),))
        return {row[0]: from_json(row[1]) for row in rows}

    def logs(self, after_id: int = 0) -> list[LogRow]:
        """The log's lines after `after_id`, oldest first."""
        rows = self._all(_LOG, (after_id,))
        return [LogRow(row[0], row[1] / 1e6, row[2], row[3], row[4]) for row in rows]

    def meta(self, key: str) -> str | None:
        """What the engine noted under `key`."""
        value: str | None = self._value("SELECT value FROM meta WHERE key = ?", (key,))
        return value


def _unpack_whole(codec: int, data: bytes) -> bytes | None:
    """`unpack` for queries: one damaged body must not end a search through all."""
    try:
        return unpack(codec, data)
    except zstd.ZstdError:
        return None


def _flow_row(row: tuple[Any, ...]) -> FlowRow:
    (
        flow_id, kind, state, started, method, scheme, host, port, path, url, version, status,
        resp_type, req_size, resp_size, ttfb, total, error, mark, comment, rev, replay_of,
        grpc_status,
    ) = row  # fmt: skip
    return FlowRow(
        flow_id, kind, state, started / 1e6, method, scheme, host, port, path, url, version,
        status, resp_type or "", req_size, resp_size,
        None if ttfb is None else ttfb / 1e6, None if total is None else total / 1e6,
        error or "", mark or "", comment or "", rev, replay_of, grpc_status,
    )  # fmt: skip
