"""The last door before the terminal: no control character in any text that is drawn passes it.

Widgets escape captured text themselves, to measure and show it well. This filter is on the app, so
a widget that forgets it shows a pictured ESC and does not send one.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from rama_proxy.model.text import escape_text


class Escape(LineFilter):
    """Escapes every segment, keeping its width so that the rest of the line stays where it is."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """`segments` with controls, bidi marks and invisible characters made visible."""
        del background
        return [
            segment if segment.control or _is_plain(segment.text) else _escaped(segment)
            for segment in segments
        ]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _escaped(segment: Segment) -> Segment:
    text, style, _ = segment
    safe = escape_text(text)
    if safe == text:
        return segment
    return Segment(set_cell_size(safe, cell_len(text)), style)
