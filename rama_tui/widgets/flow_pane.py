"""The middle of the screen: the list, and the open flow beside it, below it or in its place."""

from __future__ import annotations

from collections.abc import Callable, Container

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container as Box

from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.model.flow import Flow
from rama_tui.flow_view import ReadPage
from rama_tui.message_source import MessageSource
from rama_tui.replaying import LoadAttempts
from rama_tui.widgets.detail import Detail
from rama_tui.widgets.empty_state import EmptyState
from rama_tui.widgets.flow_list import FlowList

RETRY = 0.05  # seconds


class FlowPane(Box):
    """List and detail. Which of them are in sight follows from the screen's width.

    `load_flow` reads a flow without bodies, `load_bodies` fills them in from a thread, `messages`
    has those of flows that have some, `load_attempts` gives the replays of a flow.
    """

    DEFAULT_CSS = """
    FlowPane {
        height: 1fr; layout: vertical;
        & > #flows { height: 1fr; layers: below above; }
        & FlowList { layer: below; }
        & EmptyState { layer: above; display: none; margin-top: 1; }
        & EmptyState.-shown { display: block; }
        & > Detail { display: none; }
        &.-open > Detail { display: block; height: 3fr; }
        &.-open > #flows { height: 2fr; }
        &.-beside { layout: horizontal; }
        &.-beside.-open > Detail { width: 6fr; height: 1fr; }
        &.-beside.-open > #flows { width: 5fr; height: 1fr; }
        &.-single.-open > #flows, &.-zoomed.-open > #flows { display: none; }
    }
    """

    def __init__(
        self,
        read_page: ReadPage,
        load_flow: Callable[[int], Flow | None],
        load_bodies: Callable[[Flow], None],
        messages: MessageSource | None = None,
        *,
        schema: Schema | None = None,
        load_attempts: LoadAttempts | None = None,
    ) -> None:
        super().__init__()
        self.flow_list = FlowList(read_page)
        self.empty_state = EmptyState()
        self.detail = Detail(load_bodies, messages, schema=schema, load_attempts=load_attempts)
        self._load_flow = load_flow
        self._shown: int | None = None

    def compose(self) -> ComposeResult:
        """The list with what stands there when it is empty, and the detail."""
        with Box(id="flows"):
            yield self.flow_list
            yield self.empty_state
        yield self.detail

    @property
    def is_open(self) -> bool:
        """Whether a flow is open."""
        return self.has_class("-open")

    @property
    def is_single(self) -> bool:
        """Whether the screen has room for the list or the open flow, not both."""
        return self.has_class("-single")

    def on_resize(self, event: events.Resize) -> None:
        """Beside each other from 150 cells, one of them below 100."""
        self.set_class(event.size.width >= 150, "-beside")
        self.set_class(event.size.width < 100, "-single")

    # --- the open flow

    def open(self) -> None:
        """Open the flow under the cursor; if it is open, go into it."""
        if self.is_open:
            self.detail.focus()
        elif self.flow_list.cursor_id is not None:
            self.add_class("-open")
            self._show(self.flow_list.cursor_id)

    def close(self) -> None:
        """Close it and go back to the list."""
        self.remove_class("-open", "-zoomed")
        self._shown = None
        self.flow_list.focus()

    def zoom(self) -> None:
        """Give the open flow all the room, or back."""
        self.toggle_class("-zoomed")

    def focus_main(self) -> None:
        """Put the focus on the list, or on the flow that hides it."""
        if self.is_open and (self.is_single or self.has_class("-zoomed")):
            self.detail.focus()
        else:
            self.screen.set_focus(self.flow_list)

    def refresh_open(self, changed: Container[int]) -> None:
        """Show the open flow again if it is among `changed`."""
        if self.is_open and self._shown is not None and self._shown in changed:
            self._show(self._shown)

    @on(FlowList.Highlighted)
    def _follow_cursor(self, event: FlowList.Highlighted) -> None:
        if self.is_open and event.row_id != self._shown:
            self._show(event.row_id)

    @on(FlowList.Opened)
    def _double_clicked(self) -> None:
        self.open()

    def _show(self, flow_id: int | None) -> None:
        self._shown = flow_id
        self.detail.show(None if flow_id is None else self._load_flow(flow_id))

    @on(events.DescendantBlur)
    def _blurred(self) -> None:
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """What goes out of sight loses the focus; somebody has to have it."""
        if self.screen.is_current and self.screen.focused is None:
            self.focus_main()
            if self.is_open and not self.detail.is_settled:
                self.set_timer(RETRY, self._keep_focus)  # nothing in it can take the focus yet
