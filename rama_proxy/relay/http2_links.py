"""The HTTP/2 connections to servers that one client's requests share."""

from __future__ import annotations

from rama_proxy.errors import RamaError
from rama_proxy.net.channel import Channel
from rama_proxy.net.pool import Key
from rama_proxy.net.waiting import Signal
from rama_proxy.relay.http2_link import Link


class Links:
    """The HTTP/2 connections to servers of one client: nothing of another's goes through them."""

    __slots__ = ("dialling", "http1", "left", "open", "problems")

    def __init__(self) -> None:
        self.open: dict[Key, Link] = {}
        self.left: list[Link] = []  # take no more streams
        self.dialling: dict[Key, list[Signal]] = {}  # who waits for the first connection
        self.problems: dict[Key, RamaError] = {}  # what the last dial failed with
        self.http1: set[Key] = set()  # servers that are known to speak HTTP/1

    def drain(self) -> list[Channel]:
        """The channels of all of them; they read no more."""
        links = [*self.open.values(), *self.left]
        self.open.clear()
        self.left.clear()
        for link in links:
            link.detach()
        return [link.channel for link in links]
