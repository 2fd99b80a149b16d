"""One look a second at every stream: those that are silent for too long are ended.

A timer per read would cost more than the read; a stamp on each read and one sweep cost nothing.
"""

from __future__ import annotations

from typing import TypeVar

from rama_proxy.net.channel import Channel, monotonic

C = TypeVar("C", bound=Channel)


class Sweeper:
    """Knows every open channel."""

    def __init__(self, stall_limit: float) -> None:
        self.stall_limit = stall_limit
        self.streams: set[Channel] = set()

    def watch(self, stream: C) -> C:
        """Look after `stream` until it is lost."""
        if not stream.lost:
            self.streams.add(stream)
            stream.on_lost = self.streams.discard
        return stream

    def sweep(self) -> int:
        """Expire what is overdue; gives how many."""
        now = monotonic()
        overdue = []
        for stream in self.streams:
            stream.look_for_reset()
            if stream.overdue(now, self.stall_limit):
                overdue.append(stream)
        for stream in overdue:
            stream.expire()
        return len(overdue)
