"""Requests sent once more: the command `replay`, for one flow or many, once or many times over.

A replay has the version, fields and bytes of its origin and goes where that went. Each makes a
flow of its own that names its origin as `parent_id`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from rama_proxy import CommandCall, Flow

MAX_COUNT = 1_000_000
MAX_CONCURRENCY = 64  # as many HTTP/1 connections one client may use at once
KEPT = 16  # origins that are not read from the store again for each attempt
TELL_EVERY = 0.1  # seconds between two tellings of how far it is
TELL_MOST = 500  # attempts told of at once

Entry = dict[str, object]


async def replay(call: CommandCall) -> dict[str, object]:
    """Send flows again: `flows` (ids) or those that `filter` selects, `count` times each.

    `concurrency` of them are under way at once. Progress tells of the attempts that have ended,
    the answer sums up. Raises ValueError where nothing can be sent at all.
    """
    count = _number(call, "count", MAX_COUNT)
    concurrency = _number(call, "concurrency", MAX_CONCURRENCY)
    ids = await _ids(call)
    run = _Run(call, ids, count)
    begin = time.monotonic()
    workers = [asyncio.ensure_future(run.work()) for _ in range(min(concurrency, run.total))]
    teller = asyncio.ensure_future(run.tell_on())
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (*workers, teller):
            task.cancel()
        await asyncio.gather(*workers, teller, return_exceptions=True)
    seconds = time.monotonic() - begin
    await run.tell()
    return run.summary(seconds)


commands = {"replay": replay}


class _Run:
    """One call: what is left to be sent, and what came of the rest."""

    def __init__(self, call: CommandCall, ids: list[int], count: int) -> None:
        self.call = call
        self.total = len(ids) * count
        self.is_single = len(ids) == 1  # which then fails or does not
        self.done = self.errors = self.refused = 0
        self.times: list[float] = []  # milliseconds of those that got a response
        self._left: Iterator[int] = (flow_id for _ in range(count) for flow_id in ids)
        self._origins: dict[int, Flow | None] = {}
        self._untold: list[Entry] = []

    async def origin(self, flow_id: int) -> Flow | None:
        """The stored flow."""
        if flow_id not in self._origins:
            found = await self.call.engine.flow(flow_id)
            while len(self._origins) >= KEPT:
                del self._origins[next(iter(self._origins))]
            self._origins[flow_id] = found
        return self._origins[flow_id]

    async def work(self) -> None:
        """Send one after the other until none is left."""
        for flow_id in self._left:
            origin = await self.origin(flow_id)
            try:
                if origin is None:
                    raise ValueError("there is no such flow")
                if origin.kind != "http":
                    raise ValueError(f"it is a {origin.kind} connection, not a request")
                self._note(origin, await self.call.engine.submit(origin.request, origin))
            except ValueError as error:
                problem = f"flow {flow_id} cannot be replayed: {error}"
                if self.is_single:
                    raise ValueError(problem) from error
                self.refused += 1
                self._ended({"origin": flow_id, "flow": None, "error": problem})
            if len(self._untold) >= TELL_MOST:
                await self.tell()

    def _note(self, origin: Flow, flow: Flow) -> None:
        took = ((flow.timing.end or flow.timing.begin) - flow.timing.begin) * 1000
        if flow.error:
            self.errors += 1
        else:
            self.times.append(took)
        self._ended(
            {
                "origin": origin.id,
                "flow": flow.id,
                "status": flow.response.status if flow.response is not None else None,
                "ms": round(took, 3),
                "size": flow.response.body.size if flow.response is not None else None,
                "error": flow.error or None,
            }
        )

    def _ended(self, entry: Entry) -> None:
        self.done += 1
        self._untold.append(entry)

    async def tell_on(self) -> None:
        """Tell how far it is, again and again."""
        while True:
            await asyncio.sleep(TELL_EVERY)
            await self.tell()

    async def tell(self) -> None:
        """Tell of what has ended since."""
        while self._untold:
            entries, self._untold = self._untold[:TELL_MOST], self._untold[TELL_MOST:]
            told = self.done - len(self._untold)
            await self.call.progress({"done": told, "total": self.total, "attempts": entries})

    def summary(self, seconds: float) -> dict[str, object]:
        """Counts, times in milliseconds, attempts a second."""
        times = sorted(self.times)
        sent = self.done - self.refused
        return {
            "sent": sent,
            "errors": self.errors,
            "refused": self.refused,
            "seconds": round(seconds, 3),
            "rate": round(sent / seconds, 1) if seconds else 0.0,
            "p50_ms": _percentile(times, 0.5),
            "p95_ms": _percentile(times, 0.95),
        }


def _percentile(times: list[float], part: float) -> float | None:
    """The value that `part` of the sorted `times` do not exceed, None without any."""
    if not times:
        return None
    return round(times[min(len(times) - 1, int(part * len(times)))], 3)


def _number(call: CommandCall, name: str, most: int) -> int:
    value = call.arguments.get(name, 1)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{name} is a number from 1 to {most}, not {value!r}")
    return value


async def _ids(call: CommandCall) -> list[int]:
    """The flows that were asked for."""
    flows, expression = call.arguments.get("flows"), call.arguments.get("filter")
    if isinstance(expression, str):
        ids = await call.engine.find(expression)
        if not ids:
            raise ValueError(
                f"no flow matches {expression!r}" if expression else "no flow is there"
            )
        return ids
    if isinstance(flows, list) and flows and all(type(item) is int for item in flows):
        return flows
    raise ValueError("replay takes flows=[ID, …] or filter=EXPRESSION")
