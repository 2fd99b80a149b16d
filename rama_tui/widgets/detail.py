"""The opened flow: request beside response, messages, TLS and fingerprints, timing, raw bytes.

`show` costs next to nothing: what is drawn waits until the cursor rests, and bodies are read,
decoded and formatted in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar, Self

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.css.query import DOMQuery
from textual.events import Resize
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static
from textual.worker import Worker, WorkerState, get_current_worker

from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.model.flow import DONE, Flow
from rama_proxy.model.text import escape_text
from rama_tui.message_source import MessageSource
from rama_tui.replaying import LoadAttempts
from rama_tui.widgets.detail_tabs import EXCHANGE, MESSAGES, RAW, TIMING, TLS, TabChoice, tabs_of
from rama_tui.widgets.flow_banner import FlowBanner
from rama_tui.widgets.lines_view import LinesView
from rama_tui.widgets.message_view import Body, MessageView
from rama_tui.widgets.messages_pane import MessagesPane
from rama_tui.widgets.payload_view import PayloadView
from rama_tui.widgets.preparation import REQUEST, RESPONSE, Preparation, Prepared, Wanted
from rama_tui.widgets.raw_view import RawView
from rama_tui.widgets.side_view import SideView
from rama_tui.widgets.tab_bar import TabBar
from rama_tui.widgets.timing_view import TimingView
from rama_tui.widgets.tls_view import TlsView

REST = 0.06  # seconds; a held key repeats every 33 ms
BURST = 0.25  # seconds between calls that belong together
GRACE = 0.04  # seconds in which a body comes into the same frame as its head
SIDE_BY_SIDE = 96  # cells from which the response stands beside the request
BODIES = "detail-bodies"  # the group of our workers


class Detail(Widget):
    """Shows one flow. `load_bodies` fills in its bodies; it is called in a thread, once at a time.

    It may raise a RamaError, which is shown where the body would be. `messages` has those of flows
    that have some, `load_attempts` gives the replays of a flow. `now` is what the expiry of
    certificates is counted from.
    """

    DEFAULT_CSS = """
    Detail {
        height: 1fr;
        layout: vertical;
        border: round $panel;
        border-title-color: $foreground;
        border-subtitle-color: $text-muted;
        &:focus-within { border: round $accent; }
        & > .detail--empty { height: 1fr; padding: 1 2; color: $text-muted; display: none; }
        & > ContentSwitcher { height: 1fr; }
        & .detail--pair { height: 1fr; }
        & #tls, & #timing { padding: 1 0 0 1; }
        & .detail--pair > SideView:last-of-type { margin-left: 1; }
        &.-stacked .detail--pair { layout: vertical; }
        &.-stacked .detail--pair > SideView { margin-left: 0; }
        &.-stacked.-low .detail--pair > SideView:focus-within { height: 2fr; }
        &.-empty {
            & > ContentSwitcher, & > TabBar { display: none; }
            & > .detail--empty { display: block; }
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left_square_bracket",
            "tab(-1)",
            "Previous tab",
            show=False,
            tooltip="Request and response, messages, TLS, timing, raw: one back.",
            id="detail.tab.previous",
        ),
        Binding(
            "right_square_bracket",
            "tab(1)",
            "Next tab",
            tooltip="Request and response, messages, TLS, timing, raw: one on.",
            id="detail.tab.next",
        ),
    ]

    def __init__(
        self,
        load_bodies: Callable[[Flow], None],
        messages: MessageSource | None = None,
        *,
        schema: Schema | None = None,
        load_attempts: LoadAttempts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        id: str | None = None,  # noqa: A002  Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._preparation = Preparation(load_bodies, schema)
        self._load_attempts = load_attempts
        self._now = now
        self._pane = MessagesPane(messages, schema, id=MESSAGES)
        self._choice = TabChoice()
        self._wanted: Flow | None = None
        self._flow: Flow | None = None  # is shown, or is being prepared
        self._drawn: Flow | None = None  # is shown by the line above and the heads
        self._asked = 0.0  # when `show` was called last
        self._rest: Timer | None = None
        self._grace: Timer | None = None
        self._limits: dict[SideView, int | None] = {}  # rows that panes are high at most
        self._fresh: set[str] = set()  # tabs that show the flow as it is

    def compose(self) -> ComposeResult:
        """Banner, tabs and what they switch between."""
        yield FlowBanner(self._load_attempts)
        yield TabBar(tabs_of(None, 0))
        yield Static("No flow selected.", classes="detail--empty", markup=False)
        with ContentSwitcher(initial=EXCHANGE):
            with Horizontal(id=EXCHANGE, classes="detail--pair"):
                yield MessageView(REQUEST)
                yield MessageView(RESPONSE)
            yield self._pane
            yield TlsView(id=TLS)
            yield TimingView(id=TIMING)
            with Horizontal(id=RAW, classes="detail--pair"):
                yield RawView(REQUEST)
                yield RawView(RESPONSE)

    def on_mount(self) -> None:
        """Begin empty."""
        self.add_class("-empty")

    # --- what is shown

    @property
    def flow(self) -> Flow | None:
        """The flow that was asked for last."""
        return self._wanted

    @property
    def tab(self) -> str:
        """The active tab: "exchange", "messages", "tls", "timing" or "raw"."""
        return self.query_one(TabBar).active

    @property
    def is_settled(self) -> bool:
        """Whether all that was asked for is on the screen."""
        busy = any(worker.group == BODIES and not worker.is_finished for worker in self.workers)
        waits = busy or (self.tab == MESSAGES and not self._pane.is_settled)
        return self._rest is None and self._grace is None and not waits

    @property
    def messages(self) -> MessagesPane | None:
        """The pane of messages while it is the active tab."""
        return self._pane if self.tab == MESSAGES else None

    def show(self, flow: Flow | None) -> None:
        """Show `flow`: at once, or in a burst of calls as soon as it is over for REST seconds.

        The same flow as it is by now keeps its place on the screen.
        """
        self._wanted = flow
        now = time.monotonic()
        delay = REST if now - self._asked < BURST else 0.001
        self._asked = now
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(delay, self._present)
        if flow is not None and self._drawn is None:
            self.remove_class("-empty")  # so that it can take the focus

    def _present(self) -> None:
        """The cursor rests: prepare what the active tab shows of the flow."""
        self._rest = None
        before, self._flow = self._flow, self._wanted
        same = before is not None and self._flow is not None and before.id == self._flow.id
        if before is not None and self._flow is not None and same:
            self._preparation.carry_over(before, self._flow)
        self._fresh.clear()
        self._pane.open(self._flow)
        self._show_tabs()
        if not same:
            self._switch(self._choice.tab_of(self.query_one(TabBar).names))
        self._open_tab()

    def _show_tabs(self) -> None:
        """Offer the tabs that this flow has."""
        self.query_one(TabBar).show_tabs(tabs_of(self._flow, self._pane.count))

    def _switch(self, tab: str) -> None:
        """Put `tab` into sight; the focus comes along."""
        if tab == self.tab:
            return
        had_focus = self.has_focus_within
        self.query_one(TabBar).active = tab
        self.query_one(ContentSwitcher).current = tab
        if had_focus:
            self.focus()

    def _open_tab(self) -> None:
        """Bring the active tab up to the flow, at once or when a thread has its bodies."""
        tab = self.tab
        if self._flow is None or tab in {MESSAGES, TLS, TIMING}:
            self._draw()
        elif tab not in self._fresh:
            self._stop_grace()
            self._grace = self.set_timer(GRACE, self._draw)
            self._prepare()

    def _draw(self) -> None:
        """Draw what is known of the flow; bodies come when they are ready."""
        self._stop_grace()
        before, flow = self._drawn, self._flow
        self._drawn = flow
        same = before is not None and flow is not None and before.id == flow.id
        if flow is not before:
            self.set_class(flow is None, "-empty")
            self.border_title = Content("") if flow is None else _title(flow)
            self.border_subtitle = "" if flow is None or flow.state == DONE else flow.state
            self.query_one(FlowBanner).show_flow(flow)
        tab = self.tab
        if flow is None or tab in self._fresh:
            return
        self._fresh.add(tab)
        if tab == TLS:
            self.query_one(TlsView).show_flow(flow, self._now(), keep_place=same)
        elif tab == TIMING:
            self.query_one(TimingView).show_flow(flow, keep_place=same)
        elif tab == MESSAGES:
            self._pane.wake()
        elif tab == EXCHANGE:
            known = self._preparation.loaded is flow
            for view in self.query(MessageView):
                view.show_head(flow, keep_place=same, body_known=known)

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.stop()
            self._grace = None

    def _prepare(self) -> None:
        """Let a thread make what the panes of the active tab show."""
        flow, raw = self._flow, self.tab == RAW
        if flow is None:
            return
        views: DOMQuery[SideView] = self.query(RawView if raw else MessageView)
        wanted = [Wanted(view.side, view.mode, view.wrap, raw) for view in views]
        self.run_worker(
            lambda: self._preparation.run(flow, wanted, lambda: get_current_worker().is_cancelled),
            group=BODIES,
            exclusive=True,
            thread=True,
            exit_on_error=False,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a thread has made, unless another flow is wanted by now."""
        worker = event.worker
        if worker.group != BODIES:
            return
        event.stop()
        if event.state == WorkerState.ERROR:
            problem = Body(None, "", "", (f"the body cannot be shown: {worker.error!r}",))
            self._draw()
            for view in self.query(MessageView):
                view.show_body(problem)
        result = worker.result if event.state == WorkerState.SUCCESS else None
        if isinstance(result, Prepared) and result.flow is self._flow:
            self._draw()
            self._draw_prepared(result)

    def _draw_prepared(self, result: Prepared) -> None:
        for message_view in self.query(MessageView):
            if message_view.side in result.bodies:
                message_view.show_body(result.bodies[message_view.side])
        for raw_view in self.query(RawView):
            if raw_view.side in result.wires:
                raw_view.show_wire(result.flow, result.wires[raw_view.side])

    # --- keys and mouse

    def focus(self, scroll_visible: bool = True) -> Self:
        """Give the focus to what scrolls in the active tab."""
        for view in self.query("LinesView, MessageList"):
            if view.visible and all(node.display for node in view.ancestors_with_self):
                view.focus(scroll_visible)
                break
        return self

    def action_tab(self, step: int) -> None:
        """Another tab, `step` places on."""
        self.open_tab(self.query_one(TabBar).neighbour(step))

    def open_tab(self, tab: str) -> None:
        """Show tab "exchange", "messages", "tls", "timing" or "raw", also of the next flows."""
        self._choice.choose(tab, self.query_one(TabBar).names)
        self._switch(tab)
        self._open_tab()

    def on_messages_pane_counted(self, event: MessagesPane.Counted) -> None:
        """There are more messages."""
        event.stop()
        self._show_tabs()

    def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        """A tab was clicked."""
        event.stop()
        self.open_tab(event.tab)

    def on_side_view_view_changed(self, event: SideView.ViewChanged) -> None:
        """A pane wants its content in another way."""
        event.stop()
        self._prepare()

    def on_resize(self, event: Resize) -> None:
        """Stack the panes where they do not fit beside each other."""
        self.set_class(event.size.width < SIDE_BY_SIDE, "-stacked")
        self.set_class(event.size.height < 30, "-low")
        self._fit_heights()

    def on_lines_view_laid_out(self, event: LinesView.LaidOut) -> None:
        """A pane has more or fewer rows."""
        event.stop()
        self._fit_heights()

    def _fit_heights(self) -> None:
        """Panes below each other take no more than they fill, and leave the rest to the other."""
        stacked = self.has_class("-stacked")
        for view in self.query(SideView):
            if isinstance(view, PayloadView):
                continue  # the pane of messages shares its room out itself
            limit = view.lines.row_count + 1 if stacked else None
            if self._limits.get(view) != limit:
                self._limits[view] = view.styles.max_height = limit


def _title(flow: Flow) -> Content:
    request = flow.request
    words = f"#{flow.id} {request.method} {request.pretty_url}"
    return Content(escape_text(words[:400]))
