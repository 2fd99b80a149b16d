"""Opening a store: the one connection that writes, and those that only read."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from rama_proxy.errors import StoreError
from rama_proxy.store import schema
from rama_proxy.store.files import check_file, create_file, store_error
from rama_proxy.store.lock import StoreLock, was_left_behind

# One writer, which also makes the checkpoints; mmap and several processes do not go together.
_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",  # power loss may take the last batch, never consistency
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-8192",  # KiB; 32 MiB cost the same CPU, and grew for 50k flows
    "PRAGMA temp_store=MEMORY",
)
_READER_PRAGMAS = (
    "PRAGMA query_only=1",
    "PRAGMA cache_size=-32768",
    "PRAGMA temp_store=MEMORY",
)
_OPEN_PATIENCE = 1.0  # seconds to wait for a lock while somebody waits for us to start
_PATIENCE = "PRAGMA busy_timeout=5000"
_CHECKED_WHOLE = 64 * 1024 * 1024  # bytes; a larger store would take seconds to check
_INTERRUPTED = "interrupted: the capture ended before this did"


def open_for_writing(path: Path) -> tuple[StoreLock, sqlite3.Connection]:
    """Lock the store at `path`, make it or bring it up to date, and open it.

    Flows that a dead engine left under way become errors. Raises StoreError in a sentence, and
    leaves a file that is not ours as it is.
    """
    if sqlite3.sqlite_version_info < schema.SQLITE_FLOOR:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.38 is needed")
    is_new = not path.exists()
    if not is_new:
        check_file(path)
    lock = StoreLock(path)
    lock.acquire()
    try:
        if is_new:
            create_file(path)
        return lock, _open_locked(path, is_new)
    except sqlite3.Error as error:
        lock.release()
        raise store_error(path, error) from error
    except BaseException:
        lock.release()
        raise


def _open_locked(path: Path, is_new: bool) -> sqlite3.Connection:
    connection = connect(path, "rw", check_same_thread=False)
    try:
        if is_new:
            schema.create(connection, schema.STEPS)
        else:
            version = schema.check_version(connection, path)
            _check_health(connection, path)
            if version < len(schema.STEPS):
                connection.close()
                schema.migrate(path, schema.STEPS)
                connection = connect(path, "rw", check_same_thread=False)
        for pragma in _WRITER_PRAGMAS:
            connection.execute(pragma)
        _end_interrupted(connection)
        connection.execute(_PATIENCE)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_health(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size <= _CHECKED_WHOLE:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(f"{path} is damaged: {' '.join(found.split())}")


def _end_interrupted(connection: sqlite3.Connection) -> None:
    """Flows that were under way when their engine died are over."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "UPDATE flows SET state = 'error', error = coalesce(error, ?),"
        " rev = rev + (SELECT max(rev) FROM flows) WHERE state IN ('active', 'held')",
        (_INTERRUPTED,),
    )
    connection.execute("COMMIT")


def close_writing(lock: StoreLock, connection: sqlite3.Connection) -> None:
    """Close what `open_for_writing` gave and leave the store as one plain file.

    While somebody reads it that cannot be: then it keeps its -wal and -shm files, empty.
    """
    try:
        connection.execute("PRAGMA busy_timeout=0")
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
        lock.release()


def recover(path: Path) -> None:
    """Close the store at `path` for an engine that died before it could; else do nothing."""
    if was_left_behind(path):
        # There may be no right to write, or a new engine was faster.
        with contextlib.suppress(StoreError, sqlite3.Error):
            close_writing(*open_for_writing(path))


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises StoreError in a sentence."""
    check_file(path)
    wal = path.with_name(path.name + "-wal")
    try:
        return _open_reader(path, "ro")
    except sqlite3.OperationalError as error:
        # A directory that cannot be written has no room for the shared index of a WAL; without a
        # WAL nobody is writing, and none is needed.
        if error.sqlite_errorname.startswith("SQLITE_CANTOPEN") and not wal.exists():
            try:
                return _open_reader(path, "ro&immutable=1")
            except sqlite3.Error as again:
                raise store_error(path, again) from again
        raise store_error(path, error) from error
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def _open_reader(path: Path, mode: str) -> sqlite3.Connection:
    connection = connect(path, mode, check_same_thread=False)
    try:
        version = schema.check_version(connection, path)
        if version < len(schema.STEPS):
            raise StoreError(
                f"{path} was written by an older Rama (schema {version}):"
                " `rama capture -w FILE` brings it up to date"
            )
        for pragma in (*_READER_PRAGMAS, _PATIENCE):
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(path: Path, mode: str, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """A connection in autocommit mode to a file that exists."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=_OPEN_PATIENCE,
        isolation_level=None,
        check_same_thread=check_same_thread,
    )
