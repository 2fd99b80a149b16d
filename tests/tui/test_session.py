"""A session: a finished store, an engine that runs on its own, a child."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.errors import StoreError
from rama_tui.child import ChildEngine, engine_command
from rama_tui.session import ABSENT, RUNNING, STOPPED, Facts, Session
from tests.support.engine import Engine
from tests.support.flows import make_store
from tests.support.peers import Nginx, curl
from tests.support.tui import eventually, screen_of, shown, until_shows


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that runs on its own."""
    with Engine(tmp_path) as running:
        yield running


def test_a_missing_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Session(tmp_path / "none.db")


async def test_a_finished_store(tmp_path: Path) -> None:
    session = Session(make_store(tmp_path / "s.db", 30))
    await session.attach(lambda: None)
    assert session.engine == ABSENT
    assert session.client_address == "127.0.0.1:8080"
    assert len(session.reader.ids()) == 30
    assert session.store_size() >= (tmp_path / "s.db").stat().st_size
    flow = session.reader.flow(1)
    assert flow is not None
    assert flow.response is not None
    session.load_bodies(flow)
    assert len(bytes(flow.response.body)) == flow.response.body.size
    await session.detach()
    session.close()


async def test_a_running_engine_is_attached_to_and_left_alone(engine: Engine, nginx: Nginx) -> None:
    session = Session(engine.store)
    changes: list[str] = []
    await session.attach(lambda: changes.append(session.engine))
    assert session.engine == RUNNING
    assert session.client_address == f"127.0.0.1:{engine.port}"
    assert session.facts.ca_path == engine.ca
    assert session.facts.mode == "regular"
    curl("-x", engine.proxy, f"{nginx.http}/1k")
    await eventually(lambda: session.health.rate > 0)
    assert session.rates[-1] == session.health.rate
    await session.detach()
    session.close()
    assert engine.process.poll() is None


async def test_a_list_of_a_running_engine_follows(engine: Engine, nginx: Nginx) -> None:
    curl("-x", engine.proxy, f"{nginx.http}/1k")
    async with shown(Session(engine.store)) as pilot:
        await until_shows(pilot, f"● 127.0.0.1:{engine.port}", "FOLLOW", "1 flow ")
        curl("-x", engine.proxy, f"{nginx.http}/1k?again")
        await until_shows(pilot, "/1k?again", "2 flows")
        assert screen_of(pilot).flow_list.cursor_id == 2


async def test_an_engine_that_ends_is_noticed(engine: Engine) -> None:
    session = Session(engine.store)
    states: list[str] = []
    await session.attach(lambda: states.append(session.engine))
    engine.signal(signal.SIGTERM)
    await eventually(lambda: states[-1] == STOPPED)
    await session.detach()
    session.close()


async def test_a_store_whose_engine_was_killed_opens_as_finished(engine: Engine) -> None:
    engine.signal(signal.SIGKILL)
    engine.wait()
    session = Session(engine.store)
    await session.attach(lambda: None)
    assert session.engine == ABSENT
    await session.detach()
    session.close()


async def test_a_child_that_dies_tells_why(tmp_path: Path) -> None:
    child = ChildEngine(engine_command(["-p", "0", "-w", str(tmp_path / "flows.db")]))
    try:
        session = Session(child.wait_ready().store, child)
        assert session.engine == RUNNING
        states: list[str] = []
        await session.attach(lambda: states.append(session.engine))
        assert session.facts.ca_path
        os.kill(child.pid, signal.SIGKILL)
        await eventually(lambda: states[-1:] == [STOPPED])
        assert session.engine_error == "signal 9"
        await session.detach()
        session.close()
    finally:
        child.stop()


def test_clients_of_every_interface_connect_to_loopback(tmp_path: Path) -> None:
    session = Session(make_store(tmp_path / "s.db", 1))
    session.facts = Facts(("0.0.0.0:8080",))
    assert session.client_address == "127.0.0.1:8080"
    session.facts = Facts(("[::]:8080",))
    assert session.client_address == "127.0.0.1:8080"
    session.facts = Facts()
    assert session.client_address == ""
    session.close()
