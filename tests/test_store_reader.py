"""Reading a store that is being written, and one that is finished."""

from __future__ import annotations

import sqlite3
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.errors import QueryInterrupted, StoreError
from rama_proxy.filters import Where, parse_filter
from rama_proxy.store.files import new_store_path
from rama_proxy.store.reader import Reader, newest_store
from rama_proxy.store.writer import Writer
from tests.support.flows import START, make_flow, make_flows, make_store

FLOWS = 250


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "capture.db", FLOWS)


@pytest.fixture
def reader(store: Path) -> Iterator[Reader]:
    with Reader(store) as found:
        yield found


def test_ids_are_all_and_ascending(reader: Reader) -> None:
    assert reader.ids() == array("q", range(1, FLOWS + 1))
    assert reader.count() == FLOWS
    assert reader.last_id() == FLOWS


def test_a_page_comes_in_the_order_asked_for(reader: Reader) -> None:
    rows = reader.page([9, 3, 10_000, 7])
    assert [row.id for row in rows] == [9, 3, 7]
    flow, row = make_flow(3), rows[1]
    assert flow.response is not None
    assert flow.timing.end is not None
    assert (row.method, row.url, row.status) == ("GET", flow.request.pretty_url, 200)
    assert (row.scheme, row.host, row.port) == ("https", "api.example.com", 443)
    assert (row.path, row.resp_type) == (flow.request.path, "application/json")
    assert (row.req_size, row.resp_size) == (0, flow.response.body.size)
    assert row.started == pytest.approx(flow.timing.started)
    assert row.total == pytest.approx(flow.timing.end - flow.timing.begin, abs=1e-6)
    assert (row.error, row.mark, row.replay_of, row.rev) == ("", "", None, 3)


def test_a_filter_narrows_every_query(reader: Reader) -> None:
    where = parse_filter("~c 201 | ~e").where()
    ids = reader.ids(where)
    assert 0 < len(ids) < FLOWS
    assert reader.count(where) == len(ids)
    assert [row.id for row in reader.iter_flows(where)] == list(ids)
    assert [row.id for row in reader.iter_flows(where, newest_first=True)] == list(ids)[::-1]
    assert all(row.status == 201 or row.error for row in reader.page(ids))


def test_parameters_are_bound_and_not_sql(reader: Reader) -> None:
    for hostile in ("'", '\\" OR 1', ".?", "%", "x'; DROP TABLE flows; --", "\\Z\x00"):
        assert reader.count(parse_filter(f'~d "{hostile}"').where()) in {0, FLOWS}
    assert reader.count() == FLOWS


def test_since_gives_changes_in_portions(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.db", budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    with Reader(tmp_path / "a.db") as reader:
        assert reader.since(0) == (0, [], [])
        for flow in make_flows(10):
            writer.put_flow(flow)
        assert writer.flush(10)
        first = reader.since(0, limit=4)
        assert first.ids == [1, 2, 3, 4]
        second = reader.since(first.rev)
        assert second.ids == [5, 6, 7, 8, 9, 10]
        assert reader.since(second.rev) == (second.rev, [], [])
        where = parse_filter("~marked").where()
        writer.edit(4, mark=":red:")
        writer.edit(6, comment="no mark")
        assert writer.flush(10)
        changes = reader.since(second.rev, where)
        assert (changes.ids, changes.removed) == ([4], [6])
    writer.close()


def test_bodies_are_loaded_when_asked_for(reader: Reader) -> None:
    expected = make_flow(8)
    flow = reader.flow(8)
    assert flow is not None
    assert flow.response is not None
    assert expected.response is not None
    assert flow.response.body.chunks == []
    assert flow.response.body.size == expected.response.body.size > 0
    reader.load_bodies(flow)
    assert flow.response.raw_content == expected.response.raw_content
    assert reader.body(8, "response") == expected.response.raw_content
    assert reader.body(8, "request") == b""
    assert reader.body(10_000, "request") == b""
    assert reader.flow(10_000) is None


def test_annotations_log_and_meta(reader: Reader) -> None:
    client = make_flow(1).client
    assert client.annotations
    assert reader.annotations([1, 10_000]) == {1: client.annotations}
    assert [line.level for line in reader.logs()] == ["info", "warning"]
    assert reader.logs()[0].at == START
    assert reader.meta("listen") == '["127.0.0.1:8080"]'


def test_a_query_can_be_interrupted(reader: Reader) -> None:
    # 250 ** 4 rows: over in a day or when it is interrupted
    endless = Where(
        "(SELECT count(*) FROM flows a, flows b, flows c WHERE rama_text(?, a.url)) >= 0", ("x",)
    )
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            reader.count(endless)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        reader.interrupt()
        thread.join(0.02)
    assert isinstance(caught[0], QueryInterrupted)
    assert reader.count() == FLOWS


def test_a_reader_cannot_write(reader: Reader) -> None:
    for sql in ("DELETE FROM flows", "PRAGMA user_version=9", "CREATE TABLE x(y)"):
        with pytest.raises(sqlite3.OperationalError, match=r"readonly|read-only"):
            reader._connection.execute(sql)


def test_a_damaged_body_ends_no_search(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.db", 20)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE bodies SET data = x'28B52FFD00', codec = 1 WHERE id = 1")
    connection.commit()
    connection.close()
    with Reader(path) as reader:
        assert reader.count(parse_filter("~b people").where()) > 0
        with pytest.raises(StoreError, match="the response body of flow 1 is damaged"):
            reader.body(1, "response")


def test_many_readers_read_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    seen: list[list[int]] = [[], [], []]
    over = threading.Event()

    def follow(found: list[int]) -> None:
        with Reader(path) as reader:
            rev = 0
            while True:
                is_over = over.is_set()
                changes = reader.since(rev)
                rev = changes.rev
                found.extend(changes.ids)
                if is_over and not changes.ids:
                    return

    threads = [threading.Thread(target=follow, args=(found,)) for found in seen]
    for thread in threads:
        thread.start()
    for flow in make_flows(600):
        writer.put_flow(flow)
    assert writer.flush(20)
    over.set()
    for thread in threads:
        thread.join()
    writer.close()
    assert seen == [list(range(1, 601))] * 3


def test_a_reader_outlives_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    with Reader(path) as reader:
        writer.put_flow(make_flow(1))
        writer.close()
        assert list(reader.ids()) == [1]
        make_store(path, [make_flow(2)])
        assert list(reader.ids()) == [1, 2]


def test_the_newest_store_is_the_one_last_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAMA_CAPTURES", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="no capture in "):
        newest_store()
    first = new_store_path()
    assert first.parent == tmp_path / "none" / "captures"
    assert first.parent.stat().st_mode & 0o777 == 0o700
    make_store(first, 1)
    second = new_store_path()
    assert second != first
    make_store(second, 1)
    assert newest_store() == second
    writer = Writer(first, budget=1 << 20, on_problem=print)
    writer.open()
    writer.start()
    writer.put_flow(make_flow(2))
    assert writer.flush(10)
    assert newest_store() == first
    writer.close()
