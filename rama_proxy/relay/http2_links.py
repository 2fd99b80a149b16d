"""The connections to servers that one client's requests share or take turns on."""

from __future__ import annotations

from collections import deque

from rama_proxy.errors import RamaError
from rama_proxy.net.channel import Channel
from rama_proxy.net.pool import Key
from rama_proxy.net.waiting import Signal
from rama_proxy.relay.http2_link import Link


class Links:
    """The HTTP/2 connections to servers of one client, and how many of HTTP/1 it has in use.

    Nothing of another client goes through them.
    """

    __slots__ = ("busy", "dialling", "http1", "left", "open", "problems", "turns")

    def __init__(self) -> None:
        self.open: dict[Key, Link] = {}
        self.left: list[Link] = []  # take no more streams
        self.dialling: dict[Key, list[Signal]] = {}  # who waits for the first connection
        self.problems: dict[Key, RamaError] = {}  # what the last dial failed with
        self.http1: set[Key] = set()  # servers that are known to speak HTTP/1
        self.busy = 0  # connections of HTTP/1 that carry a request
        self.turns: deque[Signal] = deque()  # who waits for one of them to be free

    def free(self) -> None:
        """A connection of HTTP/1 carries no request any more."""
        self.busy -= 1
        if self.turns:
            self.turns.popleft().wake()

    def drain(self) -> list[Channel]:
        """The channels of all of them; they read no more."""
        links = [*self.open.values(), *self.left]
        self.open.clear()
        self.left.clear()
        for link in links:
            link.detach()
        return [link.channel for link in links]
