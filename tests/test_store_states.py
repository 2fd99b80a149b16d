"""Every state a store file can be found in: a plain sentence, and never a harmed file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rama_proxy.errors import StoreError
from rama_proxy.store import schema
from rama_proxy.store.lock import StoreLock, lock_path, writer_pid
from rama_proxy.store.opening import close_writing, open_for_reading, open_for_writing
from rama_proxy.store.reader import Reader
from rama_proxy.store.schema import STEPS, Step, migrate
from tests.support.flows import make_flow, make_flows, make_store

Open = Callable[[Path], None]


def write(path: Path) -> None:
    close_writing(*open_for_writing(path))


def read(path: Path) -> None:
    open_for_reading(path).close()


BOTH = pytest.mark.parametrize("open_store", [write, read])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.db"


def refusal(open_store: Open, path: Path) -> str:
    """What is said when `path` is refused; the file must stay as it is, and nothing be left."""
    before = {file: hashlib.sha256(file.read_bytes()).digest() for file in files(path)}
    with pytest.raises(StoreError) as caught:
        open_store(path)
    after = {file: hashlib.sha256(file.read_bytes()).digest() for file in files(path)}
    assert after == before
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def files(path: Path) -> list[Path]:
    return sorted(file for file in path.parent.iterdir() if file.is_file())


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(sql)
    connection.close()


@BOTH
def test_garbage_is_refused(open_store: Open, path: Path) -> None:
    path.write_bytes(b"GIF89a" + bytes(9000))
    assert "is not a SQLite file" in refusal(open_store, path)


@BOTH
def test_an_empty_file_is_refused(open_store: Open, path: Path) -> None:
    path.touch()
    assert "is empty, not a capture" in refusal(open_store, path)


@BOTH
def test_a_file_that_only_begins_like_sqlite_is_refused(open_store: Open, path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 9000)
    assert "is not a SQLite file" in refusal(open_store, path)


@BOTH
def test_another_programs_database_is_refused(open_store: Open, path: Path) -> None:
    change(path, "CREATE TABLE moz_places(id); PRAGMA user_version=7")
    assert "not one that Rama made" in refusal(open_store, path)


@BOTH
def test_a_newer_store_is_refused(open_store: Open, path: Path) -> None:
    make_store(path, 3)
    change(path, f"PRAGMA user_version={len(STEPS) + 1}")
    assert "was written by a newer Rama" in refusal(open_store, path)


def test_a_damaged_store_is_refused_for_writing_and_read_as_far_as_it_goes(path: Path) -> None:
    flows = list(make_flows(60))
    make_store(path, flows)
    data = bytearray(path.read_bytes())
    page = data.index(flows[30].request.pretty_url.encode()) // 8192
    data[page * 8192 : (page + 1) * 8192] = b"\xa5" * 8192
    path.write_bytes(data)
    assert "is damaged" in refusal(write, path)
    readable = []
    with Reader(path) as reader:
        for flow in flows:
            with contextlib.suppress(StoreError):
                assert reader.flow(flow.id) is not None
                readable.append(flow.id)
        with pytest.raises(StoreError, match="is damaged"):
            reader.flow(31)
    assert len(readable) > 40


@BOTH
def test_a_directory_and_a_missing_place_are_refused(open_store: Open, tmp_path: Path) -> None:
    assert "is not a file" in refusal(open_store, tmp_path)
    gone = tmp_path / "none" / "capture.db"
    with pytest.raises(StoreError, match=r"none/capture\.db: No such file or directory"):
        open_store(gone)


def test_a_missing_store_is_made_by_the_writer_only(path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read(path)
    write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    read(path)
    assert files(path) == [path]


def test_a_link_is_followed_to_a_store_and_not_into_the_void(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(StoreError, match="is a link to a file that does not exist"):
        write(link)
    assert list(tmp_path.iterdir()) == [link]
    make_store(path, 3)
    write(link)
    lock, connection = open_for_writing(path)
    with pytest.raises(StoreError, match="is being written by process"):
        StoreLock(link).acquire(patience=0)
    close_writing(lock, connection)


def test_a_link_in_place_of_the_lock_is_refused(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock_path(path).symlink_to(victim)
    with pytest.raises(StoreError, match="cannot lock"):
        write(path)
    assert victim.read_text() == "precious"


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """As another program that holds the file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def test_a_locked_store_is_refused(path: Path) -> None:
    make_store(path, 3)
    with exclusively(path):
        assert "is locked by another program" in refusal(write, path)
        assert "is locked by another program" in refusal(read, path)
    change(path, "PRAGMA journal_mode=WAL")
    with exclusively(path):
        assert "is locked by another program" in refusal(write, path)
        read(path)  # there, readers wait for nobody


