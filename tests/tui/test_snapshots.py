"""Pictures of the screens; `pytest --snapshot-update` takes them again after a wanted change."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rama_tui.app import RamaApp
from rama_tui.session import RUNNING, STOPPED, Facts, Session
from rama_tui.widgets.detail import Detail
from tests.support.flows import make_store
from tests.support.tui import curl_of, screen_of, settled, until, until_shows

SMALL, LARGE = (80, 24), (140, 45)
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])

Compare = Callable[..., bool]
Step = Callable[[Pilot[int]], Awaitable[None]]
Picture = Callable[[Session, tuple[int, int], Step], bool]


class SnapshotSession(Session):
    """A session with a store that is as large on every machine."""

    def store_size(self) -> int:
        """What the picture shows."""
        return 524_288


@pytest.fixture(autouse=True)
def _same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same time zone, and a path that is not in the picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def session() -> Iterator[Session]:
    """A finished capture."""
    make_store(Path("sample.db"), 200)
    found = SnapshotSession(Path("sample.db"))
    yield found
    found.close()


@pytest.fixture
def waiting() -> Iterator[Session]:
    """A proxy that nobody has used yet."""
    make_store(Path("live.db"), 0)
    found = SnapshotSession(Path("live.db"))
    found.engine = RUNNING
    found.facts = Facts(("127.0.0.1:8080",), ca_path="/home/ada/.config/rama/ca-cert.pem")
    yield found
    found.close()


@pytest.fixture
def picture(snap_compare: Compare) -> Picture:
    """Compares the screen after `step` with the picture of it, once it has settled."""

    def compare(session: Session, size: tuple[int, int], step: Step) -> bool:
        async def run(pilot: Pilot[int]) -> None:
            await step(pilot)
            await settled(pilot)

        app = RamaApp(session, {"curl": curl_of})
        return snap_compare(app, terminal_size=size, run_before=run)

    return compare


async def loaded(pilot: Pilot[int]) -> None:
    """Wait for the flows."""
    await until(pilot, lambda: len(screen_of(pilot).flow_list.view) > 0)
    await until_shows(pilot, "200 flows")


async def opened(pilot: Pilot[int]) -> None:
    """Open the fourth flow."""
    await loaded(pilot)
    await pilot.press("j", "j", "j", "enter")
    detail = pilot.app.screen.query_one(Detail)
    await until_shows(pilot, "#4 ")
    await until(pilot, lambda: detail.is_settled and pilot.app.screen.focused is not None)


@SIZES
def test_list(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    assert picture(session, size, loaded)


@SIZES
def test_open(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    assert picture(session, size, opened)


def test_open_beside(picture: Picture, session: Session) -> None:
    assert picture(session, (160, 45), opened)


@SIZES
def test_light(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    async def light(pilot: Pilot[int]) -> None:
        await opened(pilot)
        await pilot.press("ctrl+t")

    assert picture(session, size, light)


@SIZES
def test_help(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    async def helped(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until_shows(pilot, "Everywhere")

    assert picture(session, size, helped)


@SIZES
def test_filter(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    async def filtered(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("slash", *"~c 404 | ~e", "enter")
        await until_shows(pilot, "FILTER", " of 200 flows")

    assert picture(session, size, filtered)


@SIZES
def test_filter_mistake(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    async def wrong(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("slash")
        pilot.app.screen.query_one(Input).value = "~d shop & ~d ("  # at once: nothing is applied
        await until_shows(pilot, "~d (host")

    assert picture(session, size, wrong)


@SIZES
def test_no_match(picture: Picture, session: Session, size: tuple[int, int]) -> None:
    async def unmatched(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("slash", *"~d nowhere", "enter")
        await until_shows(pilot, "No flow matches")

    assert picture(session, size, unmatched)


@SIZES
def test_waiting(picture: Picture, waiting: Session, size: tuple[int, int]) -> None:
    async def shown(pilot: Pilot[int]) -> None:
        await until_shows(pilot, "Waiting for traffic")

    assert picture(waiting, size, shown)


def test_engine_stopped(picture: Picture, session: Session) -> None:
    session.engine = RUNNING

    async def stopped(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        session.engine, session.engine_error = STOPPED, "killed by the kernel (signal 9)"
        screen_of(pilot)._on_engine()
        await until_shows(pilot, "engine stopped")

    assert picture(session, SMALL, stopped)


def test_no_color(picture: Picture, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")
    assert picture(session, SMALL, loaded)
