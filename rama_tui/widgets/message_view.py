"""One side of an exchange: a line that says what it is, the head, and the body as it is wanted.

The head is shown at once, the body when somebody brings it: `prepare` makes it ready in a thread,
`show_body` puts it below the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rama_proxy.content.grpc import call_result
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.content.views import View, view_body
from rama_proxy.model.coding import codings
from rama_proxy.model.flow import ACTIVE, HELD, Flow
from rama_proxy.model.message import Message, Request, Response
from rama_proxy.model.text import escape_text
from rama_proxy.units import format_size
from rama_tui.widgets.blocks import Blank, Paragraph, Rule
from rama_tui.widgets.body_view import TextLines
from rama_tui.widgets.headers_view import (
    request_head,
    response_head,
    result_blocks,
    trailer_blocks,
)
from rama_tui.widgets.hex_view import HexLines
from rama_tui.widgets.lines_view import Block
from rama_tui.widgets.side_view import SideView

VIEW_NAMES = {"pretty": "auto", "raw": "raw", "hex": "hex"}


@dataclass(slots=True, frozen=True)
class Body:
    """A body ready to be shown: its lines, what to call them, and what to know about them."""

    lines: TextLines | HexLines | None
    title: str
    mode: str
    notes: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Look:
    """How a body is wanted, and what tells what it is: the request's path, and a schema."""

    mode: str
    wrap: bool = False
    path: str = ""
    schema: Schema | None = None


def prepare(message: Message | None, look: Look) -> Body | None:
    """The body of `message` as it is wanted, None without one. Slow for a large one."""
    if message is None or not message.body.chunks:
        return None
    mode = look.mode
    view = view_body(message, VIEW_NAMES[mode], look.path, look.schema)
    title = " · ".join(part for part in (_format(view, mode), _sizes(message, view, mode)) if part)
    notes = (view.note,) if view.note else ()
    if view.name == "hex":
        return Body(HexLines(view.data), title, mode, notes)
    return Body(TextLines(view.data, view.language, wrap=look.wrap), title, mode, notes)


def _format(view: View, mode: str) -> str:
    if view.name == "hex":
        return "bytes"
    return f"{view.name} as sent" if mode == "raw" else view.name


def _sizes(message: Message, view: View, mode: str) -> str:
    size = format_size(message.body.size)
    encoding = codings(message.headers.joined("content-encoding"))
    if not encoding:
        return size
    decoded = f", {format_size(len(view.data))} decoded" if mode != "pretty" else ""
    return f"{size} {escape_text(', '.join(encoding))}{decoded}"


class MessageView(SideView):
    """The request or the response of a flow."""

    MODES: ClassVar[tuple[str, ...]] = tuple(VIEW_NAMES)

    def __init__(self, side: str, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(side, id)
        self._flow: Flow | None = None
        self._body: Body | None = None
        self._waiting = False

    @property
    def message(self) -> Request | Response | None:
        """The side of the flow that is shown."""
        if self._flow is None:
            return None
        return self._flow.request if self.side == "request" else self._flow.response

    def show_head(
        self, flow: Flow | None, *, keep_place: bool = False, body_known: bool = False
    ) -> None:
        """Show a flow's head; the body that is there stays where the flow is the same."""
        self._flow = flow
        if not keep_place:
            self._body = None
        self._waiting = self._body is None and not body_known
        self._show(keep_place=keep_place)

    def show_body(self, body: Body | None) -> None:
        """Show the body that `prepare` made, or that there is none."""
        same_view = self._body is None or (body is not None and self._body.mode == body.mode)
        self._body = body
        self._waiting = False
        self._show(keep_place=same_view)

    def wrapping(self) -> list[TextLines]:
        """The body, if it is text."""
        lines = self._body.lines if self._body is not None else None
        return [lines] if isinstance(lines, TextLines) else []

    def _show(self, *, keep_place: bool) -> None:
        message = self.message
        self.show_title(_subject(self._flow, message), modes=message is not None)
        self.lines.show_blocks(self._blocks(), keep_place=keep_place)

    def _blocks(self) -> list[Block]:
        flow, message = self._flow, self.message
        if flow is None:
            return []
        if message is None:
            return [Paragraph(no_response(flow), "dim")]
        if isinstance(message, Request):
            head = request_head(message)
        else:
            head = [*response_head(message), *result_blocks(call_result(message))]
        return [
            *head,
            Blank(),
            *self._body_blocks(flow, message),
            *trailer_blocks(message.trailers),
        ]

    def _body_blocks(self, flow: Flow, message: Message) -> list[Block]:
        body = self._body
        notes = body_notes(flow, message) + list(body.notes if body is not None else ())
        warnings: list[Block] = [Paragraph(note, "warning") for note in notes]
        if body is not None and body.lines is not None:
            return [Rule(f"body · {body.title}"), *warnings, body.lines]
        if self._waiting and message.body.size:
            return [Rule("body"), *warnings, Paragraph("reading …", "dim")]
        if message.body.size:
            return [Rule("body"), *warnings]
        unfinished = flow.state == ACTIVE and not message.body.complete
        return [*warnings, Paragraph("No body yet." if unfinished else "No body.", "dim")]


def _subject(flow: Flow | None, message: Request | Response | None) -> str:
    """What stays in sight when the head has scrolled away."""
    if isinstance(message, Request):
        return escape_text(message.method)
    if message is not None:
        return escape_text(f"{message.status} {message.reason}")
    return flow.state if flow is not None else ""


def no_response(flow: Flow) -> str:
    """Why there is no response to show."""
    if flow.error:
        return "No response: it failed, as said above."
    if flow.state == HELD:
        return "No response yet: the request is held."
    if flow.state == ACTIVE:
        return "No response yet."
    return "No HTTP in this tunnel." if flow.kind != "http" else "No response."


def body_notes(flow: Flow, message: Message) -> list[str]:
    """What is missing of a body."""
    body = message.body
    kept = sum(map(len, body.chunks))
    notes = []
    if body.truncated:
        notes.append(
            f"only the first {format_size(kept)} of {format_size(body.size)} were kept"
            if kept
            else f"{format_size(body.size)} went by, none of it was kept"
        )
    if not body.complete and flow.state == ACTIVE and body.size:
        notes.append(f"still arriving, {format_size(body.size)} so far")
    elif not body.complete and flow.state != ACTIVE and (body.size or _announces_body(message)):
        notes.append("cut off: the end of the body never came")
    return notes


def _announces_body(message: Message) -> bool:
    length = message.headers.get("content-length")
    return "transfer-encoding" in message.headers or (length is not None and length != "0")
