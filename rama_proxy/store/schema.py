"""The store's tables, their version, and how an older store becomes a new one.

Times are microseconds since 1970, durations microseconds; sizes are bytes. Each step of STEPS is
one migration and must never change once released: a new column is a new step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rama_proxy.errors import StoreError

APPLICATION_ID = 0x52414D41  # "RAMA"; file(1) shows it
MIGRATION_SET = "rama"
SQLITE_FLOOR = (3, 38, 0)  # STRICT came with 3.37, ->> with 3.38
SQLITE_VERSION = sqlite3.sqlite_version_info  # of the library that is loaded

# Taken at creation only; 8192 stores a 2 KB body beside its flow, 4096 wastes a page on it.
CREATE_PRAGMAS = "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL;"

FIRST = """
CREATE TABLE flows(
  id INTEGER PRIMARY KEY,
  rev INTEGER NOT NULL,             -- grows with every write of any row: `rev > ?` is what changed
  kind TEXT NOT NULL,               -- http, websocket, tcp, tls
  state TEXT NOT NULL,              -- active, held, done, error
  started_at INTEGER NOT NULL,
  client_id INTEGER,                -- connections.id
  server_id INTEGER,
  parent_id INTEGER,                -- the flow that this one replays
  method TEXT NOT NULL,
  scheme TEXT NOT NULL,
  host TEXT NOT NULL,               -- where the request went
  port INTEGER NOT NULL,
  path TEXT NOT NULL,               -- with query
  url TEXT NOT NULL,                -- with the host that the client named
  named_host TEXT,                  -- the host that the client named, where it differs from host
  version TEXT NOT NULL,
  status INTEGER,
  req_type TEXT,                    -- media types without parameters
  resp_type TEXT,
  req_size INTEGER NOT NULL,        -- bytes seen, with content coding; not what was kept
  resp_size INTEGER,
  t_request_us INTEGER,             -- each from started_at: request sent on,
  t_ttfb_us INTEGER,                -- response head complete,
  t_total_us INTEGER,               -- over
  flags INTEGER NOT NULL,           -- rows.py names the bits
  mark TEXT,
  comment TEXT,
  tags TEXT,                        -- JSON list
  error TEXT,
  req_body_id INTEGER REFERENCES bodies(id),
  resp_body_id INTEGER REFERENCES bodies(id),
  req_encoding TEXT,                -- Content-Encoding
  resp_encoding TEXT,
  authority TEXT,
  pseudo_order TEXT,
  target BLOB,                      -- request target where it is not `path`
  reason TEXT,
  resp_version TEXT,
  req_headers TEXT NOT NULL,        -- JSON [[name, value], ...] in the order and case of the wire
  req_trailers TEXT,
  req_raw BLOB,                     -- head as received, where it is not what the columns give
  resp_headers TEXT,
  resp_trailers TEXT,
  resp_raw BLOB,
  informational TEXT,               -- JSON list of the 1xx responses
  notes TEXT,                       -- JSON list: what the proxy had to change
  metadata TEXT                     -- JSON object of addons
) STRICT;
CREATE INDEX flows_rev ON flows(rev);
CREATE INDEX flows_under_way ON flows(id) WHERE state IN ('active', 'held');

