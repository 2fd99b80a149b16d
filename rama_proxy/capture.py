"""What happens is written down here: flows, connections and what went wrong go to the store.

The relay calls `begin` and `end` around each flow. A flow that lasts longer than a tick is written
as it stands, so that the screen shows it. Counters are kept here and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rama_proxy.model.body import Body
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import DONE, FAILED, Flow
from rama_proxy.store.writer import Writer

SLOW_FLOW = 0.5  # seconds after which an unfinished flow is worth a row; ticks come once a second
RATE_WINDOW = 5.0  # seconds over which the rate is smoothed


class Capture:
    """Counts flows and hands them to the writer."""

    def __init__(self, writer: Writer, budget: int = 256 << 20) -> None:
        """`budget` is how many bytes of bodies may be kept of flows under way."""
        self.writer = writer
        self.budget = budget
        self.kept = 0
        self.dropped_bodies = 0  # beyond the budget
        self.on_flow: list[Callable[[Flow], None]] = []
        self.active: dict[int, Flow] = {}
        self.flows = 0
        self.errors = 0
        self.bytes = 0
        self.rate = 0.0
        self._stored: set[int] = set()  # connections that have a row and are not closed
        self._rated = 0
        self._kept: dict[int, int] = {}  # by flow

    def begin(self, flow: Flow) -> None:
        """A flow has begun."""
        self.active[flow.id] = flow

    def keep(self, flow: Flow, body: Body, data: bytes, limit: int) -> None:
        """Add `data` to a body of `flow`, at most `limit` bytes in all and within the budget."""
        if self.kept + len(data) > self.budget and not body.truncated:
            self.dropped_bodies += 1
            limit = 0
        kept = body.add(data, limit)
        if kept:
            self.kept += kept
            self._kept[flow.id] = self._kept.get(flow.id, 0) + kept

    def end(self, flow: Flow) -> None:
        """A flow has ended, well or with `flow.error`."""
        self.active.pop(flow.id, None)
        self.kept -= self._kept.pop(flow.id, 0)
        flow.timing.end = time.monotonic()
        flow.state = FAILED if flow.error else DONE
        self.flows += 1
        if flow.error:
            self.errors += 1
        self.bytes += flow.request.body.size
        if flow.response is not None:
            self.bytes += flow.response.body.size
        self._store(flow)
        for callback in self.on_flow:
            callback(flow)

    def break_off(self, flow: Flow, error: BaseException) -> None:
        """End `flow` if something has left it open that nobody foresaw: a stop, or a bug."""
        if flow.id in self.active:
            stopped = isinstance(error, asyncio.CancelledError)
            reason = "cut off as the proxy stopped" if stopped else f"internal error: {error!r}"
            flow.error = flow.error or reason
            self.end(flow)

    def _store(self, flow: Flow) -> None:
        stored = self._stored
        for info in (flow.client, flow.server):
            if info is not None and info.id not in stored:
                if info.closed is None:
                    stored.add(info.id)
                self.writer.put_connection(info)
        self.writer.put_flow(flow)

    def closed(self, info: ConnectionInfo) -> None:
        """A connection is closed; its row gets the bytes, times and error it ended with."""
        info.closed = time.monotonic()
        if info.id in self._stored or info.error:
            self._stored.discard(info.id)
            self.writer.put_connection(info)

    def tick(self, seconds: float) -> None:
        """Once a second or so: write flows that last, and measure the rate."""
        done = self.flows - self._rated
        self._rated = self.flows
        weight = min(1.0, seconds / RATE_WINDOW)
        self.rate += (done / seconds - self.rate) * weight if seconds > 0 else 0.0
        before = time.monotonic() - SLOW_FLOW
        for flow in self.active.values():
            if flow.timing.begin < before:
                self._store(flow)
