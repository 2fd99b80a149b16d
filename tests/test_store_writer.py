"""The writer: batches, repeats, budgets and what goes wrong."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.model.flow import ACTIVE, HELD, Flow
from rama_proxy.model.message import Response
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import BATCH_ITEMS, ITEM_COST, LIVE_BODY, Writer
from tests.support.flows import make_flow, make_flows

PATIENCE = 20.0


class Problems(list[str]):
    """What a writer complained about, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def add(self, problem: str) -> None:
        self.append(problem)
        self.event.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.db"


@pytest.fixture
def problems() -> Problems:
    return Problems()


@contextlib.contextmanager
def writing(
    path: Path, problems: Problems | None = None, budget: int = 1 << 26
) -> Iterator[Writer]:
    found = Problems() if problems is None else problems
    writer = Writer(path, budget=budget, on_problem=found.add)
    writer.open()
    writer.start()
    try:
        yield writer
    finally:
        writer.close()
    assert problems is not None or not found


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def with_body(number: int, data: bytes) -> Flow:
    """Flow `number` with this response body and no request body."""
    flow = make_flow(number)
    flow.request.body.chunks = []
    flow.response = Response.make(200, data)
    return flow


def test_flows_are_readable_within_a_moment_and_in_order(path: Path) -> None:
    with writing(path) as writer, Reader(path) as reader:
        assert reader.count() == 0
        before = reader.data_version()
        for flow in make_flows(BATCH_ITEMS * 2 + 7):
            writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        assert reader.data_version() != before
        assert list(reader.ids()) == list(range(1, BATCH_ITEMS * 2 + 8))
        assert writer.backlog_bytes == 0
        assert writer.written == BATCH_ITEMS * 2 + 7


def test_what_is_put_is_written_without_being_asked(path: Path) -> None:
    with writing(path) as writer, Reader(path) as reader:
        before = reader.data_version()
        writer.put_flow(make_flow(1))
        while reader.data_version() == before:
            threading.Event().wait(0.005)
        assert list(reader.ids()) == [1]


def test_the_last_of_several_rows_counts(path: Path) -> None:
    flow = make_flow(2)
    with writing(path) as writer, Reader(path) as reader:
        flow.state = ACTIVE
        writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        first = reader.page([2])[0]
        flow.state = "done"
        flow.request.host = "one.test"
        flow.state = ACTIVE
        writer.put_flow(flow)
        flow.state = "done"
        writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        last = reader.page([2])[0]
    assert (first.state, last.state) == (ACTIVE, "done")
    assert last.rev == first.rev + 1


def test_a_flow_under_way_is_stored_as_it_was_when_it_was_put(path: Path) -> None:
    flow = make_flow(1)
    response = flow.response = Response.make(200, b"first ")
    response.body.complete, flow.state, flow.timing.end = False, ACTIVE, None
    with writing(path) as writer, Reader(path) as reader:
        writer.put_flow(flow)
        response.body.add(b"second", 100)
        response.headers.add("Later", "yes")
        response.status = 500
        flow.timing.end = flow.timing.begin + 1
        flow.tags.add("later")
        assert writer.flush(PATIENCE)
        found = reader.flow(1)
        assert found is not None
        assert found.response is not None
        assert reader.body(1, "response") == b"first "
        assert (found.response.status, found.response.body.size) == (200, 6)
        assert (found.tags, found.timing.end) == (set(), None)
        assert "later" not in found.response.headers


def test_of_a_body_still_growing_the_beginning_is_stored(path: Path) -> None:
    flow = make_flow(1)
    response = flow.response = Response.make(200, b"x" * (LIVE_BODY + 5))
    flow.state = HELD
    with writing(path) as writer, Reader(path) as reader:
        writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        assert reader.body(1, "response") == b"x" * LIVE_BODY
        found = reader.flow(1)
        assert found is not None
        assert found.response is not None
        assert found.response.body.size == LIVE_BODY + 5
        assert found.response.body.truncated
        flow.state = "done"
        writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        assert reader.body(1, "response") == bytes(response.body)


