"""A message as it was on the wire: head as received, body with its content coding."""

from __future__ import annotations

from dataclasses import dataclass

from rama_proxy.content.charset import looks_binary
from rama_proxy.content.wire import wire_bytes
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Message
from rama_proxy.units import format_size
from rama_tui.widgets.blocks import Paragraph
from rama_tui.widgets.body_view import TextLines
from rama_tui.widgets.hex_view import HexLines
from rama_tui.widgets.lines_view import Block
from rama_tui.widgets.message_view import no_response
from rama_tui.widgets.side_view import SideView


@dataclass(slots=True, frozen=True)
class Wire:
    """A message's bytes ready to be shown."""

    parts: tuple[TextLines | HexLines, ...]
    title: str


def prepare_wire(message: Message | None, mode: str, *, wrap: bool = False) -> Wire | None:
    """The bytes of `message`: as text, its body as a dump where it is none, or all as a dump."""
    if message is None:
        return None
    head, body, note = wire_bytes(message)
    title = " · ".join(part for part in (format_size(len(head) + len(body)), note) if part)
    if mode == "hex":
        return Wire((HexLines(head + body),), title)
    if looks_binary(body):
        return Wire((TextLines(head, wrap=wrap), HexLines(body)), title)
    return Wire((TextLines(head + body, wrap=wrap),), title)


class RawView(SideView):
    """One side of the flow, byte for byte."""

    _wire: Wire | None = None

    def wrapping(self) -> list[TextLines]:
        """What is shown as text."""
        parts = self._wire.parts if self._wire is not None else ()
        return [part for part in parts if isinstance(part, TextLines)]

    def show_wire(self, flow: Flow, wire: Wire | None, *, keep_place: bool = False) -> None:
        """Show what `prepare_wire` made."""
        self._wire = wire
        self.show_title(wire.title if wire is not None else "", modes=wire is not None)
        blocks: list[Block] = (
            [Paragraph(no_response(flow), "dim")] if wire is None else [*wire.parts]
        )
        self.lines.show_blocks(blocks, keep_place=keep_place)