def test_a_second_engine_is_told_who_writes(path: Path) -> None:
    lock, connection = open_for_writing(path)
    assert writer_pid(path) == os.getpid()
    with pytest.raises(StoreError, match=f"is being written by process {os.getpid()}$"):
        write(path)
    close_writing(lock, connection)
    assert writer_pid(path) == 0
    write(path)


def test_a_store_without_write_permission() -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rama_proxy.errors import StoreError\n"
        "from rama_proxy.store.reader import Reader\n"
        "from rama_proxy.store.opening import open_for_writing\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "path = Path(sys.argv[1])\n"
        "with Reader(path) as reader: print(reader.count())\n"
        "try: open_for_writing(path)\n"
        "except StoreError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        path = make_store(Path(directory) / "capture.db", 3)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        command = [sys.executable, "-c", code, str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        path.parent.chmod(0o700)
    assert result.stderr == ""
    count, sentence = result.stdout.splitlines()
    assert count == "3"
    assert sentence == f"cannot lock {path}: Permission denied"


def test_a_store_whose_wal_is_gone_is_read(path: Path) -> None:
    make_store(path, 3)
    with Reader(path) as reader:
        assert reader.count() == 3
    for file in files(path):
        if file != path:
            file.unlink()
    with Reader(path) as reader:
        assert reader.count() == 3


