"""The head of a message as blocks: start line, fields in wire order, 1xx responses, trailers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from rama_proxy.content.wire import pseudo_fields
from rama_proxy.model.grpc import Result, http_class
from rama_proxy.model.headers import Field, Headers, to_text
from rama_proxy.model.message import Request, Response
from rama_proxy.model.text import escape_text
from rama_tui.widgets.blocks import Blank, Cell, Entry, Rule, Table, wrap
from rama_tui.widgets.lines_view import Block, Runs

_STATUS_TONES = {1: "dim", 2: "good", 3: "word", 4: "warning", 5: "bad"}


class StartLine:
    """Three words of a start line, the first and last in colours of their own. Escapes them."""

    width = 0

    def __init__(self, first: Cell, rest: str, last: str) -> None:
        self.first = Cell(escape_text(first.text), first.tone)
        self.rest, self.last = escape_text(rest), escape_text(last)
        self._rows: list[Runs] = []

    def layout(self, width: int) -> int:
        """Wrap the words, the last one on the row where the rest ends if it fits."""
        rows = wrap(f"{self.first.text} {self.rest}".rstrip(), width)  # HTTP/2 has no reason
        self._rows = [[(row, "title")] for row in rows]
        lead = self.first.text
        if rows[0].startswith(lead):
            self._rows[0] = [(lead, self.first.tone), (rows[0][len(lead) :], "title")]
        if self.last and cell_len(rows[-1]) + 1 + cell_len(self.last) > width:
            self._rows.append([(self.last, "dim")])
        elif self.last:
            self._rows[-1].append((" " + self.last, "dim"))
        return len(self._rows)

    def row(self, index: int) -> Runs:
        """Row `index`."""
        return self._rows[index]


def field_table(headers: Headers, tone: str = "name", pseudo: Sequence[Field] = ()) -> Table:
    """The fields as a table, each as it was sent; those with a colon first."""
    return Table(
        [
            Entry(to_text(name), (Cell(to_text(value)),), shown)
            for fields, shown in ((pseudo, "dim"), (headers.fields, tone))
            for name, value in fields
        ]
    )


def request_head(request: Request) -> list[Block]:
    """Request line and fields."""
    line = StartLine(Cell(request.method, "word"), to_text(request.target), request.version)
    return [line, field_table(request.headers, pseudo=pseudo_fields(request))]


def response_head(response: Response) -> list[Block]:
    """Every 1xx response that came first, then status line and fields."""
    blocks: list[Block] = []
    for early in response.informational:
        blocks += [_status_line(early), field_table(early.headers), Blank()]
    fields = field_table(response.headers, pseudo=pseudo_fields(response))
    return [*blocks, _status_line(response), fields]


def result_blocks(result: Result | None) -> list[Block]:
    """How a gRPC call ended, nothing for what is none or has not ended."""
    if result is None:
        return []
    tone = _STATUS_TONES[http_class(result.code)]
    line = StartLine(Cell(f"gRPC {result.code}", tone), str(result).partition(" ")[2], "")
    return [Blank(), line]


def trailer_blocks(trailers: Headers | None) -> list[Block]:
    """What came behind the body."""
    return [Blank(), Rule("trailers"), field_table(trailers)] if trailers else []


def _status_line(response: Response) -> StartLine:
    tone = _STATUS_TONES.get(response.status // 100, "warning")
    return StartLine(Cell(str(response.status), tone), response.reason, response.version)
