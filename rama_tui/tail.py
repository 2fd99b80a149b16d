"""Notices what the engine writes: asks every 50 ms whether, and only then what.

Changes are gathered until somebody takes them, so that a burst is one message and one repaint. The
questions run in a thread, because a filter on bodies may take its time with each flow.
"""

from __future__ import annotations

import asyncio

from textual.message import Message
from textual.message_pump import MessagePump

from rama_proxy.errors import StoreError
from rama_proxy.filters import Filter
from rama_proxy.store.reader import Reader
from rama_tui.reading import read_beside

POLL = 0.05  # seconds
COUNT_SHARE = 20  # counting a million flows takes 25 ms: at most a 20th of the time goes there


class FlowsChanged(Message):
    """`Tail.take` has something, or `Tail.total` or `Tail.problem` changed."""

    def can_replace(self, message: Message) -> bool:
        """One is enough until it is read."""
        return isinstance(message, FlowsChanged)


class Tail:
    """Follows the store for `target`, which gets FlowsChanged."""

    def __init__(self, reader: Reader, target: MessagePump) -> None:
        self.total = 0  # flows in the store
        self.problem = ""  # why the store cannot be read at the moment
        self._reader = reader
        self._target = target
        self._rev = 0
        self._filter: Filter | None = None
        self._changed: dict[int, None] = {}
        self._removed: dict[int, None] = {}
        self._uncounted = True
        self._count_at = 0.0

    def start_from(self, rev: int, selected: Filter) -> None:
        """Report what is written after `rev` and fits `selected`; what waits is forgotten."""
        self._rev = rev
        self._filter = selected
        self._changed.clear()
        self._removed.clear()

    def take(self) -> tuple[list[int], list[int]]:
        """Flows that were written and fit, and those that were and do not, since last asked."""
        taken = list(self._changed), list(self._removed)
        self._changed.clear()
        self._removed.clear()
        return taken

    async def run(self) -> None:
        """Follow until cancelled; the reader is nobody else's in the meantime."""
        looked_at: tuple[int, Filter | None] | None = None
        while True:
            await asyncio.sleep(POLL)
            try:
                state = self._reader.data_version(), self._filter
                if state != looked_at:
                    if not await self._look():
                        looked_at = state
                    self._uncounted = True
                await self._count()
                self._report("")
            except StoreError as error:
                self._report(str(error))

    async def _look(self) -> bool:
        """Gather one portion of changes; whether there may be more."""
        selected, rev = self._filter, self._rev
        if selected is None:
            return False
        changes = await read_beside(self._reader, self._reader.since, rev, selected.where())
        if self._filter is not selected or self._rev != rev:
            return True  # another filter came meanwhile: what was found does not count
        if changes.rev == rev:
            return False
        self._rev = changes.rev
        for flow_id in changes.ids:
            self._removed.pop(flow_id, None)
            self._changed[flow_id] = None
        for flow_id in changes.removed:
            self._changed.pop(flow_id, None)
            self._removed[flow_id] = None
        self._target.post_message(FlowsChanged())
        return True

    async def _count(self) -> None:
        clock = asyncio.get_running_loop().time
        begin = clock()
        if not self._uncounted or begin < self._count_at:
            return
        self._uncounted = False
        total = await read_beside(self._reader, self._reader.count)
        self._count_at = clock() + COUNT_SHARE * (clock() - begin)
        if total != self.total:
            self.total = total
            self._target.post_message(FlowsChanged())

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._target.post_message(FlowsChanged())
