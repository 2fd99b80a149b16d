"""Where the time went: a waterfall of the phases of a flow."""

from __future__ import annotations

from datetime import datetime

from rama_proxy.content.timeline import Span, Timeline, duration_text, timeline
from rama_proxy.model.flow import Flow
from rama_proxy.units import format_size
from rama_tui.widgets.blocks import Blank, Cell, Entry, Paragraph, Rule, Table
from rama_tui.widgets.lines_view import Block, LinesView, Runs

LABEL = 16
VALUE = 12
_EIGHTHS = " ▏▎▍▌▋▊▉"


class TimingView(LinesView):
    """The waterfall, and the figures that have no bar."""

    def show_flow(self, flow: Flow, *, keep_place: bool = False) -> None:
        """Show the times of `flow`."""
        times = timeline(flow)
        blocks: list[Block] = [Waterfall(times)]
        if times.remarks:
            blocks += [Blank(), *(Paragraph(remark, "dim") for remark in times.remarks)]
        blocks += [Blank(), Rule("figures"), Table(_figures(flow))]
        self.show_blocks(blocks, keep_place=keep_place)


class Waterfall:
    """A bar for each phase on one axis, and its duration behind it."""

    width = 0

    def __init__(self, times: Timeline) -> None:
        self.times = times
        self._bar = 1

    def layout(self, width: int) -> int:
        """A row for each phase, and one for the axis."""
        self._bar = max(8, width - LABEL - VALUE)
        return len(self.times.spans) + 1

    def row(self, index: int) -> Runs:
        """A phase, or the axis below them."""
        if index == len(self.times.spans):
            return self._axis()
        span = self.times.spans[index]
        start, bar = self._span(span)
        rest = max(0, self._bar - start - len(bar))
        length = "…" if span.end is None else duration_text(span.end - span.start)
        return [
            (span.label.ljust(LABEL), "name"),
            ("│" + " " * start, "dim"),
            (bar, span.group),
            (" " * rest + length.rjust(VALUE - 2), "plain"),
        ]

    def _span(self, span: Span) -> tuple[int, str]:
        """The cell where the bar begins, and the bar."""
        total = self.times.total or 1.0
        cells = self._bar - 1
        end = total if span.end is None else span.end
        first = min(int(span.start / total * cells), cells - 1)
        eighths = max(1, round(end / total * cells * 8) - first * 8)
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        return first, (bar or "▏")[: cells - first]

    def _axis(self) -> Runs:
        total = duration_text(self.times.total)
        line = "└" + "─" * (self._bar - 1)
        return [(" " * LABEL, "plain"), (line + total.rjust(VALUE - 1), "dim")]


def _figures(flow: Flow) -> list[Entry]:
    timing = flow.timing
    started = datetime.fromtimestamp(timing.started).astimezone()
    facts = [("started", f"{started:%Y-%m-%d %H:%M:%S}.{started.microsecond // 1000:03d}")]
    if timing.response_begin is not None:
        facts.append(("to first byte", duration_text(timing.response_begin - timing.begin)))
    if timing.end is not None:
        facts.append(("request to end", duration_text(timing.end - timing.begin)))
    facts.append(("request body", format_size(flow.request.body.size)))
    if flow.response is not None:
        size = flow.response.body.size
        facts.append(("response body", format_size(size) + _rate(flow, size)))
    return [Entry(label, (Cell(value),)) for label, value in facts]


def _rate(flow: Flow, size: int) -> str:
    begin, end = flow.timing.response_begin, flow.timing.end
    if begin is None or end is None or end - begin < 0.001 or size < 1024:
        return ""
    return f", {format_size(size / (end - begin))}/s"
