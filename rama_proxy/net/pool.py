"""Connections to servers that wait for the next request of the same client.

A pool belongs to one client connection: nothing of one client can reach another through it, neither
a leftover response nor a login that lives in the connection (NTLM, Negotiate).
"""

from __future__ import annotations

from rama_proxy.net.channel import Channel

Key = tuple[str, str, int]  # scheme, host, port
MAX_IDLE = 8  # origins that one client connection visits in turn; browsers open one per origin
MAX_IDLE_EACH = 32  # to one origin; only a client with many requests at once leaves more than one


class Pool:
    """Idle streams by key, MAX_IDLE origins and MAX_IDLE_EACH streams to one of them at most."""

    __slots__ = ("streams",)

    def __init__(self) -> None:
        self.streams: dict[Key, list[tuple[Channel, bool]]] = {}

    def take(self, key: Key) -> tuple[Channel | None, bool]:
        """An idle stream for `key`, the one used last, and whether it has been used before."""
        waiting = self.streams.get(key)
        if waiting is None:
            return None, False
        found = waiting.pop()
        if not waiting:
            del self.streams[key]
        return found

    def give(self, key: Key, stream: Channel, *, used: bool = True) -> list[Channel]:
        """Keep `stream` for the next request; gives the streams that had to make room."""
        dropped: list[Channel] = []
        waiting = self.streams.get(key)
        if waiting is None:
            if len(self.streams) >= MAX_IDLE:
                oldest = self.streams.pop(next(iter(self.streams)))
                dropped += [stream for stream, _ in oldest]
            waiting = self.streams[key] = []
        elif len(waiting) >= MAX_IDLE_EACH:
            dropped.append(waiting.pop(0)[0])
        waiting.append((stream, used))
        return dropped

    @staticmethod
    def usable(stream: Channel) -> bool:
        """Whether a request can be sent on `stream`.

        Not on one that spoke unasked: what it said would be taken for the next answer.
        """
        return not stream.eof and not stream.buf

    def drain(self) -> list[Channel]:
        """Take every stream out."""
        streams = [stream for waiting in self.streams.values() for stream, _ in waiting]
        self.streams.clear()
        return streams
