"""What a task waits for: something that changes, for as long as the phase allows.

Waiting costs one future, on one signal or on two at once; nothing is kept of a change that nobody
waited for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Phase:
    """How long a stream may take over what it is doing.

    `limit` counts from the last byte, or, with `whole`, from the start of the phase. In a `resting`
    phase nothing is half done: the stream may be ended without loss.
    """

    what: str
    limit: float
    whole: bool = False
    resting: bool = False


CLOSING = Phase("close", 0.0)  # for as long as a peer may leave unread what was sent


class Signal:
    """Something that changes and that a task can wait for."""

    __slots__ = ("waiter",)

    def __init__(self) -> None:
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let the task that waits look again."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def before_wait(self) -> None:
        """Called when a task is about to wait for this."""


async def changed(first: Signal, second: Signal | None = None) -> None:
    """Wait until one of the signals wakes. Look at their state before: a change is not kept."""
    waiter = asyncio.get_running_loop().create_future()
    first.waiter = waiter
    first.before_wait()
    if second is not None:
        second.waiter = waiter
        second.before_wait()
    try:
        await waiter
    finally:
        if first.waiter is waiter:
            first.waiter = None
        if second is not None and second.waiter is waiter:
            second.waiter = None
