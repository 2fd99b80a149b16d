"""Pictures of the messages pane; after a wanted change: --snapshot-update, and look at them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from rama_proxy.model.flow import ACTIVE
from rama_tui.themes import DARK, LIGHT
from rama_tui.widgets.messages_pane import MessagesPane
from tests.tui.detail_app import DetailApp, settle
from tests.tui.message_flows import CHAT, store_of, websocket

SMALL, LARGE = (80, 24), (140, 45)
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
Compare = Callable[..., bool]
Step = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def pressed(*keys: str) -> Step:
    """Goes into the list and presses keys."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, DetailApp)
        await settle(pilot)
        app.detail.focus()
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    return prepare


@SIZES
@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name])
def test_messages(snap_compare: Compare, tmp_path: Path, theme: str, size: tuple[int, int]) -> None:
    source = store_of(tmp_path / "a.db", websocket())
    app = DetailApp(websocket(), theme=theme, messages=source)
    assert snap_compare(app, terminal_size=size, run_before=pressed("j", "k"))
    source.close()


@SIZES
def test_filtered(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    source = store_of(tmp_path / "a.db", websocket())
    app = DetailApp(websocket(), messages=source)
    keys = ("slash", *"< & !~ping", "enter", "j", "enter")
    assert snap_compare(app, terminal_size=size, run_before=pressed(*keys))
    source.close()


@SIZES
def test_live(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    flow = websocket(ACTIVE)
    source = store_of(tmp_path / "a.db", flow, CHAT[:9] * 12)
    app = DetailApp(flow, messages=source, theme=LIGHT.name)
    assert snap_compare(app, terminal_size=size, run_before=pressed("k", "k", "j", "j"))
    source.close()


def test_none_yet(snap_compare: Compare, tmp_path: Path) -> None:
    flow = websocket(ACTIVE)
    source = store_of(tmp_path / "a.db", flow, ())
    app = DetailApp(flow, messages=source)
    assert snap_compare(app, terminal_size=SMALL, run_before=pressed("j"))
    source.close()


def test_a_mistake_in_the_filter(snap_compare: Compare, tmp_path: Path) -> None:
    source = store_of(tmp_path / "a.db", websocket())
    app = DetailApp(websocket(), messages=source)

    async def prepare(pilot: Pilot[None]) -> None:
        await pressed("slash")(pilot)
        app.query_one(MessagesPane).bar.input.value = "~text & ~bimary"  # all at once
        await pilot.press("end")
        await settle(pilot)

    assert snap_compare(app, terminal_size=SMALL, run_before=prepare)
    source.close()
