"""What was kept of a body, in pieces."""

from __future__ import annotations

SMALL = 512  # pieces of a body that are joined: a list of bytes objects of two bytes costs 24 times
GROWN = 4096  # that much, and a piece no longer grows


class Body:
    """What was kept of a body, and how much of it went by.

    `chunks` hold the payload without transfer coding but with content coding, up to the body
    limit; `size` counts every byte seen. `complete` says that the end was reached, `truncated`
    that bytes went by that were not kept, `edited` that somebody replaced it.
    """

    __slots__ = ("chunks", "complete", "edited", "size", "truncated")

    def __init__(self, data: bytes = b"", *, complete: bool = True) -> None:
        self.chunks: list[bytes] = [data] if data else []
        self.size = len(data)
        self.complete = complete
        self.truncated = False
        self.edited = False

    def add(self, data: bytes, limit: int) -> int:
        """Count `data`, and keep what fits below `limit` bytes in all; gives how much that was.

        After the first byte that was not kept none is: there must be no gap.
        """
        room = 0 if self.truncated else limit - self.size
        self.size += len(data)
        if room < len(data):
            self.truncated = True
            data = data[: max(room, 0)]
        chunks = self.chunks
        if len(data) < SMALL and chunks and len(chunks[-1]) < GROWN:
            chunks[-1] += data
        elif data:
            chunks.append(data)
        return len(data)

    def replace(self, data: bytes) -> None:
        """Put `data` in place of the whole body."""
        self.chunks = [data] if data else []
        self.size = len(data)
        self.complete = True
        self.truncated = False
        self.edited = True

    def copy(self) -> Body:
        """A body with a list of chunks of its own."""
        other = Body.__new__(Body)
        other.chunks = self.chunks.copy()
        other.size = self.size
        other.complete = self.complete
        other.truncated = self.truncated
        other.edited = self.edited
        return other

    def __bytes__(self) -> bytes:
        if len(self.chunks) > 1:
            self.chunks = [b"".join(self.chunks)]
        return self.chunks[0] if self.chunks else b""
