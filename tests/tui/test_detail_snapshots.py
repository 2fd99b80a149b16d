"""Pictures of the detail pane; after a wanted change: --snapshot-update, and look at them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from textual.pilot import Pilot

from rama_proxy.model.flow import Flow
from rama_tui.themes import DARK, LIGHT
from tests.tui import detail_flows
from tests.tui.detail_app import DetailApp, settle

SMALL, LARGE = (80, 24), (140, 45)
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
@pytest.mark.parametrize("tab", ["exchange", "tls", "timing", "raw"])
def test_a_flow(snap_compare: Compare, tab: str, size: tuple[int, int]) -> None:
    assert snap_compare(
        DetailApp(detail_flows.exchange()), terminal_size=size, run_before=opened(tab)
    )


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
@pytest.mark.parametrize("flow", [detail_flows.http2, detail_flows.cleartext_http2])
def test_how_http2_began(
    snap_compare: Compare, flow: Callable[[], Flow], size: tuple[int, int]
) -> None:
    assert snap_compare(DetailApp(flow()), terminal_size=size, run_before=opened("tls"))


@pytest.mark.parametrize(
    ("flow", "tab"),
    [
        (detail_flows.failed, "exchange"),
        (detail_flows.failed, "timing"),
        (detail_flows.waiting, "exchange"),
        (detail_flows.plain, "tls"),
        (detail_flows.plain, "timing"),
        (lambda: None, "exchange"),
    ],
    ids=["failed", "failed-timing", "waiting", "plain-tls", "plain-timing", "none"],
)
def test_what_is_missing(snap_compare: Compare, flow: Callable[[], Flow | None], tab: str) -> None:
    app = DetailApp(flow(), theme=LIGHT.name)
    assert snap_compare(app, terminal_size=SMALL, run_before=opened(tab))


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name])
def test_the_response_as_bytes(snap_compare: Compare, theme: str) -> None:
    app = DetailApp(detail_flows.exchange(), theme=theme)

    async def prepare(pilot: Pilot[None]) -> None:
        await opened("exchange")(pilot)
        await pilot.press("tab", "v", "v")
        await settle(pilot)

    assert snap_compare(app, terminal_size=(160, 45), run_before=prepare)


def opened(tab: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Brings the tab to the screen, with the focus in it."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, DetailApp)
        await settle(pilot)
        app.detail.focus()
        app.detail.open_tab(tab)
        await settle(pilot)

    return prepare