CREATE TABLE bodies(
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL,             -- blake2b of 16 bytes, of the wire bytes
  codec INTEGER NOT NULL,           -- how data is kept: 0 as it is, 1 zstd
  size INTEGER NOT NULL,            -- wire bytes, content coding included
  refs INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE connections(
  id INTEGER PRIMARY KEY,
  side TEXT NOT NULL CHECK(side IN ('client', 'server')),
  mode TEXT,
  via TEXT,                         -- upstream proxy
  peer TEXT, peer_port INTEGER,
  local TEXT, local_port INTEGER,
  host TEXT, port INTEGER,          -- server side: what was asked for, before DNS
  original TEXT, original_port INTEGER,
  opened_at INTEGER NOT NULL,
  closed_at INTEGER,
  t_dns_us INTEGER,
  t_connect_us INTEGER,
  t_tls_us INTEGER,
  bytes_in INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  error TEXT,
  tls INTEGER NOT NULL,             -- 1: the columns to certificates say something
  tls_version TEXT,
  cipher TEXT,
  tls_group TEXT,
  sni TEXT,
  alpn TEXT,
  alpn_offered TEXT,                -- JSON list
  verify_error TEXT,
  resumed INTEGER,
  certificates TEXT,                -- JSON list of certificates.sha256, leaf first
  client_hello BLOB,                -- handshake messages without record headers
  server_hello BLOB,
  h2_start BLOB,
  annotations TEXT,                 -- JSON object of addons
  ja3 TEXT GENERATED ALWAYS AS (annotations->>'$.ja3') VIRTUAL,
  ja4 TEXT GENERATED ALWAYS AS (annotations->>'$.ja4') VIRTUAL
) STRICT;
CREATE INDEX connections_ja3 ON connections(ja3) WHERE ja3 IS NOT NULL;
CREATE INDEX connections_ja4 ON connections(ja4) WHERE ja4 IS NOT NULL;

CREATE TABLE certificates(
  sha256 TEXT PRIMARY KEY,
  der BLOB NOT NULL
) STRICT;

CREATE TABLE messages(
  id INTEGER PRIMARY KEY,
  flow_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  from_client INTEGER NOT NULL,
  opcode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_flow ON messages(flow_id, seq);

CREATE TABLE log(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  source TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;

CREATE TABLE meta(
  key TEXT PRIMARY KEY,
  value TEXT
) STRICT, WITHOUT ROWID;

CREATE VIEW flow_list AS
  SELECT id, strftime('%Y-%m-%d %H:%M:%f', started_at / 1e6, 'unixepoch') AS time, kind, state,
    method, url, status, resp_type AS type, resp_size AS size, t_total_us / 1000.0 AS ms, error,
    mark, comment
  FROM flows;

CREATE VIEW headers AS
  SELECT f.id AS flow_id, 'request' AS side, j.key AS n, j.value->>0 AS name, j.value->>1 AS value
  FROM flows f, json_each(f.req_headers) j
  UNION ALL
  SELECT f.id, 'response', j.key, j.value->>0, j.value->>1
  FROM flows f, json_each(f.resp_headers) j;
"""


class Step(NamedTuple):
    """One migration. A store's user_version is the number of steps it has taken."""

    name: str
    sql: str


MESSAGE_FLAGS = """
ALTER TABLE messages ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;  -- model/websocket.py names them
"""

HTTP2_FINGERPRINT = """
ALTER TABLE connections ADD COLUMN
  h2fp TEXT GENERATED ALWAYS AS (annotations->>'$.h2fp') VIRTUAL;
ALTER TABLE connections ADD COLUMN
  h2fp_text TEXT GENERATED ALWAYS AS (annotations->>'$.h2fp_text') VIRTUAL;
CREATE INDEX connections_h2fp ON connections(h2fp) WHERE h2fp IS NOT NULL;
"""

GRPC_STATUS = """
ALTER TABLE flows ADD COLUMN grpc_status INTEGER;  -- how a gRPC call ended, 0 is well
"""

EXTENDED_CONNECT = """
ALTER TABLE flows ADD COLUMN protocol TEXT;  -- what :protocol named (RFC 8441 4)
"""

REPLAYS = """
CREATE INDEX flows_parent ON flows(parent_id) WHERE parent_id IS NOT NULL;
"""

STEPS: tuple[Step, ...] = (
    Step("first", FIRST),
    Step("message-flags", MESSAGE_FLAGS),
    Step("http2-fingerprint", HTTP2_FINGERPRINT),
    Step("grpc-status", GRPC_STATUS),
    Step("extended-connect", EXTENDED_CONNECT),
    Step("replays", REPLAYS),
)

# What sqlite-utils' Migrations makes itself; made here so that a new store needs no import of it,
# which costs 90 ms at every start.
_MIGRATIONS_TABLE = """
CREATE TABLE "_sqlite_migrations" (
  "id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT, "applied_at" TEXT);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
  ON "_sqlite_migrations" ("migration_set", "name");
"""


def create(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Make the tables in an empty database, in one transaction."""
    connection.executescript(CREATE_PRAGMAS)
    script = "".join([step.sql for step in steps])
    connection.executescript("BEGIN IMMEDIATE;" + _MIGRATIONS_TABLE + script)
    connection.executemany(
        "INSERT INTO _sqlite_migrations(migration_set, name, applied_at)"
        " VALUES (?, ?, datetime('now'))",
        [(MIGRATION_SET, step.name) for step in steps],
    )
    # Not by executescript, which would commit what came before it.
    connection.execute("PRAGMA application_id=" + str(APPLICATION_ID))
    connection.execute("PRAGMA user_version=" + str(len(steps)))
    connection.execute("COMMIT")


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of an open database. Raises StoreError for what is no store of ours."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id != APPLICATION_ID or version < 1:
        raise StoreError(f"{path} is a SQLite file, but not one that Rama made")
    if version > len(STEPS):
        raise StoreError(
            f"{path} was written by a newer Rama (schema {version}; this one knows {len(STEPS)}):"
            " update Rama to open it"
        )
    return version


def migrate(path: Path, steps: Sequence[Step]) -> Path:
    """Bring the older store at `path` up to date; the caller holds its lock.

    Returns the path of the backup that was made first. Raises StoreError and leaves the store as
    it was if a step fails.
    """
    import sqlite_utils

    connection = sqlite3.connect(path, isolation_level=None)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        backup = _backup(connection, path, version)
        migrations = sqlite_utils.Migrations(MIGRATION_SET)
        for step in steps:
            migrations(name=step.name)(_runner(step.sql))
        database = sqlite_utils.Database(connection)
        migrations.apply(database)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA user_version=" + str(len(steps)))
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"cannot bring {path} up to date: {error}") from error
    finally:
        connection.close()
    return backup


def _backup(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """A copy of the store beside it, never over another file."""
    number = 0
    while True:
        suffix = f".schema{version}.bak" + (f".{number}" if number else "")
        backup = path.with_name(path.name + suffix)
        if not backup.exists():
            break
        number += 1
    connection.execute("VACUUM INTO ?", (str(backup),))
    backup.chmod(0o600)
    return backup


def _runner(sql: str):  # type: ignore[no-untyped-def]  # sqlite_utils has no types to name
    statements = split_statements(sql)

    def run(database):  # type: ignore[no-untyped-def]
        for statement in statements:
            database.execute(statement)

    return run


def split_statements(sql: str) -> list[str]:
    """The statements of a script; executescript would end the transaction they belong to."""
    statements: list[str] = []
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    return statements
