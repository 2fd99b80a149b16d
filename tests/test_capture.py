"""What the relay writes down goes to the store, once it is worth a row, and is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.capture import Capture
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request, Response
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Capture]:
    writer = Writer(tmp_path / "flows.db", budget=1 << 20, on_problem=lambda problem: None)
    writer.open()
    writer.start()
    yield Capture(writer)
    writer.close()


def make_flow() -> Flow:
    client = ConnectionInfo("client", started=time.time(), opened=time.monotonic())
    flow = Flow(client, Request.make("POST", "http://a.test/", b"12345"))
    flow.response = Response.make(200, b"abc")
    return flow


def stored(capture: Capture) -> Reader:
    assert capture.writer.flush(5)
    return Reader(capture.writer.path)


def test_end_counts_and_stores(capture: Capture) -> None:
    seen: list[Flow] = []
    capture.on_flow.append(seen.append)
    good, bad = make_flow(), make_flow()
    bad.error = "broken"
    for flow in (good, bad):
        capture.begin(flow)
        capture.end(flow)
    assert seen == [good, bad]
    assert (capture.flows, capture.errors, capture.bytes, capture.active) == (2, 1, 16, {})
    with stored(capture) as reader:
        assert [row.state for row in reader.page(reader.ids())] == ["done", "error"]


def test_a_flow_that_lasts_gets_a_row_by_the_tick(capture: Capture) -> None:
    young, old = make_flow(), make_flow()
    old.timing.begin -= 10
    for flow in (young, old):
        capture.begin(flow)
    capture.tick(1.0)
    with stored(capture) as reader:
        assert reader.ids().tolist() == [old.id]
        assert reader.page([old.id])[0].state == "active"


def test_rate_follows_the_flows(capture: Capture) -> None:
    for _ in range(60):
        flow = make_flow()
        capture.begin(flow)
        capture.end(flow)
    for _ in range(30):
        capture.tick(1.0)
    assert capture.rate < 1
    for _ in range(30):
        for _ in range(20):
            flow = make_flow()
            capture.begin(flow)
            capture.end(flow)
        capture.tick(1.0)
    assert 19 < capture.rate < 21


def test_a_connection_is_stored_with_its_flow_and_again_at_its_end(capture: Capture) -> None:
    flow = make_flow()
    capture.begin(flow)
    capture.end(flow)
    flow.client.bytes_in = 99
    capture.closed(flow.client)
    silent = ConnectionInfo("client")
    capture.closed(silent)
    with stored(capture) as reader:
        info = reader.connection(flow.client.id)
        assert info is not None
        assert info.bytes_in == 99
        assert info.closed is not None
        assert reader.connection(silent.id) is None


def test_a_connection_that_failed_is_kept(capture: Capture) -> None:
    failed = ConnectionInfo("server", address=("a.test", 443), error="refused")
    capture.closed(failed)
    with stored(capture) as reader:
        info = reader.connection(failed.id)
    assert info is not None
    assert info.error == "refused"
