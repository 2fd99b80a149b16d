"""The connections to servers that one client's requests share or take turns on."""

from __future__ import annotations

from collections import deque

from rama_proxy.errors import RamaError
from rama_proxy.net.channel import Channel
from rama_proxy.net.pool import Key
from rama_proxy.net.waiting import Signal
from rama_proxy.relay.http2_link import Link


class Dial:
    """The first connection to a server while it is made: who else wants it, and why it failed."""

    __slots__ = ("over", "problem", "waiting")

    def __init__(self) -> None:
        self.over = False
        self.problem: RamaError | None = None
        self.waiting: list[Signal] = []

    def end(self) -> None:
        """It was made, or it failed."""
        self.over = True
        for signal in self.waiting:
            signal.wake()


MAX_OPEN = 32  # origins that one client keeps connections of HTTP/2 to
MAX_KNOWN = 1024  # origins of which it is remembered that they speak HTTP/1


class Links:
    """The HTTP/2 connections to servers of one client, and how many of HTTP/1 it has in use.

    Nothing of another client goes through them.
    """

    __slots__ = ("busy", "dialling", "http1", "left", "open", "turns")

    def __init__(self) -> None:
        self.open: dict[Key, Link] = {}
        self.left: list[Link] = []  # take no more streams
        self.dialling: dict[Key, Dial] = {}
        self.http1: set[Key] = set()  # servers that are known to speak HTTP/1
        self.busy = 0  # connections of HTTP/1 that carry a request
        self.turns: deque[Signal] = deque()  # who waits for one of them to be free

    def add(self, key: Key, link: Link) -> None:
        """Share `link` from here on; the oldest that is idle makes room."""
        if len(self.open) >= MAX_OPEN:
            idle = next((key for key, one in self.open.items() if not one.streams), None)
            if idle is not None:
                old = self.open.pop(idle)
                old.retire()
                self.left.append(old)
        self.open[key] = link

    def knows_http1(self, key: Key) -> None:
        """A server turned out to speak HTTP/1."""
        if len(self.http1) >= MAX_KNOWN:
            self.http1.clear()
        self.http1.add(key)

    def free(self) -> None:
        """A connection of HTTP/1 carries no request any more."""
        self.busy -= 1
        self.pass_turn()

    def pass_turn(self) -> None:
        """Let the next who waits for a connection look again."""
        if self.turns:
            self.turns.popleft().wake()

    def ended(self) -> list[Channel]:
        """The channels of those that were left and have ended since; they are here no more."""
        ended = [link for link in self.left if link.ended]
        if ended:
            self.left = [link for link in self.left if not link.ended]
        for link in ended:
            link.detach()
        return [link.channel for link in ended]

    def drain(self) -> list[Channel]:
        """The channels of all of them; they read no more."""
        links = [*self.open.values(), *self.left]
        self.open.clear()
        self.left.clear()
        for link in links:
            link.retire()
            link.detach()
        return [link.channel for link in links]
