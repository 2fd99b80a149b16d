"""A small app around the detail pane, for its tests."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from rama_proxy.model.flow import Flow
from rama_tui.themes import DARK, LIGHT
from rama_tui.widgets.detail import Detail


class DetailApp(App[None]):
    """Shows `flow`, whose bodies `load` brings."""

    def __init__(
        self,
        flow: Flow | None = None,
        load: Callable[[Flow], None] = lambda flow: None,
        theme: str = DARK.name,
    ) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = theme
        self._first, self._load = flow, load

    def compose(self) -> ComposeResult:
        """The pane alone."""
        yield Detail(self._load)

    def on_mount(self) -> None:
        """Show the flow."""
        self.detail.show(self._first)

    @property
    def detail(self) -> Detail:
        """The pane."""
        return self.query_one(Detail)


async def settle(pilot: Pilot[None]) -> None:
    """Wait until all that was asked for is on the screen."""
    app = pilot.app
    assert isinstance(app, DetailApp)
    while not app.detail.is_settled:
        await pilot.pause(0.005)
    await pilot.pause()
