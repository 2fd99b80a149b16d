"""The main screen: the list of flows, and the one that is open beside or below it.

It puts the parts together: filters go from the bar to a search, what the search and the tail find
goes to the list, the flow under the cursor to the detail pane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer

from rama_proxy.errors import StoreError
from rama_proxy.filters import Filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.text import escape_text
from rama_proxy.store.reader import FlowRow
from rama_tui import clipboard
from rama_tui.actions import FLOWS, bindings
from rama_tui.reading import read_beside
from rama_tui.session import RUNNING, STOPPED, Session
from rama_tui.tail import FlowsChanged, Tail
from rama_tui.widgets.detail import Detail
from rama_tui.widgets.empty_state import Emptiness, EmptyState, first_command
from rama_tui.widgets.filter_bar import FilterBar
from rama_tui.widgets.flow_list import FlowList
from rama_tui.widgets.header_bar import HeaderBar
from rama_tui.widgets.status_bar import Status, StatusBar

Exporters = Mapping[str, Callable[[Flow], str]]

PATIENCE = 0.2  # seconds until a search says that it takes its time
STORE_SIZE_EVERY = 2.0


class FlowsScreen(Screen[None]):
    """Flows, live."""

    AUTO_FOCUS = "FlowList"
    BINDINGS: ClassVar[list[BindingType]] = bindings(FLOWS)
    CSS = """
    FlowsScreen {
        background: $background;
        & #body { height: 1fr; layout: vertical; }
        & #pane { height: 1fr; layers: below above; }
        & FlowList { layer: below; }
        & EmptyState { layer: above; display: none; margin-top: 1; }
        & EmptyState.-shown { display: block; }
        & Detail { display: none; height: 1fr; }
        &.-open Detail { display: block; }
        &.-wide #body { layout: horizontal; }
        &.-wide.-open #pane { width: 5fr; }
        &.-wide.-open Detail { width: 6fr; }
        &.-medium.-open #pane { height: 2fr; }
        &.-medium.-open Detail { height: 3fr; }
        &.-narrow.-open #pane, &.-zoomed.-open #pane { display: none; }
        &.-short HeaderBar { display: none; }
    }
    """

    def __init__(self, session: Session, exporters: Exporters) -> None:
        super().__init__()
        self.session = session
        self.exporters = exporters
        self.tail = Tail(session.open_reader, self)
        self._why = Emptiness(session.engine, session.client_address, session.mode, session.ca_path)
        self._searched = False
        self._store_size = session.store_size()
        self._shown: int | None = None  # the flow in the detail pane

    def compose(self) -> ComposeResult:
        """Header, filter, list and detail, status, keys."""
        yield HeaderBar(self.session.path, self.session.mode)
        yield FilterBar()
        with Container(id="body"):
            with Container(id="pane"):
                yield FlowList(self._read_page)
                yield EmptyState()
            yield Detail(self.session.load_bodies)
        yield StatusBar()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Find the flows, and follow what happens."""
        self.flow_list.follow = self.session.engine == RUNNING
        self.search(self.filter_bar.filter)
        self.run_worker(self.tail.run(), group="tail")
        self.run_worker(self.session.attach(self._on_engine), group="engine")
        self.set_interval(STORE_SIZE_EVERY, self._measure_store)

    @property
    def flow_list(self) -> FlowList:
        """The list."""
        return self.query_one(FlowList)

    @property
    def filter_bar(self) -> FilterBar:
        """The filter line."""
        return self.query_one(FilterBar)

    @property
    def detail(self) -> Detail:
        """The pane of the open flow."""
        return self.query_one(Detail)

    # --- finding flows

    def search(self, selected: Filter) -> None:
        """Show the flows that `selected` fits; a search under way is given up."""
        self.run_worker(self._search(selected), group="search", exclusive=True)

    async def _search(self, selected: Filter) -> None:
        bar = self.filter_bar
        patience = self.set_timer(PATIENCE, lambda: self._say_searching(True))
        try:
            reader = self.session.open_reader()
            try:
                rev = reader.last_rev()
                ids = await read_beside(reader, reader.ids, selected.where())
            finally:
                reader.close()
        except StoreError as error:
            bar.note = escape_text(str(error))
            return
        finally:
            patience.stop()
            self._say_searching(False)
        self._searched = True
        self.tail.start_from(rev, selected)
        if not selected.text:
            self.tail.total = len(ids)
        self._why = self._why._replace(filter_text=selected.text)
        self.flow_list.show_ids(ids)
        self._update_status()

    def _say_searching(self, searching: bool) -> None:
        self.filter_bar.note = "searching… esc stops" if searching else ""

    def _read_page(self, ids: Sequence[int]) -> list[FlowRow]:
        try:
            return self.session.reader.page(ids)
        except StoreError as error:
            self.filter_bar.note = escape_text(str(error))
            return []

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self.search(event.filter)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.flow_list.focus()

    @on(FlowsChanged)
    def _flows_changed(self) -> None:
        changed, removed = self.tail.take()
        if changed or removed:
            self.flow_list.apply(changed, removed)
            if self._shown is not None and self._shown in (*changed, *removed):
                self._show_flow(self._shown)
        if self.tail.problem:
            self.filter_bar.note = escape_text(self.tail.problem)
        self._update_status()

    # --- the open flow

    @on(FlowList.Highlighted)
    def _highlighted(self, event: FlowList.Highlighted) -> None:
        if self.is_open and event.flow_id != self._shown:
            self._show_flow(event.flow_id)

    @property
    def is_open(self) -> bool:
        """Whether a flow is open."""
        return self.has_class("-open")

    def _show_flow(self, flow_id: int | None) -> None:
        self._shown = flow_id
        self.detail.show(self._load(flow_id))

    def _load(self, flow_id: int | None) -> Flow | None:
        try:
            return None if flow_id is None else self.session.reader.flow(flow_id)
        except StoreError as error:
            self.notify(escape_text(str(error)), severity="error", markup=False)
            return None

    def _set_open(self, is_open: bool) -> None:
        self.set_class(is_open, "-open")
        if is_open:
            self._show_flow(self.flow_list.cursor_id)
        else:
            self.remove_class("-zoomed")
            self._shown = None
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """Put the focus where keys have an effect: a list that is not in sight gets none."""
        alone = self.has_class("-narrow") or self.has_class("-zoomed")
        if self.is_open and alone and not self.detail.has_focus_within:
            self.detail.focus()
        elif not self.is_open and self.focused is None:
            self.flow_list.focus()

    def on_resize(self, event: events.Resize) -> None:
        """A list that a narrow screen hides must not keep the focus."""
        if self.is_open:
            self.call_after_refresh(self._keep_focus)

    # --- actions

    @on(FlowList.Opened)
    def action_open(self) -> None:
        """Open the flow under the cursor; if it is open, go into it."""
        if self.flow_list.cursor_id is None:
            return
        if not self.is_open:
            self._set_open(True)
        elif not self.detail.has_focus_within:
            self.detail.focus()

    def action_close(self) -> None:
        """Leave one layer."""
        empty = not len(self.flow_list.view)
        if self.is_open and not (empty and self.filter_bar.filter.text):
            self._set_open(False)
            self.flow_list.focus()
        elif self.filter_bar.filter.text:
            self.filter_bar.apply_text("")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the filter line the footer has its keys, not those of the list."""
        del parameters
        return not (action == "filter" and self.filter_bar.has_focus_within)

    def action_filter(self) -> None:
        """Go to the filter line."""
        self.filter_bar.begin()

    def action_follow(self) -> None:
        """Follow, or stop."""
        self.flow_list.action_follow()

    def action_step(self, rows: int) -> None:
        """To the next or previous flow, from wherever the focus is."""
        self.flow_list.action_move(rows)

    def action_zoom(self) -> None:
        """Give the open flow the whole screen, or back."""
        if self.is_open:
            self.toggle_class("-zoomed")
            self.call_after_refresh(self._keep_focus)

    def action_copy_curl(self) -> None:
        """Copy a curl command of the flow, of a first request where there is none."""
        flow = self._load(self.flow_list.cursor_id)
        if flow is not None:
            self.run_worker(self._copy_curl(flow), group="copy", exclusive=True)
        elif self._why.engine == RUNNING and not self.tail.total:
            self._put("First request", first_command(self._why), ".sh")
        else:
            self._say_no_flow()

    async def _copy_curl(self, flow: Flow) -> None:
        try:
            await asyncio.to_thread(self.session.load_bodies, flow)
            text = self.exporters["curl"](flow)
        except Exception as error:  # an exporter is an addon's: whatever it raises is told
            self._complain(f"flow {flow.id} cannot be copied as curl: {error}")
            return
        self._put(f"curl command of flow {flow.id}", text, ".curl.sh")

    def action_copy_url(self) -> None:
        """Copy the flow's URL."""
        flow = self._load(self.flow_list.cursor_id)
        if flow is None:
            self._say_no_flow()
        else:
            self._put(f"URL of flow {flow.id}", escape_text(flow.request.pretty_url), ".txt")

    def _put(self, what: str, text: str, suffix: str) -> None:
        try:
            said = clipboard.put(self.app, what, text, suffix)
        except OSError as error:
            self._complain(f"{what} cannot be written: {error}")
        else:
            self.notify(said, markup=False)

    def _say_no_flow(self) -> None:
        self.notify("There is no flow under the cursor", severity="warning", markup=False)

    def _complain(self, message: str) -> None:
        self.notify(escape_text(message), severity="error", markup=False, timeout=10)

    # --- what the bars show

    def _on_engine(self) -> None:
        """The engine's state or figures changed."""
        session = self.session
        if session.engine == STOPPED and self._why.engine != STOPPED:
            self._complain(f"The engine has stopped: {session.engine_error or 'it was shut down'}")
        self._why = self._why._replace(engine=session.engine, error=session.engine_error)
        self.query_one(HeaderBar).rates = tuple(session.rates)
        self._update_status()

    def _measure_store(self) -> None:
        self._store_size = self.session.store_size()
        self._update_status()

    @on(FlowList.Moved)
    def _update_status(self) -> None:
        session, view = self.session, self.flow_list
        self.query_one(StatusBar).status = Status(
            engine=session.engine,
            address=session.client_address,
            rate=session.health.rate,
            active=session.health.active,
            dropped=session.health.dropped,
            shown=len(view.view),
            total=max(self.tail.total, len(view.view)),
            follow=view.follow,
            unseen=view.unseen,
            filter_text=self._why.filter_text,
            size=self._store_size,
        )
        empty = self.query_one(EmptyState)
        empty.set_class(self._searched and not len(view.view), "-shown")
        empty.why = self._why._replace(hidden=self.tail.total)
