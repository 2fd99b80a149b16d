"""Follows the messages of one flow: those that are there, and those that come.

Without a filter it only asks for the latest number. With one it searches portion by portion, in a
thread, and goes on with what arrives; what was found is shown on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import Callable
from typing import NamedTuple

from rama_proxy.errors import StoreError
from rama_proxy.filters import Filter
from rama_proxy.store.reader import Reader
from rama_tui.message_source import MessageSource
from rama_tui.reading import read_beside

POLL = 0.05  # seconds
FIRST_PORTION = 2000  # messages that are searched at once,
PORTION_TIME = 0.1  # and later as many as take so many seconds
MAX_PORTION = 100_000


class Progress(NamedTuple):
    """What is known: the number of the latest message, and up to which they were searched.

    `found` are those that fit and were not told before; None without a filter: all do. `is_news`
    says that they came after the search began.
    """

    last: int
    searched: int
    found: array[int] | None
    is_news: bool = False
    problem: str = ""


class MessageTail:
    """Tells `tell` of every change to the messages of flow `flow_id`."""

    def __init__(
        self,
        source: MessageSource,
        flow_id: int,
        selected: Filter,
        tell: Callable[[Progress], None],
    ) -> None:
        self._source = source
        self._flow_id = flow_id
        self._filter = selected if selected.text.strip() else None
        self._tell = tell
        self._last = 0
        self._searched = 0
        self._there = -1  # the latest when the search began
        self._portion = FIRST_PORTION

    async def run(self) -> None:
        """Follow until cancelled."""
        version: int | None = None
        with contextlib.ExitStack() as stack:
            reader: Reader | None = None
            while True:
                try:
                    now = self._source.data_version()
                    if now != version:
                        self._look()
                        version = now
                    if self._filter is not None and self._searched < self._last:
                        reader = reader or stack.enter_context(self._source.open_reader())
                        await self._search(reader, self._filter)
                except StoreError as error:
                    self._tell(Progress(self._last, self._searched, None, problem=str(error)))
                await asyncio.sleep(POLL)

    def _look(self) -> None:
        last = self._source.last(self._flow_id)
        if self._filter is None and last != self._last:
            self._searched = last
            self._tell(Progress(last, last, None))
        self._last = last
        if self._there < 0:
            self._there = last

    async def _search(self, reader: Reader, selected: Filter) -> None:
        """Search what there is, a portion at a time; the reader is nobody else's."""
        clock = asyncio.get_running_loop().time
        while self._searched < self._last:
            begin = clock()
            end = min(self._last, self._searched + self._portion)
            found = await read_beside(
                reader, reader.find_messages, self._flow_id, selected.where(), self._searched, end
            )
            is_news, self._searched = self._searched >= self._there, end
            took = max(0.001, clock() - begin)
            self._portion = min(MAX_PORTION, max(100, round(self._portion * PORTION_TIME / took)))
            self._tell(Progress(self._last, end, found, is_news))
