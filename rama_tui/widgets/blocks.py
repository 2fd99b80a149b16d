"""The blocks that a LinesView is made of: paragraphs, rules and tables, wrapped to the width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

from rama_proxy.model.text import escape_text
from rama_tui.widgets.lines_view import Block, Run, Runs

GAP = 2  # cells between columns
MAX_LABEL = 28
MIN_CELL = 16  # a column narrower than this goes below its label


class Cell(NamedTuple):
    """A value in a table."""

    text: str
    tone: str = "plain"


class Entry(NamedTuple):
    """A row of a table: a label and a cell for each column."""

    label: str
    cells: tuple[Cell, ...]
    tone: str = "name"  # of the label


class Paragraph:
    """Text that is wrapped; every line break in it is kept. Escapes what it is given."""

    width = 0

    def __init__(self, text: str, tone: str = "plain", indent: int = 0) -> None:
        self.text, self.tone, self.indent = text, tone, indent
        self._rows: list[str] = []

    def layout(self, width: int) -> int:
        """Wrap for `width` cells."""
        lines = self.text.split("\n")
        self._rows = [row for line in lines for row in wrap(line, width - self.indent)]
        return len(self._rows)

    def row(self, index: int) -> Runs:
        """Row `index`."""
        return [(" " * self.indent, self.tone), (self._rows[index], self.tone)]


class Blank:
    """An empty row."""

    width = 0

    def layout(self, width: int) -> int:
        """Always one row."""
        del width
        return 1

    def row(self, index: int) -> Runs:
        """Nothing."""
        del index
        return []


class Rule:
    """A line across with a title in it. Escapes the title."""

    width = 0

    def __init__(self, title: str, tone: str = "title") -> None:
        self.title, self.tone = escape_text(title), tone
        self._cells = 0

    def layout(self, width: int) -> int:
        """Always one row."""
        self._cells = width
        return 1

    def row(self, index: int) -> Runs:
        """The line."""
        del index
        rest = max(0, self._cells - cell_len(self.title) - 4)
        return [("── ", "dim"), (self.title, self.tone), (" " + "─" * rest, "dim")]


class Table:
    """Labels in one column, values wrapped in those beside it. Escapes what it is given."""

    width = 0

    def __init__(self, entries: Sequence[Entry], *, label_width: int | None = None) -> None:
        self.entries = entries
        self.label_width = label_width
        self._rows: list[Runs] = []

    def layout(self, width: int) -> int:
        """Share `width` cells between the columns and wrap each of them."""
        self._rows = []
        if not self.entries:
            return 0
        columns = max(1, max(len(entry.cells) for entry in self.entries))
        labels = self.label_width
        if labels is None:
            labels = min(max(cell_len(escape_text(e.label)) for e in self.entries), MAX_LABEL)
        cell = (width - labels - GAP * columns) // columns
        if cell < MIN_CELL:
            labels, cell = 0, max(1, (width - GAP * columns) // columns)
        for entry in self.entries:
            self._add(entry, labels, cell)
        return len(self._rows)

    def _add(self, entry: Entry, labels: int, cell: int) -> None:
        label = escape_text(entry.label)
        columns = [[(row, value.tone) for row in wrap(value.text, cell)] for value in entry.cells]
        if cell_len(label) > labels:  # on a row of its own, or cut in two by its values
            self._rows.append([(label, entry.tone)])
            label = ""
            if not any(cell.text for cell in entry.cells):
                return
        for index in range(max((len(column) for column in columns), default=1)):
            runs: Runs = [(_padded(label if index == 0 else "", labels), entry.tone)]
            for column in columns:
                text, tone = column[index] if index < len(column) else ("", "plain")
                runs += [(" " * GAP, "plain"), (_padded(text, cell), tone)]
            self._rows.append(_trimmed(runs))

    def row(self, index: int) -> Runs:
        """Row `index`."""
        return self._rows[index]


class Columns:
    """Blocks beside each other, each with its part of the width."""

    width = 0

    def __init__(self, *columns: Sequence[Block]) -> None:
        self.columns = columns
        self._cell = 0
        self._cells: list[list[Runs]] = []

    def layout(self, width: int) -> int:
        """Arrange each column by itself."""
        count = len(self.columns)
        self._cell = max(1, (width - GAP * (count - 1)) // count)
        self._cells = [
            [block.row(index) for block in column for index in range(block.layout(self._cell))]
            for column in self.columns
        ]
        return max(map(len, self._cells), default=0)

    def row(self, index: int) -> Runs:
        """Row `index` of every column."""
        runs: Runs = []
        for column in self._cells:
            cell = column[index] if index < len(column) else []
            used = sum(cell_len(text) for text, _ in cell)
            runs += [*cell, (" " * (self._cell - used + GAP), "plain")]
        return _trimmed(runs)


def wrap(text: str, width: int) -> list[str]:
    """`text` escaped and cut into rows of at most `width` cells, behind a space where one is."""
    text = escape_text(text)
    width = max(2, width)  # the widest letter
    if len(text) <= width and (text.isascii() or cell_len(text) <= width):
        return [text]
    rows = []
    start = 0
    ascii_only = text.isascii()
    while start < len(text):
        piece = text[start : start + width]
        if not ascii_only:
            piece = chop_cells(piece, width)[0]
        if start + len(piece) < len(text):
            piece = piece[: _break_at(piece, text[start + len(piece)])]
        rows.append(piece.rstrip(" ") or piece)
        start += len(piece)
        if text[start : start + 1] == " ":
            start += 1
    return rows


def _break_at(piece: str, following: str) -> int:
    """How much of `piece` stays in its row: up to the last space, else to a comma near the end."""
    if following == " ":
        return len(piece)
    space = piece.rfind(" ") + 1
    return space or piece.rfind(",", len(piece) * 2 // 3) + 1 or len(piece)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _trimmed(runs: Runs) -> Runs:
    """`runs` without the blanks that end the row."""
    while runs and not runs[-1][0].strip():
        runs.pop()
    if runs:
        last: Run = (runs[-1][0].rstrip(), runs[-1][1])
        runs[-1] = last
    return runs
