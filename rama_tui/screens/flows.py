"""The main screen: the list of flows, and the one that is open beside or below it.

It puts the parts together: filters go from the bar to a search, what the search and the tail find
goes to the list, the flow under the cursor to the detail pane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from rama_proxy.errors import ControlError, StoreError
from rama_proxy.filters import Filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.text import escape_text
from rama_proxy.store.reader import Attempts, FlowRow
from rama_tui import clipboard
from rama_tui.actions import FLOWS, OPEN, bindings
from rama_tui.problems import Problems
from rama_tui.reading import read_beside
from rama_tui.replaying import outcome_of
from rama_tui.screens.log import LOOK_EVERY, LogScreen
from rama_tui.session import RUNNING, STOPPED, Session
from rama_tui.tail import FlowsChanged, Tail
from rama_tui.widgets.empty_state import Emptiness, first_command
from rama_tui.widgets.filter_bar import FilterBar
from rama_tui.widgets.flow_list import FlowList
from rama_tui.widgets.flow_pane import FlowPane
from rama_tui.widgets.header_bar import HeaderBar
from rama_tui.widgets.key_bar import KeyBar
from rama_tui.widgets.status_bar import Status, StatusBar

Exporters = Mapping[str, Callable[[Flow], str]]

PATIENCE = 0.2  # seconds until a search says that it takes its time
STORE_SIZE_EVERY = 2.0


class FlowsScreen(Screen[None]):
    """Flows, live."""

    AUTO_FOCUS = "FlowList"
    BINDINGS: ClassVar[list[BindingType]] = bindings(OPEN) + bindings(FLOWS)
    CSS = """
    FlowsScreen {
        background: $background;
        &.-short HeaderBar { display: none; }
    }
    """

    def __init__(self, session: Session, exporters: Exporters) -> None:
        super().__init__()
        self.session = session
        self.exporters = exporters
        self.tail = Tail(session.tail_reader, self)
        self._filter_text = ""  # of what the list shows
        self._engine: str = session.engine
        self._problem = ""
        self._sought: Filter | None = None  # by the search under way
        self._searched = False
        self._store_size = session.store_size()
        self.problems = Problems(session.reader.logs)

    def compose(self) -> ComposeResult:
        """Header, filter, list and detail, status, keys."""
        yield HeaderBar(self.session.path)
        yield FilterBar(lambda: self.pane.focus_main())
        session = self.session
        yield FlowPane(
            self._read_page,
            self._load_flow,
            session.load_bodies,
            session.messages,
            schema=session.schema,
            load_attempts=self._load_attempts,
        )
        yield StatusBar()
        yield KeyBar()

    def on_mount(self) -> None:
        """Find the flows, and follow what happens."""
        self.flow_list.follow = self.session.engine == RUNNING
        self.search(self.filter_bar.filter)
        self.run_worker(self.tail.run(), group="tail")
        self.run_worker(self.session.attach(self._on_engine), group="engine")
        self.set_interval(STORE_SIZE_EVERY, self._measure_store)
        self.set_interval(LOOK_EVERY, self._look_at_log)

    @property
    def filter_bar(self) -> FilterBar:
        """The filter line."""
        return self.query_one(FilterBar)

    @property
    def pane(self) -> FlowPane:
        """List and detail."""
        return self.query_one(FlowPane)

    @property
    def flow_list(self) -> FlowList:
        """The list."""
        return self.pane.flow_list

    # --- finding flows

    def search(self, selected: Filter) -> None:
        """Show the flows that `selected` fits; a search under way is given up."""
        self.run_worker(self._search(selected), group="search", exclusive=True)

    async def _search(self, selected: Filter) -> None:
        self._sought = selected
        patience = self.set_timer(PATIENCE, lambda: self._say_searching(selected))
        problem = ""
        try:
            with self.session.open_reader() as reader:
                rev = reader.last_rev()
                ids = await read_beside(reader, reader.ids, selected.where())
        except StoreError as error:
            problem = str(error)
        finally:
            patience.stop()
            if self._sought is selected:
                self._sought = None
                self._say(problem)
        if problem:
            return
        self._searched = True
        self.tail.start_from(rev, selected)
        if not selected.text:
            self.tail.total = len(ids)
        self._filter_text = selected.text
        self.flow_list.show_ids(ids)
        self._update_status()

    def _say_searching(self, selected: Filter) -> None:
        if self._sought is selected:  # the timer may come late
            self._say("searching… esc stops")

    def _say(self, note: str) -> None:
        self.filter_bar.note = escape_text(note)

    def _read_page(self, ids: Sequence[int]) -> list[FlowRow]:
        try:
            return self.session.reader.page(ids)
        except StoreError as error:
            self._say(str(error))
            return []

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self.search(event.filter)
        self.refresh_bindings()

    @on(FlowsChanged)
    def _flows_changed(self) -> None:
        changed, removed = self.tail.take()
        if changed or removed:
            self.flow_list.apply(changed, removed)
            self.pane.refresh_open((*changed, *removed))
        if self.tail.problem != self._problem:
            self._problem = self.tail.problem
            self._say(self._problem)
        self._update_status()

    def _load_flow(self, flow_id: int | None) -> Flow | None:
        try:
            return None if flow_id is None else self.session.reader.flow(flow_id)
        except StoreError as error:
            clipboard.complain(self, str(error))
            return None

    def _load_attempts(self, flow: Flow) -> Attempts:
        try:
            return self.session.reader.attempts(flow)
        except StoreError:
            return Attempts(0, [])  # what is wrong with the store is told where it matters more

    # --- the log

    def _look_at_log(self) -> None:
        told = self.problems.look()
        if told:
            clipboard.complain(self, f"{told} (E shows the log)")
            self._update_status()

    def action_log(self) -> None:
        """Show the log; what it tells is then known."""
        self.problems.count = 0
        self._update_status()
        self.app.push_screen(LogScreen(self.problems.entries))

    # --- actions

    def action_open_tab(self, step: int) -> None:
        """Another tab of the open flow, from the list too."""
        self.pane.detail.action_tab(step)

    def action_open(self) -> None:
        """Open the flow under the cursor; if it is open, go into it."""
        self.pane.open()
        self.refresh_bindings()

    def action_close(self) -> None:
        """Close the open flow, and a filter that has emptied the list with it."""
        self.pane.close()
        self.refresh_bindings()
        if not len(self.flow_list.view):
            self.action_clear_filter()

    def action_zoom(self) -> None:
        """Give the open flow the whole screen, or back."""
        self.pane.zoom()

    def action_clear_filter(self) -> None:
        """Show all flows again."""
        self.filter_bar.apply_text("")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What makes sense where the focus is; the footer leaves the rest out."""
        del parameters
        pane = self.pane
        match action:
            case "close" | "open_tab":
                return pane.is_open
            case "zoom":
                return pane.is_open and not pane.is_single
            case "clear_filter":
                return bool(self.filter_bar.filter.text)
            case "filter":
                own = pane.detail.messages  # has a filter of its own
                return not self.filter_bar.has_focus_within and not (own and own.has_focus_within)
            case "open" | "follow":
                return not pane.detail.has_focus_within
        return True

    def action_filter(self) -> None:
        """Go to the filter line."""
        self.filter_bar.begin()

    def action_follow(self) -> None:
        """Follow, or stop."""
        self.flow_list.action_follow()

    def action_step(self, rows: int) -> None:
        """To the next or previous flow, from wherever the focus is."""
        self.flow_list.action_move(rows)

    def action_copy_curl(self) -> None:
        """Copy a curl command of the flow, of a first request where there is none."""
        flow = self._load_flow(self.flow_list.cursor_id)
        if flow is not None:
            self.run_worker(self._copy_curl(flow), group="copy", exclusive=True)
        elif self.session.engine == RUNNING and not self.tail.total:
            clipboard.put(self, "first request", first_command(self.pane.empty_state.why))
        else:
            clipboard.say_nothing_to_copy(self)

    def action_replay(self) -> None:
        """Send the request of the flow under the cursor again."""
        flow_id = self.flow_list.cursor_id
        if flow_id is None:
            clipboard.say_nothing_to_copy(self)
        else:
            self.run_worker(self._replay(flow_id), group="replay")

    async def _replay(self, flow_id: int) -> None:
        patience = self.set_timer(PATIENCE, lambda: self.notify(f"replaying flow {flow_id}…"))
        try:
            outcome = outcome_of(await self.session.replay(flow_id))
        except ControlError as error:
            clipboard.complain(self, f"flow {flow_id} was not replayed: {error}")
            return
        finally:
            patience.stop()
        self.notify(
            outcome.text, severity="error" if outcome.failed else "information", markup=False
        )
        self.pane.refresh_open((flow_id,))

    async def _copy_curl(self, flow: Flow) -> None:
        try:
            await asyncio.to_thread(self.session.load_bodies, flow)
            text = self.exporters["curl"](flow)
        except Exception as error:  # an exporter is an addon's: whatever it raises is told
            clipboard.complain(self, f"flow {flow.id} cannot be copied as curl: {error}")
            return
        clipboard.put(self, f"curl command of flow {flow.id}", text, ".curl.sh")

    def action_copy_url(self) -> None:
        """Copy the flow's URL."""
        flow = self._load_flow(self.flow_list.cursor_id)
        if flow is None:
            clipboard.say_nothing_to_copy(self)
        else:
            clipboard.put(self, f"URL of flow {flow.id}", escape_text(flow.request.pretty_url))

    # --- what the bars show

    def _on_engine(self) -> None:
        """The engine's state or figures changed."""
        if not self.query(HeaderBar):
            return  # the screen is being taken down, and its session says so
        session = self.session
        if session.engine == STOPPED and self._engine != STOPPED:
            clipboard.complain(
                self, f"The engine has stopped: {session.engine_error or 'it was shut down'}"
            )
        if session.engine == RUNNING and self._engine != RUNNING and not self.flow_list.is_chosen:
            self.flow_list.follow = True
        self._engine = session.engine
        header = self.query_one(HeaderBar)
        header.rates, header.mode = tuple(session.rates), session.facts.mode
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
            filter_text=self._filter_text,
            size=self._store_size,
            problems=self.problems.count,
        )
        empty = self.pane.empty_state
        empty.set_class(self._searched and not len(view.view), "-shown")
        empty.why = Emptiness(
            engine=session.engine,
            address=session.client_address,
            mode=session.facts.mode,
            ca_path=session.facts.ca_path,
            filter_text=self._filter_text,
            hidden=self.tail.total,
            error=session.engine_error,
        )