def test_a_body_still_growing_counts_for_what_is_stored_of_it(path: Path) -> None:
    flow = with_body(1, b"x" * (8 * LIVE_BODY))
    flow.state = ACTIVE
    with writing(path, budget=4 * LIVE_BODY) as writer:
        for _ in range(3):
            writer.put_flow(flow)
            assert writer.flush(PATIENCE)
        assert writer.dropped_bodies == 0
    assert rows(path, "SELECT size, refs FROM bodies") == [(LIVE_BODY, 1)]


def test_equal_bodies_are_stored_once_and_go_with_the_last(path: Path) -> None:
    with writing(path) as writer:
        for number in range(1, 4):
            writer.put_flow(with_body(number, b"same" * 500))
        assert writer.flush(PATIENCE)
        assert rows(path, "SELECT refs, size, codec FROM bodies") == [(3, 2000, 1)]
        writer.put_flow(with_body(2, b"other"))
        writer.put_flow(with_body(3, b"other"))
        assert writer.flush(PATIENCE)
        assert rows(path, "SELECT refs, size FROM bodies ORDER BY id") == [(1, 2000), (2, 5)]
        writer.put_flow(with_body(1, b""))
        writer.put_flow(with_body(4, b"same" * 500))
        assert writer.flush(PATIENCE)
        assert rows(path, "SELECT refs, size FROM bodies ORDER BY size") == [(2, 5), (1, 2000)]
        with Reader(path) as reader:
            assert reader.body(4, "response") == b"same" * 500
            assert reader.body(1, "response") == b""
    with writing(path) as writer:  # and in the next run
        writer.put_flow(with_body(5, b"same" * 500))
    assert rows(path, "SELECT refs FROM bodies WHERE size = 2000") == [(2,)]


def test_many_rewrites_leave_no_orphans_and_right_counts(path: Path) -> None:
    with writing(path) as writer:
        for turn in range(4):
            for number in range(1, 200):
                writer.put_flow(with_body(number, b"%d" % (number * turn % 17)))
            assert writer.flush(PATIENCE)
    counted = (
        "SELECT b.refs, (SELECT count(*) FROM flows f WHERE b.id = f.resp_body_id) FROM bodies b"
    )
    found = rows(path, counted)
    assert len(found) == 17
    assert all(refs == count for refs, count in found)


@pytest.mark.parametrize(
    ("media_type", "encoding", "codec"),
    [("application/json", "", 1), ("image/png", "", 0), ("application/json", "br", 0), ("", "", 1)],
)
def test_what_comes_uncompressed_is_compressed(
    path: Path, media_type: str, encoding: str, codec: int
) -> None:
    flow = with_body(1, b"0123456789" * 200)
    assert flow.response is not None
    if media_type:
        flow.response.headers.set("Content-Type", media_type)
    if encoding:
        flow.response.headers.set("Content-Encoding", encoding)
    with writing(path) as writer:
        writer.put_flow(flow)
    assert rows(path, "SELECT codec, size FROM bodies") == [(codec, 2000)]


def test_beyond_the_budget_bodies_are_dropped_then_flows_and_all_is_counted(path: Path) -> None:
    writer = Writer(path, budget=10 * ITEM_COST, on_problem=print)
    writer.open()
    for number in range(1, 41):  # nothing is written yet
        writer.put_flow(with_body(number, b"x" * ITEM_COST))
    assert writer.backlog_bytes <= 22 * ITEM_COST
    assert writer.dropped_bodies >= 10
    assert writer.dropped_items >= 10
    writer.start()
    assert writer.flush(PATIENCE)
    writer.put_flow(with_body(99, b"again"))
    writer.close()
    with Reader(path) as reader:
        first, later, last = (reader.flow(number) for number in (1, 12, 99))
        assert reader.body(1, "response") == b"x" * ITEM_COST
        assert reader.body(12, "response") == b""
        assert reader.body(99, "response") == b"again"
        assert first is not None
        assert first.response is not None
        assert not first.response.body.truncated
        assert later is not None
        assert later.response is not None
        assert later.response.body.truncated
        assert later.response.body.size == ITEM_COST
        assert last is not None
        assert reader.count() + writer.dropped_items == 41


