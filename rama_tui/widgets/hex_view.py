"""Bytes as a block of hexadecimal rows, and a view that shows nothing else."""

from __future__ import annotations

from rama_proxy.content.hexdump import hex_row, row_count
from rama_tui.widgets.lines_view import LinesView, Runs

_FULL = 8 + 2 + 49 + 2 + 18  # offset, sixteen bytes, text
_HALF = 8 + 2 + 23 + 2 + 10


class HexLines:
    """Rows of sixteen bytes, eight where that is too wide, four where even that is."""

    width = 0

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._bytes = 16

    def layout(self, width: int) -> int:
        """As many bytes a row as fit."""
        self._bytes = 16 if width >= _FULL else 8 if width >= _HALF else 4
        return row_count(self.data, self._bytes)

    def row(self, index: int) -> Runs:
        """Offset, bytes and what is ASCII of them."""
        offset, digits, text = hex_row(self.data, index, self._bytes)
        return [
            (offset, "dim"),
            (f"  {digits}  ", "plain"),
            ("│", "dim"),
            (text, "string"),
            ("│", "dim"),
        ]


class HexView(LinesView):
    """A view of bytes."""

    def open(self, data: bytes) -> None:
        """Show `data` from its first byte."""
        self.show_blocks([HexLines(data)])
