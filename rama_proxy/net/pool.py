"""Connections to servers that wait for the next request of the same client.

A pool belongs to one client connection: nothing of one client can reach another through it, neither
a leftover response nor a login that lives in the connection (NTLM, Negotiate).
"""

from __future__ import annotations

from rama_proxy.net.channel import Channel

Key = tuple[str, str, int]  # scheme, host, port
MAX_IDLE = 8  # origins that one client connection visits in turn; browsers open one per origin


class Pool:
    """At most one idle stream per key, MAX_IDLE in all."""

    __slots__ = ("streams",)

    def __init__(self) -> None:
        self.streams: dict[Key, tuple[Channel, bool]] = {}

    def take(self, key: Key) -> tuple[Channel | None, bool]:
        """The idle stream for `key`, and whether it has been used before."""
        return self.streams.pop(key, (None, False))

    def give(self, key: Key, stream: Channel, *, used: bool = True) -> list[Channel]:
        """Keep `stream` for the next request; gives the streams that had to make room."""
        dropped = []
        if key in self.streams:
            dropped.append(self.streams.pop(key)[0])
        elif len(self.streams) >= MAX_IDLE:
            dropped.append(self.streams.pop(next(iter(self.streams)))[0])
        self.streams[key] = (stream, used)
        return dropped

    @staticmethod
    def usable(stream: Channel) -> bool:
        """Whether a request can be sent on `stream`.

        Not on one that spoke unasked: what it said would be taken for the next answer.
        """
        return not stream.eof and not stream.buf

    def drain(self) -> list[Channel]:
        """Take every stream out."""
        streams = [stream for stream, _ in self.streams.values()]
        self.streams.clear()
        return streams