def test_marks_comments_and_tags_survive_the_flows_next_row(path: Path) -> None:
    flow = with_body(1, b"")
    flow.mark = ""
    with writing(path) as writer, Reader(path) as reader:
        flow.state = ACTIVE
        writer.put_flow(flow)
        writer.edit(1, mark=":red:", comment="why?", tags=["b", "a", "b"])
        assert writer.flush(PATIENCE)
        edited = reader.page([1])[0]
        flow.state = "done"
        writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        found = reader.flow(1)
        assert found is not None
        assert (found.mark, found.comment, found.tags) == (":red:", "why?", {"a", "b"})
        assert reader.page([1])[0].rev > edited.rev
        writer.edit(1, mark="", tags=[])
        assert writer.flush(PATIENCE)
        found = reader.flow(1)
        assert found is not None
        assert (found.mark, found.comment, found.tags) == ("", "why?", set())


def test_log_meta_and_messages(path: Path) -> None:
    with writing(path) as writer, Reader(path) as reader:
        writer.log("warning", "dns", "slow", at=1_790_000_000.5)
        writer.set_meta("listen", '["127.0.0.1:8080"]')
        writer.set_meta("listen", '["127.0.0.1:8081"]')
        writer.put_message(7, 1, True, 2, b"\x00hello", 1_790_000_000.25)
        writer.put_message(7, 1, True, 2, b"repeated", 1_790_000_000.25)
        assert writer.flush(PATIENCE)
        line = reader.logs()[0]
        assert (line.at, line.level, line.source, line.message) == (
            1_790_000_000.5,
            "warning",
            "dns",
            "slow",
        )
        assert reader.logs(line.id) == []
        assert reader.meta("listen") == '["127.0.0.1:8081"]'
        assert reader.meta("none") is None
    expected = [(7, 1, 1, 2, 6, b"\x00hello", 1_790_000_000_250_000)]
    assert rows(path, "SELECT flow_id, seq, from_client, opcode, size, data, at FROM messages") == (
        expected
    )


def test_a_certificate_is_stored_once(path: Path) -> None:
    with writing(path) as writer:
        for flow in make_flows(40):
            writer.put_flow(flow)
    assert rows(path, "SELECT count(*) FROM certificates") == [(2,)]


def test_ids_and_revisions_go_on_in_the_next_run(path: Path) -> None:
    with writing(path) as writer:
        assert (writer.last_flow_id(), writer.last_connection_id()) == (0, 0)
        for flow in make_flows(20):
            writer.put_flow(flow)
    with writing(path) as writer, Reader(path) as reader:
        assert writer.last_flow_id() == 20
        assert writer.last_connection_id() == 6
        rev = reader.last_rev()
        writer.put_flow(make_flow(21))
        assert writer.flush(PATIENCE)
        assert reader.since(rev).ids == [21]


def test_a_connection_is_updated_in_place(path: Path) -> None:
    info = make_flow(1).client
    with writing(path) as writer, Reader(path) as reader:
        writer.put_connection(info)
        assert writer.flush(PATIENCE)
        info.bytes_in, info.annotations = 99, {"ja4": "t13d0000"}
        assert info.opened is not None
        info.closed = info.opened + 2
        writer.put_connection(info)
        assert writer.flush(PATIENCE)
        found = reader.connection(info.id)
        assert found is not None
        assert (found.bytes_in, found.annotations) == (99, {"ja4": "t13d0000"})
        assert found.closed == pytest.approx(info.started + 2)


