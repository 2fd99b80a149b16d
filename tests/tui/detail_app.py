"""A small app around the detail pane, for its tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.model.flow import Flow
from rama_tui.message_source import MessageSource
from rama_tui.themes import DARK, LIGHT
from rama_tui.widgets.detail import Detail
from rama_tui.widgets.lines_view import LinesView
from rama_tui.widgets.message_view import MessageView


class DetailApp(App[None]):
    """Shows `flow`, whose bodies `load` brings."""

    def __init__(
        self,
        flow: Flow | None = None,
        load: Callable[[Flow], None] = lambda flow: None,
        theme: str = DARK.name,
        messages: MessageSource | None = None,
        schema: Schema | None = None,
    ) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = theme
        self._first, self._load = flow, load
        self._messages, self._schema = messages, schema

    def compose(self) -> ComposeResult:
        """The pane alone."""
        yield Detail(
            self._load,
            self._messages,
            schema=self._schema,
            now=lambda: datetime(2026, 6, 1, tzinfo=UTC),
        )

    def on_mount(self) -> None:
        """Show the flow."""
        self.detail.show(self._first)

    @property
    def request(self) -> MessageView:
        """The request's pane."""
        return self.query(MessageView).first()

    @property
    def response(self) -> MessageView:
        """The response's pane."""
        return self.query(MessageView).last()

    @property
    def detail(self) -> Detail:
        """The pane."""
        return self.query_one(Detail)


def texts(view: LinesView) -> list[str]:
    """Every row of a view."""
    return [view.row_text(index) for index in range(view.row_count)]


async def settle(pilot: Pilot[None]) -> None:
    """Wait until all that was asked for is on the screen."""
    app = pilot.app
    assert isinstance(app, DetailApp)
    while not app.detail.is_settled:
        await pilot.pause(0.005)
    await pilot.pause()
