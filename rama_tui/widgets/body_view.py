"""A text body of any size as a block of lines, and a view that shows nothing else.

The text stays bytes: an index of where its lines begin is all that is made of it beforehand, which
takes 0.1 s for 10 MB and may be done in a thread. Lines are decoded, escaped and coloured when they
are drawn.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate

from rich.cells import cell_len

from rama_proxy.model.text import escape_text
from rama_tui.widgets.highlight import highlighter
from rama_tui.widgets.lines_view import LinesView, Runs

PART = 1 << 20  # bytes whose lines are counted at once
MAX_LINE = 4000  # bytes of a line that are drawn; wrapped, all of it is
MAX_EXACT = 1 << 20  # bytes that are wrapped by the cells of their letters, 0.1 s
MAX_WRAPPED = 500_000  # lines, 0.3 s
TAB = 4
SPREAD = 4  # cells that a byte may take: a tab, `\\xff`


class TextLines:
    """The lines of UTF-8 `data` with their numbers. Bytes that are not valid show as `\\xff`."""

    def __init__(self, data: bytes, language: str = "", *, wrap: bool = False) -> None:
        self.data = data
        self.wrap = wrap
        self.starts, self.longest = line_starts(data)
        self._rows = self.starts  # where rows begin: lines, or pieces of them
        self._end = _end(data)
        self._spread = 1 if data.isascii() and b"\t" not in data else SPREAD
        self._gutter = len(str(len(self.starts))) + 1
        self._highlighter = highlighter(language)

    @property
    def can_wrap(self) -> bool:
        """Whether there are few enough lines for it to take no time that is felt."""
        return len(self.starts) <= MAX_WRAPPED

    @property
    def width(self) -> int:
        """The cells of the longest line at most."""
        if self.wrap and self.can_wrap:
            return 0
        note = 24 if self.longest > MAX_LINE else 0
        return self._gutter + min(self.longest, MAX_LINE) * self._spread + note

    def layout(self, width: int) -> int:
        """One row for each line, or as many as it takes when lines are wrapped."""
        room = max(2, width - self._gutter)
        if self.wrap and self.can_wrap and (self.longest - 1) * self._spread > room:
            self._rows = _wrapped(self.data, self.starts, room, self._spread)
        else:
            self._rows = self.starts
        return len(self._rows)

    def row(self, index: int) -> Runs:
        """A line, or a piece of one, behind its number."""
        start = self._rows[index]
        end = self._rows[index + 1] if index + 1 < len(self._rows) else self._end
        number = bisect_right(self.starts, start) if self.wrap else index + 1
        begins = not self.wrap or self.starts[number - 1] == start
        gutter = f"{number if begins else '':>{self._gutter - 1}} "
        if end > len(self.data) or self.data[end - 1 : end] == b"\n":
            end -= 1
        more = end - start - MAX_LINE
        if more > 0:
            end = _letter_start(self.data, start + MAX_LINE)
        text = self.data[start:end].removesuffix(b"\r").decode("utf-8", "backslashreplace")
        runs = [(gutter, "dim"), *self._highlighter.runs(escape_text(text.expandtabs(TAB)))]
        if more > 0:
            runs.append((f" … {more:,} bytes more", "warning"))
        return runs


def line_starts(data: bytes) -> tuple[array[int], int]:
    """Where each line of `data` begins, and the bytes of the longest with its line feed."""
    starts = array("q", [0])
    longest = position = 0
    while position < len(data):
        end = data.find(b"\n", min(position + PART, len(data)) - 1) + 1 or len(data)
        lengths = [len(line) + 1 for line in data[position:end].split(b"\n")]
        if data[end - 1] == 0x0A:
            lengths.pop()  # what is behind the last line feed belongs to the next part
        longest = max(longest, max(lengths))
        starts.extend(accumulate(lengths[1:], initial=position + lengths[0]))
        position = end
    if len(starts) > 1 and starts[-1] > len(data) - 1:
        starts.pop()  # an end without a line feed, or nothing behind the last one
    return starts, longest


def _end(data: bytes) -> int:
    """Where a line behind the last one would begin."""
    return len(data) + (not data.endswith(b"\n"))


def _wrapped(data: bytes, starts: array[int], width: int, spread: int) -> array[int]:
    """Where rows of at most `width` cells begin; a byte takes at most `spread` cells."""
    rows = array("q")
    done = exact = 0  # lines; bytes
    ends = starts[1:]
    ends.append(_end(data))
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if (end - start - 1) * spread <= width:
            continue
        rows.extend(starts[done:index])
        done = index + 1
        line = data[start : end - 1]
        if line.isascii() and b"\t" not in line:
            rows.extend(range(start, start + len(line), width))
        elif exact + len(line) <= MAX_EXACT:
            exact += len(line)
            rows.extend(_pieces(line, start, width))
        else:
            rows.extend(_coarse_pieces(data, start, end - 1, width))
    rows.extend(starts[done:])
    return rows


def _pieces(line: bytes, start: int, width: int) -> list[int]:
    """Where the pieces of a line begin that fill `width` cells each."""
    rows = []
    text = line.decode("utf-8", "surrogateescape")
    while text:
        rows.append(start)
        count = min(len(text), width)
        while count > 1 and (cells := _cells(text[:count])) > width:
            count = max(1, min(count - 1, count * width // cells))
        while count < len(text) and _cells(text[: count + 1]) <= width:
            count += 1
        start += len(text[:count].encode("utf-8", "surrogateescape"))
        text = text[count:]
    return rows


def _cells(text: str) -> int:
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return cell_len(escape_text(shown.expandtabs(TAB)))


def _coarse_pieces(data: bytes, start: int, end: int, width: int) -> list[int]:
    """As `_pieces` by bytes: rows are not full, but no row is too long for what usually comes."""
    rows = []
    while start < end:
        rows.append(start)
        start = max(_letter_start(data, start + width), start + 1)
    return rows


def _letter_start(data: bytes, position: int) -> int:
    """The start of the UTF-8 letter that `position` is in."""
    for back in range(4):
        if position >= len(data) or data[position - back] & 0xC0 != 0x80:
            return position - back
    return position


class BodyView(LinesView):
    """A view of one text."""

    def open(self, data: bytes, language: str = "", *, wrap: bool = False) -> None:
        """Show UTF-8 text from its first line."""
        self.show_blocks([TextLines(data, language, wrap=wrap)])