def test_one_flow_that_cannot_be_stored_does_not_keep_the_others_out(
    path: Path, problems: Problems
) -> None:
    broken, strange = make_flow(2), make_flow(3)
    broken.comment = "\ud800"
    strange.request.port = None  # type: ignore[assignment]  # an addon may do anything
    with writing(path, problems) as writer:
        for flow in (make_flow(1), broken, strange, make_flow(4)):
            writer.put_flow(flow)
        assert writer.flush(PATIENCE)
        with Reader(path) as reader:
            assert list(reader.ids()) == [1, 4]
        assert writer.dropped_items == 2
    assert len(problems) == 2
    assert "could not be stored" in problems[0]


@contextlib.contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As a full disk: writing beyond `size` fails in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_once_and_writing_goes_on_after(path: Path, problems: Problems) -> None:
    with writing(path, problems) as writer:
        writer.put_flow(make_flow(1))
        assert writer.flush(PATIENCE)
        with no_file_beyond(64 * 1024):
            for number in range(2, 6):
                writer.put_flow(with_body(number, bytes(range(256)) * 300 * number))
            assert problems.event.wait(PATIENCE)
            assert not writer.flush(0.1)
            assert writer.backlog_bytes > 0
        assert writer.flush(PATIENCE)
        with Reader(path) as reader:
            assert list(reader.ids()) == [1, 2, 3, 4, 5]
            assert reader.body(5, "response") == bytes(range(256)) * 1500
        assert writer.dropped_items == 0
    assert len(problems) == 2
    assert problems[0].startswith(f"cannot write {path}: ")
    assert problems[1] == f"{path} is being written again"
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_writer_can_be_closed_while_nothing_can_be_written(
    path: Path, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rama_proxy.store.writer.CLOSE_PATIENCE", 0.1)
    with writing(path, problems) as writer, no_file_beyond(16 * 1024):
        writer.put_flow(with_body(1, bytes(100_000)))
        assert problems.event.wait(PATIENCE)
        writer.close()
        assert writer.dropped_items == 1
    assert len(problems) >= 1


def test_a_store_locked_for_a_while_is_written_after(path: Path, problems: Problems) -> None:
    with writing(path, problems) as writer:
        writer._connection.execute("PRAGMA busy_timeout=10")  # 5 s, for which no test waits
        writer.put_flow(with_body(1, b"first"))
        assert writer.flush(PATIENCE)
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        writer.put_flow(with_body(2, b"second"))
        assert problems.event.wait(PATIENCE)
        blocker.close()
        assert writer.flush(PATIENCE)
    assert problems == [
        f"cannot write {path}: database is locked",
        f"{path} is being written again",
    ]
    assert rows(path, "SELECT refs FROM bodies") == [(1,), (1,)]


def test_after_a_failure_nothing_is_remembered_that_is_not_stored(
    path: Path, problems: Problems
) -> None:
    broken = with_body(1, b"the same body")
    broken.comment = "\ud800"
    with writing(path, problems) as writer:
        writer.put_flow(broken)
        writer.put_flow(with_body(2, b"the same body"))
        assert writer.flush(PATIENCE)
        with Reader(path) as reader:
            assert reader.body(2, "response") == b"the same body"
            assert [row.rev for row in reader.page([2])] == [1]
    assert rows(path, "SELECT refs FROM bodies") == [(1,)]


def test_whoever_is_told_may_fail(path: Path) -> None:
    def fail(problem: str) -> None:
        raise RuntimeError(problem)

    broken = make_flow(1)
    broken.comment = "\ud800"
    writer = Writer(path, budget=1 << 20, on_problem=fail)
    writer.open()
    writer.start()
    writer.put_flow(broken)
    writer.put_flow(make_flow(2))
    assert writer.flush(PATIENCE)
    writer.close()
    with Reader(path) as reader:
        assert list(reader.ids()) == [2]


def test_the_file_is_private_and_left_alone(path: Path) -> None:
    with writing(path) as writer:
        writer.put_flow(make_flow(1))
        assert writer.flush(PATIENCE)
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600, file
    assert [file.name for file in path.parent.iterdir()] == ["capture.db"]
