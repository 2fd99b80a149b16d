"""The key `r`: a flow sent again by a real engine, and what the screen says of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.errors import ControlError
from rama_proxy.store.reader import Attempts, Reader
from rama_tui.replaying import attempts_text, outcome_of
from rama_tui.session import Session
from tests.support.engine import Engine
from tests.support.flows import make_flow, make_store
from tests.support.peers import Nginx, curl
from tests.support.tui import screen_of, shown, until, until_shows


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that runs on its own."""
    with Engine(tmp_path) as running:
        yield running


async def test_r_sends_it_again_and_the_new_flow_appears(engine: Engine, nginx: Nginx) -> None:
    curl("-x", engine.proxy, f"{nginx.http}/1k")
    async with shown(Session(engine.store), size=(140, 45)) as pilot:
        await until_shows(pilot, f"● 127.0.0.1:{engine.port}", "1 flow ")
        await pilot.press("r")
        await until_shows(pilot, "flow 2 is a replay of 1: 200, 1 KiB", "2 flows")
        await until(pilot, lambda: screen_of(pilot).flow_list.cursor_id == 2)  # it follows
        await pilot.press("enter")
        await until_shows(pilot, "replay of #1, attempts: #2")
        await pilot.press("r")
        await until_shows(pilot, "flow 3 is a replay of 2", "3 flows")
        await pilot.press("g")
        await until_shows(pilot, "replayed 2 times: #2 #3")
    assert [flow.parent_id for flow in engine.flows(3)] == [None, 1, 1]


async def test_the_open_flow_tells_of_its_first_replay(engine: Engine, nginx: Nginx) -> None:
    for path in ("1k", "1k?other"):
        curl("-x", engine.proxy, f"{nginx.http}/{path}")
    async with shown(Session(engine.store), size=(140, 45)) as pilot:
        await until_shows(pilot, f"● 127.0.0.1:{engine.port}", "2 flows")
        await pilot.press("g", "enter", "r")
        await until_shows(pilot, "replayed once: #3")
        assert screen_of(pilot).flow_list.cursor_id == 1


async def test_a_failure_is_told(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    curl("-x", engine.proxy, f"http://127.0.0.1:{port}/")
    async with shown(Session(engine.store), size=(140, 45)) as pilot:
        await until_shows(pilot, f"● 127.0.0.1:{engine.port}")
        await pilot.press("r")
        await until_shows(pilot, "flow 2 is a replay of 1: ")
        (toast,) = pilot.app._notifications
        assert toast.severity == "error"
        assert str(port) in toast.message


async def test_what_cannot_be_sent_is_told(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--body-limit", "3") as engine:
        curl("-x", engine.proxy, "-d", "hello", f"{nginx.http}/1k")
        async with shown(Session(engine.store), size=(140, 45)) as pilot:
            await until_shows(pilot, f"● 127.0.0.1:{engine.port}")
            await pilot.press("r")
            await until_shows(pilot, "flow 1 was not replayed", "5 bytes was kept")
        engine.flows(1)


async def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    session = Session(make_store(tmp_path / "s.db", 3))
    with pytest.raises(ControlError, match="no engine is running"):
        await session.replay(1)
    async with shown(session, size=(140, 45)) as pilot:
        await pilot.press("r")
        await until_shows(pilot, "was not replayed: no engine is running")


def test_outcomes_are_escaped() -> None:
    text, failed = outcome_of({"flow": 2, "origin": 1, "error": "a\x1b[31mb"})
    assert failed
    assert "\x1b" not in text
    assert outcome_of({"flow": 2, "origin": 1, "status": 204, "size": 0, "ms": 3.4}) == (
        "flow 2 is a replay of 1: 204, 0 B, 3 ms",
        False,
    )


def test_attempts_in_words() -> None:
    flow = make_flow(1)
    assert attempts_text(flow, Attempts(0, [])) == ""
    assert attempts_text(flow, Attempts(1, [8])) == "replayed once: #8"
    assert attempts_text(flow, Attempts(9, [8, 9])) == "replayed 9 times: … #8 #9"
    flow.parent_id = 7
    assert attempts_text(flow, Attempts(2, [8, 9])) == "replay of #7, attempts: #8 #9"


async def test_the_store_knows_the_attempts(engine: Engine, nginx: Nginx) -> None:
    curl("-x", engine.proxy, f"{nginx.http}/1k")
    engine.flows(1)
    session = Session(engine.store)
    await session.attach(lambda: None)
    for _ in range(3):
        await session.replay(1)
    engine.flows(4)
    with Reader(engine.store) as reader:
        first, third = reader.flow(1), reader.flow(3)
        assert first is not None
        assert third is not None
        assert reader.attempts(first) == reader.attempts(third) == (3, [2, 3, 4])
        assert reader.attempts(first, 2) == (3, [3, 4])
    plan = engine.query("explain query plan select id from flows where parent_id = 1")
    assert "flows_parent" in str(plan)
    await session.detach()
    session.close()
