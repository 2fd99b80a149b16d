"""Following a store while it is written, and queries that are given up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App

from rama_proxy.filters import Where, parse_filter
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer
from rama_tui.reading import read_beside
from rama_tui.tail import FlowsChanged, Tail
from tests.support.flows import make_flow, make_flows, make_store
from tests.support.tui import eventually, live_store, put


class Target(App[None]):
    """Counts what the tail says."""

    changes = 0

    def on_flows_changed(self, event: FlowsChanged) -> None:
        """Count."""
        self.changes += 1


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer on a new store."""
    with live_store(tmp_path / "live.db") as found:
        yield found


@asynccontextmanager
async def following(path: Path) -> AsyncIterator[tuple[Tail, Target]]:
    """A tail that runs."""
    target = Target()
    with Reader(path) as reader:
        async with target.run_test():
            tail = Tail(reader, target)
            task = asyncio.create_task(tail.run())
            try:
                yield tail, target
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def taken(tail: Tail, count: int) -> tuple[list[int], list[int]]:
    """What the tail finds, once `count` flows are among it."""
    changed: list[int] = []
    removed: list[int] = []

    def look() -> bool:
        more_changed, more_removed = tail.take()
        changed.extend(more_changed)
        removed.extend(more_removed)
        return len(changed) + len(removed) >= count

    await eventually(look)
    return changed, removed


async def test_new_flows_are_found_in_100_ms(writer: Writer) -> None:
    async with following(writer.path) as (tail, _):
        tail.start_from(0, parse_filter(""))
        waits = []
        for number in range(1, 8):
            put(writer, [make_flow(number)])
            begin = time.monotonic()
            assert await taken(tail, 1) == ([number], [])
            waits.append(time.monotonic() - begin)
        assert sorted(waits)[3] < 0.1


@pytest.mark.parametrize(
    ("text", "first", "then"), [("~s", ([], [1]), ([1], [])), ("~q", ([1], []), ([], [1]))]
)
async def test_an_answer_makes_a_flow_fit_or_not(
    writer: Writer, text: str, first: tuple[list[int], list[int]], then: tuple[list[int], list[int]]
) -> None:
    flow = make_flow(1)
    answer, flow.response, flow.state = flow.response, None, "active"
    async with following(writer.path) as (tail, _):
        tail.start_from(0, parse_filter(text))
        put(writer, [flow])
        assert await taken(tail, 1) == first
        flow.response, flow.state = answer, "done"
        put(writer, [flow])
        assert await taken(tail, 1) == then


async def test_a_burst_is_few_messages_and_loses_nothing(writer: Writer) -> None:
    async with following(writer.path) as (tail, target):
        tail.start_from(0, parse_filter(""))
        put(writer, make_flows(6000))
        changed, _ = await taken(tail, 6000)
        assert sorted(changed) == list(range(1, 6001))
        await eventually(lambda: tail.total == 6000)
        assert target.changes < 60


async def test_another_filter_starts_anew(writer: Writer) -> None:
    put(writer, make_flows(50))
    async with following(writer.path) as (tail, _):
        tail.start_from(0, parse_filter(""))
        await eventually(lambda: tail.total == 50)
        with Reader(writer.path) as reader:
            rev, ids = reader.last_rev(), list(reader.ids(parse_filter("~m POST").where()))
        tail.start_from(rev, parse_filter("~m POST"))
        assert tail.take() == ([], [])
        put(writer, make_flows(50, 51))
        changed, removed = await taken(tail, 50)
        assert sorted(changed + removed) == list(range(51, 101))
        with Reader(writer.path) as reader:
            assert ids + sorted(changed) == list(reader.ids(parse_filter("~m POST").where()))


async def test_a_cancelled_query_is_over_when_its_caller_is(tmp_path: Path) -> None:
    endless = (
        "(WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n)"
    )
    with Reader(make_store(tmp_path / "s.db", 20)) as reader:
        task = asyncio.create_task(read_beside(reader, reader.ids, Where(endless)))
        await asyncio.sleep(0.05)
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < 5
        assert reader.count() == 20  # nobody else uses it by now
