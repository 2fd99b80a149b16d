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
from tests.support.tui import curl_of, screen_of, until, until_shows

SMALL, LARGE = (80, 24), (140, 45)
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])

Compare = Callable[..., bool]
Step = Callable[[Pilot[int]], Awaitable[None]]


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


def app_of(session: Session) -> RamaApp:
    """The app on `session`."""
    return RamaApp(session, {"curl": curl_of})


async def loaded(pilot: Pilot[int]) -> None:
    """Wait for the flows."""
    await until(pilot, lambda: len(screen_of(pilot).flow_list.view) > 0)
    await until_shows(pilot, "200 flows", "^p Commands")


async def opened(pilot: Pilot[int]) -> None:
    """Open the fourth flow."""
    await loaded(pilot)
    await pilot.press("j", "j", "j", "enter")
    detail = pilot.app.screen.query_one(Detail)
    await until_shows(pilot, "#4 ", "esc Back")
    await until(pilot, lambda: detail.is_settled and pilot.app.screen.focused is not None)


@SIZES
def test_list(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(session), terminal_size=size, run_before=loaded)


@SIZES
def test_open(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(session), terminal_size=size, run_before=opened)


def test_open_beside(snap_compare: Compare, session: Session) -> None:
    assert snap_compare(app_of(session), terminal_size=(160, 45), run_before=opened)


@SIZES
def test_light(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    async def light(pilot: Pilot[int]) -> None:
        await opened(pilot)
        await pilot.press("ctrl+t")

    assert snap_compare(app_of(session), terminal_size=size, run_before=light)


@SIZES
def test_help(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    async def helped(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until_shows(pilot, "Everywhere", "sample.db", "Open")

    assert snap_compare(app_of(session), terminal_size=size, run_before=helped)


@SIZES
def test_filter(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    async def filtered(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("slash", *"~c 404 | ~e", "enter")
        await until_shows(pilot, "FILTER", " of 200 flows", "esc Clear")

    assert snap_compare(app_of(session), terminal_size=size, run_before=filtered)


@SIZES
def test_filter_mistake(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    async def wrong(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("slash")
        pilot.app.screen.query_one(Input).value = "~d shop & ~d ("  # at once: nothing is applied
        await until_shows(pilot, "~d (host", "esc Undo")

    assert snap_compare(app_of(session), terminal_size=size, run_before=wrong)


@SIZES
def test_no_match(snap_compare: Compare, session: Session, size: tuple[int, int]) -> None:
    async def unmatched(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        await pilot.press("slash", *"~d nowhere", "enter")
        await until_shows(pilot, "No flow matches", "esc Clear")

    assert snap_compare(app_of(session), terminal_size=size, run_before=unmatched)


@SIZES
def test_waiting(snap_compare: Compare, waiting: Session, size: tuple[int, int]) -> None:
    async def shown(pilot: Pilot[int]) -> None:
        await until_shows(pilot, "Waiting for traffic", "^p Commands")

    assert snap_compare(app_of(waiting), terminal_size=size, run_before=shown)


def test_engine_stopped(snap_compare: Compare, session: Session) -> None:
    session.engine = RUNNING

    async def stopped(pilot: Pilot[int]) -> None:
        await loaded(pilot)
        session.engine, session.engine_error = STOPPED, "killed by the kernel (signal 9)"
        screen_of(pilot)._on_engine()
        await until_shows(pilot, "engine stopped")

    assert snap_compare(app_of(session), terminal_size=SMALL, run_before=stopped)


def test_no_color(snap_compare: Compare, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")
    assert snap_compare(app_of(session), terminal_size=SMALL, run_before=loaded)
