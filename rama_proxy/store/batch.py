"""What waits to be written becomes rows, one transaction at a time. Runs in the writer's thread."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.jsontext import to_json
from rama_proxy.model.message import Message
from rama_proxy.store.bodies import BodyLedger
from rama_proxy.store.connection_rows import CONNECTION_COLUMNS, connection_row, fingerprint
from rama_proxy.store.rows import FLOW_COLUMNS, Part, Row, content_of, flow_row

MAX_REMEMBERED = 4096

_KEPT = {"mark", "comment", "tags"}  # what a person wrote survives a flow that says nothing there


def _upsert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" * len(columns))
    updates = ", ".join(
        f"{name} = coalesce(excluded.{name}, {name})" if name in _KEPT
        else f"{name} = excluded.{name}"
        for name in columns[1:]
    )  # fmt: skip
    return (
        f"INSERT INTO {table}({', '.join(columns)}) VALUES ({places})"  # noqa: S608  our own names
        f" ON CONFLICT(id) DO UPDATE SET {updates}"
    )


_UPSERT_FLOW = _upsert("flows", FLOW_COLUMNS)
_UPSERT_CONNECTION = _upsert("connections", CONNECTION_COLUMNS)
_INSERT_CERTIFICATE = "INSERT INTO certificates(sha256, der) VALUES (?, ?) ON CONFLICT DO NOTHING"
_INSERT_LOG = "INSERT INTO log(at, level, source, message) VALUES (?, ?, ?, ?)"
_INSERT_MESSAGE = (
    "INSERT INTO messages(flow_id, seq, from_client, opcode, size, data, at, flags)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(flow_id, seq) DO NOTHING"
)
_SET_META = (
    "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
)
_EDIT = (
    "UPDATE flows SET rev = ?, mark = iif(?, ?, mark), comment = iif(?, ?, comment),"
    " tags = iif(?, ?, tags) WHERE id = ?"
)
_LAST_REV = "SELECT coalesce(max(rev), 0) FROM flows"
_PLACED = "SELECT req_body_id, resp_body_id FROM flows WHERE id IN (SELECT value FROM json_each(?))"


class Edit(NamedTuple):
    """What a person writes on a stored flow; None leaves a thing as it is, "" takes it away."""

    flow_id: int
    mark: str | None = None
    comment: str | None = None
    tags: Iterable[str] | None = None


class FlowMessage(NamedTuple):
    """One message or chunk inside a flow."""

    flow_id: int
    seq: int
    from_client: bool
    opcode: int
    size: int
    data: bytes
    at: int
    flags: int


class LogEntry(NamedTuple):
    """A line of the log."""

    at: int
    level: str
    source: str
    message: str


class Meta(NamedTuple):
    """A fact about the store or its engine."""

    key: str
    value: str | None


Item = Flow | ConnectionInfo | Edit | FlowMessage | LogEntry | Meta


class Batches:
    """Writes batches of items over the store's one writing connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ledger = BodyLedger(connection)
        self._connections: dict[int, None] = {}  # ids lately written
        self._rev = 0
        self._loaded = False  # whether what we remember is what the store has

    def write(self, items: Sequence[Item]) -> None:
        """Write `items` in one transaction; of several rows with one id the last one counts.

        Raises what sqlite3 raises, and errors of values that no column can hold; nothing of the
        batch is in the store then.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if not self._loaded:
                self._load()
            self._write(items)
            self._connection.execute("COMMIT")
        except BaseException:
            self._loaded = False
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
                self._connection.execute("ROLLBACK")
            raise

    def _load(self) -> None:
        self._ledger.load()
        self._connections.clear()
        self._rev = self._connection.execute(_LAST_REV).fetchone()[0]
        self._loaded = True

    def _write(self, items: Sequence[Item]) -> None:
        flows: dict[int, Flow] = {}
        connections: dict[int, ConnectionInfo] = {}
        others: dict[type, list[Any]] = {Edit: [], FlowMessage: [], LogEntry: [], Meta: []}
        for item in items:
            if isinstance(item, Flow):
                flows[item.id] = item
            elif isinstance(item, ConnectionInfo):
                connections[item.id] = item
            else:
                others[type(item)].append(item)
        if flows:
            self._write_flows(flows, connections)
        if connections:
            self._write_connections(connections)
        execute = self._connection.executemany
        for kind, statement in (
            (FlowMessage, _INSERT_MESSAGE),
            (LogEntry, _INSERT_LOG),
            (Meta, _SET_META),
        ):
            if others[kind]:
                execute(statement, others[kind])
        if others[Edit]:
            execute(_EDIT, [self._edit_row(edit) for edit in others[Edit]])

    def _write_flows(self, flows: dict[int, Flow], connections: dict[int, ConnectionInfo]) -> None:
        ledger = self._ledger
        for request_body, response_body in self._connection.execute(
            _PLACED, (to_json(list(flows)),)
        ):
            ledger.drop(request_body)
            ledger.drop(response_body)
        messages: list[Message] = []
        for flow in flows.values():
            messages.append(flow.request)
            if flow.response is not None:
                messages.append(flow.response)
        contents = [content_of(message) for message in messages]
        parts = map(Part, contents, ledger.place(messages, contents))
        rows: list[Row] = []
        for flow in flows.values():
            self._rev += 1
            request_part = next(parts)
            response_part = None if flow.response is None else next(parts)
            rows.append(flow_row(flow, self._rev, request_part, response_part))
            if flow.client.id not in self._connections:
                connections.setdefault(flow.client.id, flow.client)
            if flow.server is not None and flow.server.id not in self._connections:
                connections.setdefault(flow.server.id, flow.server)
        ledger.write()
        self._connection.executemany(_UPSERT_FLOW, rows)

    def _write_connections(self, connections: dict[int, ConnectionInfo]) -> None:
        certificates = [
            (fingerprint(certificate), certificate)
            for info in connections.values()
            if info.tls is not None
            for certificate in info.tls.certificates
        ]
        if certificates:
            self._connection.executemany(_INSERT_CERTIFICATE, certificates)
        rows = [connection_row(info) for info in connections.values()]
        self._connection.executemany(_UPSERT_CONNECTION, rows)
        if len(self._connections) > MAX_REMEMBERED:
            self._connections.clear()
        self._connections.update(dict.fromkeys(connections))

    def _edit_row(self, edit: Edit) -> Row:
        self._rev += 1
        tags = None if edit.tags is None else to_json(sorted(edit.tags))
        return (
            self._rev,
            edit.mark is not None, edit.mark or None,
            edit.comment is not None, edit.comment or None,
            tags is not None, None if tags == "[]" else tags,
            edit.flow_id,
        )  # fmt: skip
