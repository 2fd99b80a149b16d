"""Reading a store, while its engine writes or after. Never writes; nobody waits for it.

A Reader may be used from several threads, by one at a time; only `interrupt` may come at any
moment. Queries that a filter narrows run the filter's own functions inside SQLite.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from rama_proxy.errors import StoreError
from rama_proxy.filters import Where
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.jsontext import from_json, to_json
from rama_proxy.store.connection_rows import chain_of, connection_from_row
from rama_proxy.store.files import newest_store
from rama_proxy.store.lock import writer_pid
from rama_proxy.store.messages import MessageHead, MessageQueries, MessageRow
from rama_proxy.store.queries import unpack_whole
from rama_proxy.store.rows import flow_from_row

__all__ = [
    "Attempts",
    "Changes",
    "FlowRow",
    "LogRow",
    "MessageHead",
    "MessageRow",
    "Reader",
    "newest_store",
    "writer_pid",
]

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
_ATTEMPTS = "SELECT id FROM flows WHERE parent_id = ? ORDER BY id DESC LIMIT ?"
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


class Attempts(NamedTuple):
    """The replays of a flow: how many there are, and the ids of the latest, ascending."""

    total: int
    latest: list[int]


@dataclass(slots=True)
class LogRow:
    """A line of the engine's log; `at` is wall-clock seconds."""

    id: int
    at: float
    level: str
    source: str
    message: str


class Reader(MessageQueries):
    """A read-only view of the store at `path`. Raises StoreError for what cannot be read."""

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
        data = unpack_whole(codec, stored)
        if data is None or len(data) != size:
            raise StoreError(f"{self.path}: the {side} body of flow {flow_id} is damaged")
        return data

    def attempts(self, flow: Flow, most: int = 8) -> Attempts:
        """All replays of what `flow` repeats, or of itself; the ids of the `most` latest."""
        origin = flow.parent_id or flow.id
        count = self._value("SELECT count(*) FROM flows WHERE parent_id = ?", (origin,))
        rows = self._all(_ATTEMPTS, (origin, most)) if count else []
        return Attempts(count, [row[0] for row in reversed(rows)])

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
