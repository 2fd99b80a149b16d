"""The messages of a flow: a filter of their own, the list, and the message under the cursor.

`open` costs next to nothing whatever the flow holds: rows are read when they come into sight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from rama_proxy.content.messages import message_text
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.errors import StoreError
from rama_proxy.filters import MESSAGE_OPERATORS, parse_message_filter
from rama_proxy.model.flow import ACTIVE, Flow
from rama_proxy.model.text import escape_text
from rama_proxy.store.reader import MessageHead
from rama_tui import clipboard
from rama_tui.actions import MESSAGES, bindings
from rama_tui.message_source import MessageSource
from rama_tui.message_tail import MessageTail, Progress
from rama_tui.widgets.filter_bar import FilterBar
from rama_tui.widgets.lines_view import LinesView
from rama_tui.widgets.message_list import MessageList
from rama_tui.widgets.payload_view import PayloadView
from rama_tui.widgets.row_list import RowList

TAIL, COPY = "message-tail", "message-copy"  # groups of our workers
BESIDE = 130  # cells from which the message stands beside the list
PLACEHOLDER = "filter messages   a word   > sent   < received   ~text   ~close   &  |  !"


class MessagesPane(Widget):
    """Shows the messages that `source` has of a flow; there are none without it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(MESSAGES)
    DEFAULT_CSS = """
    MessagesPane {
        height: 1fr; layout: vertical;
        & > FilterBar { display: none; }
        & > #messages { height: 1fr; layout: vertical; }
        & PayloadView { height: 1fr; }
        &.-empty PayloadView { display: none; }
        &.-zoomed MessageList { display: none; }
        &.-beside > #messages { layout: horizontal; }
        &.-beside MessageList { width: 5fr; }
        &.-beside PayloadView { width: 6fr; margin-left: 1; }
    }
    """

    class Counted(Message):
        """`count` changed."""

        def can_replace(self, message: Message) -> bool:
            """Only the latest counts."""
            return isinstance(message, MessagesPane.Counted)

    def __init__(
        self,
        source: MessageSource | None,
        schema: Schema | None = None,
        id: str | None = None,  # noqa: A002  Textual's name
    ) -> None:
        super().__init__(id=id)
        self.count = 0  # messages of the flow
        self.bar = FilterBar(
            self._leave_filter, parse_message_filter, PLACEHOLDER, MESSAGE_OPERATORS
        )
        self.messages = MessageList(self._read_heads)
        self.payload = PayloadView(source, schema)
        self._source = source
        self._flow: Flow | None = None
        self._searched = 0
        self._is_stale = False
        self._problem = ""

    def compose(self) -> ComposeResult:
        """Filter, list, message."""
        yield self.bar
        with Container(id="messages"):
            yield self.messages
            yield self.payload

    # --- what is shown

    @property
    def is_settled(self) -> bool:
        """Whether all that was asked for is on the screen."""
        searching = self._flow is not None and self._searched < self.count
        return self.payload.is_settled and not searching

    def open(self, flow: Flow | None) -> None:
        """Show the messages of `flow`; those of the same flow as it is by now stay as they are."""
        before, self._flow = self._flow, flow
        if flow is None or self._source is None:
            self.count = 0
            self.workers.cancel_group(self, TAIL)
        elif before is None or before.id != flow.id:
            self._reset(flow, self._source)
        self._say()

    def _reset(self, flow: Flow, source: MessageSource) -> None:
        with self.bar.prevent(FilterBar.Changed):
            self.bar.apply_text("")
        self.bar.display = False
        self._problem = ""
        try:
            self.count = source.last(flow.id)
        except StoreError as error:
            self.count, self._problem = 0, str(error)
        self.remove_class("-zoomed")
        self.messages.follow = flow.state == ACTIVE
        self._search(keep_cursor=False)

    def _search(self, *, keep_cursor: bool) -> None:
        """Show the messages that the filter fits; a search under way is given up."""
        flow, source, selected = self._flow, self._source, self.bar.filter
        if flow is None or source is None:
            return
        self._searched = 0
        self._is_stale = keep_cursor  # what is shown stays until there is something else
        if not keep_cursor:
            self._begin(flow, keep_cursor=False)
        tail = MessageTail(source, flow.id, selected, self._on_progress)
        self.run_worker(tail.run(), group=TAIL, exclusive=True)

    def _begin(self, flow: Flow, *, keep_cursor: bool) -> None:
        filtered, started = bool(self.bar.filter.text.strip()), flow.timing.started
        self.messages.begin(filtered=filtered, started=started, keep_cursor=keep_cursor)

    def _on_progress(self, progress: Progress) -> None:
        """The tail has found more."""
        if self._is_stale and self._flow is not None and not progress.problem:
            self._is_stale = False
            self._begin(self._flow, keep_cursor=True)
        self._problem = progress.problem
        self._searched = progress.searched
        if progress.last != self.count:
            self.count = progress.last
            self.post_message(self.Counted())
        if progress.found is not None:
            self.messages.add(progress.found, is_news=progress.is_news)
        elif not progress.problem:
            self.messages.grow(progress.last)
        self._say()

    def _read_heads(self, seqs: Sequence[int]) -> list[MessageHead]:
        if self._source is None or self._flow is None:
            return []
        try:
            return self._source.heads(self._flow.id, seqs)
        except StoreError as error:
            self._problem = str(error)
            return []

    def _say(self) -> None:
        """Bring the words in the header, and the heights, up to what is shown."""
        if self._is_stale and not self._problem:
            return
        shown, flow = self.messages.row_count, self._flow
        live = flow is not None and flow.state == ACTIVE
        filtered = bool(self.bar.filter.text.strip())
        searching = self._searched < self.count
        parts = [f"{shown:,} of {self.count:,}"] if filtered else []
        if searching and filtered:
            parts.append(f"searching {100 * self._searched // self.count} %")
        if live and self.messages.follow:
            parts.append("following")
        if self._problem:
            parts = [escape_text(self._problem)]
        empty = "No messages yet." if live else "No messages."
        if filtered and self.count:
            empty = "Searching …" if searching else "No message matches. esc clears the filter."
        self.messages.say(" · ".join(parts), empty)
        self.set_class(not shown and not searching, "-empty")
        self._fit_heights()

    def _fit_heights(self) -> None:
        """The list takes no more rows than it fills, at most half, where the message is below."""
        stacked = not self.has_class("-beside") and self.messages.row_count
        limit = self.messages.row_count + 1 if stacked else self.size.height
        limit = max(1, min(limit, self.size.height))
        if self.messages.styles.max_height is None or (
            self.messages.styles.max_height.value != limit
        ):
            self.messages.styles.max_height = limit

    # --- the message under the cursor

    def wake(self) -> None:
        """The pane has come into sight."""
        self._show_payload()

    @on(RowList.Highlighted)
    def _cursor_moved(self, event: RowList.Highlighted) -> None:
        event.stop()
        self._show_payload()

    def _show_payload(self) -> None:
        seq = self.messages.cursor_id
        if self._flow is not None and seq is not None and self.display:
            self.payload.show_message(self._flow, seq)

    # --- keys and mouse

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What makes sense where the focus is."""
        del parameters
        typing = self.bar.has_focus_within
        match action:
            case "step_back":
                inside = self.payload.has_focus_within
                return not typing and (inside or bool(self.bar.filter.text))
            case "read":
                return self.messages.has_focus and bool(self.messages.row_count)
            case "filter" | "copy" | "follow" | "next_view" | "toggle_wrap" | "zoom_message":
                return not typing
        return True

    def action_filter(self) -> None:
        """Go to the filter line."""
        self.bar.display = True
        self.bar.begin()

    def action_step_back(self) -> None:
        """From the message to the list, and then show all messages again."""
        if self.payload.has_focus_within:
            self.remove_class("-zoomed")
            self.messages.focus()
        else:
            self.bar.apply_text("")
            self.bar.display = False

    def action_read(self) -> None:
        """Go into the message."""
        self.payload.lines.focus()

    def action_follow(self) -> None:
        """Follow, or stop."""
        self.messages.action_follow()

    def action_next_view(self) -> None:
        """The next way to see the message."""
        self.payload.action_next_view()

    def action_toggle_wrap(self) -> None:
        """Break long lines of the message, or do not."""
        self.payload.action_toggle_wrap()

    def action_zoom_message(self) -> None:
        """Give the message the place of the list, or back."""
        self.toggle_class("-zoomed")
        (self.payload.lines if self.has_class("-zoomed") else self.messages).focus()

    def action_copy(self) -> None:
        """Copy what the message says."""
        flow, seq = self._flow, self.messages.cursor_id
        if flow is None or seq is None or self._source is None:
            self.notify("there is no message under the cursor", severity="warning", markup=False)
            return
        self.run_worker(self._copy(self._source, flow.id, seq), group=COPY, exclusive=True)

    async def _copy(self, source: MessageSource, flow_id: int, seq: int) -> None:
        try:
            row = await asyncio.to_thread(source.load, flow_id, seq)
        except StoreError as error:
            clipboard.complain(self, str(error))
            return
        if row is not None:
            clipboard.put(self, f"message {seq}", message_text(row.opcode, row.flags, row.data))

    def _leave_filter(self) -> None:
        self.screen.set_focus(self.messages)
        if not self.bar.filter.text:
            self.bar.display = False

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        self._search(keep_cursor=True)
        self._say()
        self.refresh_bindings()

    @on(RowList.Moved)
    def _list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._say()

    @on(RowList.Opened)
    def _double_clicked(self, event: RowList.Opened) -> None:
        event.stop()
        self.action_read()

    @on(LinesView.LaidOut)
    def _laid_out(self, event: LinesView.LaidOut) -> None:
        event.stop()

    def on_resize(self, event: events.Resize) -> None:
        """Beside each other where both fit."""
        self.set_class(event.size.width >= BESIDE, "-beside")
        self._fit_heights()
