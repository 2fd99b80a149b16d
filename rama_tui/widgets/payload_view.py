"""One message of a flow in full: formatted, as sent, or as bytes.

It is read and formatted in a thread, at most every PAUSE seconds while others are asked for.
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual.timer import Timer
from textual.worker import Worker, WorkerState

from rama_proxy.content.messages import kind_name, message_origin, view_message
from rama_proxy.content.origin import Origin
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.errors import StoreError
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import FLAG_NAMES, TRUNCATED
from rama_proxy.store.reader import MessageRow
from rama_proxy.units import format_size
from rama_tui.message_columns import RECEIVED, SENT, clock
from rama_tui.message_source import MessageSource
from rama_tui.widgets.blocks import Paragraph
from rama_tui.widgets.body_view import TextLines
from rama_tui.widgets.hex_view import HexLines
from rama_tui.widgets.lines_view import Block
from rama_tui.widgets.message_view import VIEW_NAMES, Body
from rama_tui.widgets.side_view import SideView

PAUSE = 0.08  # seconds
PAYLOAD = "message-payload"  # the group of our workers


def prepare_payload(row: MessageRow, origin: Origin, mode: str, *, wrap: bool = False) -> Body:
    """A message in `mode`, of a format that `origin` names. Slow for a large one."""
    view = view_message(row.opcode, row.flags, row.data, origin, VIEW_NAMES[mode])
    kind = kind_name(row.opcode, origin)
    title = f"#{row.seq} {SENT if row.from_client else RECEIVED} {kind}"
    shown = "bytes" if view.name == "hex" else view.name
    format_name = "" if shown == kind else f" · {shown}"
    title += f" · {format_size(row.size)}{format_name} · {clock(row.at)}"
    notes = _notes(row) + ([view.note] if view.note else [])
    if not row.data:
        return Body(None, title, mode, tuple(notes))
    lines = (
        HexLines(view.data)
        if view.name == "hex"
        else TextLines(view.data, view.language, wrap=wrap)
    )
    return Body(lines, title, mode, tuple(notes))


def _notes(row: MessageRow) -> list[str]:
    """What happened to a message."""
    notes = [text for flag, text in FLAG_NAMES.items() if row.flags & flag and flag != TRUNCATED]
    if row.flags & TRUNCATED:
        kept = format_size(len(row.data))
        notes.append(f"only the first {kept} of {format_size(row.size)} were kept")
    return notes


class PayloadView(SideView):
    """The message under the cursor."""

    MODES: ClassVar[tuple[str, ...]] = tuple(VIEW_NAMES)

    def __init__(self, source: MessageSource | None, schema: Schema | None = None) -> None:
        super().__init__("message")
        self._source = source
        self._schema = schema
        self._body: Body | None = None
        self._wanted: tuple[Flow, int] | None = None
        self._shown: tuple[int, int] | None = None  # flow and message, or what is being read
        self._asked = 0.0
        self._timer: Timer | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the message that was asked for is on the screen."""
        busy = any(item.group == PAYLOAD and not item.is_finished for item in self.workers)
        return self._timer is None and not busy

    def show_message(self, flow: Flow, seq: int) -> None:
        """Show message `seq` of `flow`, soon."""
        self._wanted = flow, seq
        if self._timer is None and self._shown != (flow.id, seq):
            rested = time.monotonic() - self._asked > 2 * PAUSE
            self._timer = self.set_timer(0.001 if rested else PAUSE, self._read)

    def _read(self) -> None:
        self._timer = None
        self._asked = time.monotonic()
        source = self._source
        if self._wanted is None or source is None:
            return
        flow, seq = self._wanted
        self._shown = flow.id, seq
        mode, wrap = self.mode, self.wrap
        self.run_worker(
            lambda: _read_message(source, flow, seq, mode, wrap, self._schema),
            group=PAYLOAD,
            exclusive=True,
            thread=True,
            exit_on_error=False,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a thread has made."""
        worker = event.worker
        if event.state == WorkerState.ERROR:
            problem = f"the message cannot be shown: {worker.error!r}"
            self._show_body(Body(None, "", self.mode, (problem,)))
        elif event.state == WorkerState.SUCCESS and isinstance(worker.result, Body):
            self._show_body(worker.result)

    def on_side_view_view_changed(self, event: SideView.ViewChanged) -> None:
        """It is wanted in another way."""
        event.stop()
        self._read()

    def _show_body(self, body: Body) -> None:
        self._body = body
        self.show_title(body.title, modes=bool(body.title))
        blocks: list[Block] = [Paragraph(note, "warning") for note in body.notes]
        if body.lines is not None:
            blocks.append(body.lines)
        elif body.title:
            blocks.append(Paragraph("Nothing in it.", "dim"))
        self.lines.show_blocks(blocks)

    def wrapping(self) -> list[TextLines]:
        """The message, if it is text."""
        lines = self._body.lines if self._body is not None else None
        return [lines] if isinstance(lines, TextLines) else []


def _read_message(
    source: MessageSource, flow: Flow, seq: int, mode: str, wrap: bool, schema: Schema | None
) -> Body:
    """A message ready to be shown, or why it cannot be."""
    try:
        row = source.load(flow.id, seq)
    except StoreError as error:
        return Body(None, "", mode, (f"the message cannot be read: {error}",))
    if row is None:
        return Body(None, "", mode, ("the message is not in the store",))
    origin = message_origin(flow, row.from_client, schema)
    return prepare_payload(row, origin, mode, wrap=wrap)