def abandon(path: Path) -> None:
    """Leave `path` as an engine that is killed does, with one flow under way and one held."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rama_proxy.store.writer import Writer\n"
        "from tests.support.flows import make_flow\n"
        "writer = Writer(Path(sys.argv[1]), budget=1 << 20, on_problem=print)\n"
        "writer.open(); writer.start()\n"
        "for number, state in ((1, 'done'), (2, 'active'), (3, 'held')):\n"
        "    flow = make_flow(number); flow.state = state; flow.error = ''\n"
        "    writer.put_flow(flow)\n"
        "assert writer.flush(20)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)


def test_flows_of_a_dead_engine_are_interrupted(path: Path) -> None:
    abandon(path)
    assert lock_path(path).exists()
    assert writer_pid(path) == 0
    with Reader(path) as reader:
        states = [(row.state, row.error.partition(":")[0]) for row in reader.page([1, 2, 3])]
        assert states == [("done", ""), ("error", "interrupted"), ("error", "interrupted")]
        revs = [row.rev for row in reader.page([1, 2, 3])]
        assert revs == sorted(set(revs))
        assert reader.since(3).ids == [2, 3]
    assert not lock_path(path).exists()


def test_a_reader_that_may_not_write_shows_a_dead_engines_store_too(path: Path) -> None:
    abandon(path)
    holder = StoreLock(path)
    holder.acquire()  # as a new engine that is just starting
    with Reader(path) as reader:
        assert [row.state for row in reader.page([1, 2, 3])] == ["done", "active", "held"]
    holder.release()


def test_the_search_for_interrupted_flows_scans_nothing(path: Path) -> None:
    make_store(path, 3)
    connection = sqlite3.connect(path)
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT 1 FROM flows WHERE state IN ('active', 'held')"
    ).fetchall()
    connection.close()
    assert "flows_under_way" in plan[0][3]


SECOND = Step("second", "ALTER TABLE flows ADD COLUMN colour TEXT;\nCREATE TABLE hues(id INTEGER);")
BROKEN = Step("broken", "CREATE TABLE more(id INTEGER);\nALTER TABLE nowhere ADD COLUMN x TEXT;")


def test_an_older_store_is_brought_up_to_date_after_a_backup(path: Path) -> None:
    make_store(path, 5)
    backup = migrate(path, (*STEPS, SECOND))
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(STEPS) + 1
    assert connection.execute("SELECT count(*), max(colour) FROM flows").fetchone() == (5, None)
    connection.close()
    assert backup.name == f"capture.db.schema{len(STEPS)}.bak"
    assert backup.stat().st_mode & 0o777 == 0o600
    with Reader(backup) as reader:
        assert reader.count() == 5
    change(path, f"PRAGMA user_version={len(STEPS)}")  # as if it had been killed before the end
    again = migrate(path, (*STEPS, SECOND))
    assert again.name == f"capture.db.schema{len(STEPS)}.bak.1"
    assert backup.exists()


def test_an_older_store_gets_the_column_of_a_fingerprint_it_had(path: Path) -> None:
    before = next(n for n, step in enumerate(STEPS) if step.name == "http2-fingerprint")
    connection = sqlite3.connect(path)
    schema.create(connection, STEPS[:before])
    connection.execute(
        "INSERT INTO connections(side, opened_at, bytes_in, bytes_out, tls, annotations)"
        """ VALUES ('client', 0, 0, 0, 0, '{"h2fp": "52d84b", "h2fp_text": "|00|0|"}')"""
    )
    connection.commit()
    connection.close()
    migrate(path, STEPS)
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT h2fp, h2fp_text FROM connections").fetchall()
    connection.close()
    assert found == [("52d84b", "|00|0|")]


def test_a_migration_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    make_store(path, 5)
    with pytest.raises(StoreError, match=r"cannot bring .* up to date"):
        migrate(path, (*STEPS, BROKEN))
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert "more" not in names
    with Reader(path) as reader:
        assert reader.count() == 5


def test_an_older_store_is_migrated_when_an_engine_opens_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(path, 5)
    monkeypatch.setattr(schema, "STEPS", (*STEPS, SECOND))
    with pytest.raises(StoreError, match="was written by an older Rama"):
        read(path)
    write(path)
    with Reader(path) as reader:
        assert reader.count() == 5


def test_a_store_from_before_grpc_gets_its_column(path: Path) -> None:
    number = next(index for index, step in enumerate(STEPS) if step.name == "grpc-status")
    connection = sqlite3.connect(path, isolation_level=None)
    schema.create(connection, STEPS[:number])
    connection.execute(
        "INSERT INTO flows(id, rev, kind, state, started_at, method, scheme, host, port, path, url,"
        " version, status, req_size, flags, req_headers)"
        " VALUES (1, 1, 'http', 'done', 0, 'POST', 'https', 'a.test', 443, '/', 'https://a.test/',"
        " 'HTTP/2', 200, 0, 0, '[]')"
    )
    connection.close()
    write(path)
    with Reader(path) as reader:
        assert [(row.id, row.grpc_status) for row in reader.iter_flows()] == [(1, None)]


def test_sqlite_utils_knows_a_new_store_as_migrated(path: Path) -> None:
    import sqlite_utils

    write(path)
    database = sqlite_utils.Database(path)
    migrations = sqlite_utils.Migrations(schema.MIGRATION_SET)
    for step in STEPS:
        migrations(name=step.name)(lambda database: None)
    assert migrations.pending(database) == []
    assert [item.name for item in migrations.applied(database)] == [step.name for step in STEPS]
    database.close()


def test_the_file_says_what_it_is(path: Path) -> None:
    make_store(path, 1)
    connection = sqlite3.connect(path)
    pragmas = ("application_id", "page_size", "journal_mode", "auto_vacuum")
    values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    strict = connection.execute(
        "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND NOT strict"
        " AND name NOT LIKE 'sqlite%' AND name <> '_sqlite_migrations'"
    ).fetchone()[0]
    connection.close()
    assert values == [0x52414D41, 8192, "delete", 2]
    assert strict == 0


def test_opening_a_store_twice_reads_the_last_flow(path: Path) -> None:
    make_store(path, [make_flow(41)])
    make_store(path, [make_flow(42)])
    with Reader(path) as reader:
        assert list(reader.ids()) == [41, 42]
