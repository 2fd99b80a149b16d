"""What is written down of a flow beside its row: its messages as rows, its oddities as notes."""

from __future__ import annotations

import time

from rama_proxy.model.flow import Flow
from rama_proxy.store.writer import Writer


class Journal:
    """Writes for one flow. `seq` numbers the messages of both directions."""

    __slots__ = ("flow", "seq", "writer")

    def __init__(self, flow: Flow, writer: Writer) -> None:
        self.flow = flow
        self.writer = writer
        self.seq = 0

    def put(self, from_client: bool, opcode: int, data: bytes, size: int, flags: int) -> None:
        """A row; `size` is that of the whole message."""
        self.seq += 1
        self.writer.put_message(
            self.flow.id, self.seq, from_client, opcode, data, time.time(), size, flags
        )

    def note(self, text: str) -> None:
        """A note of the flow, once."""
        if text not in self.flow.notes:
            self.flow.notes.append(text)


def side(from_client: bool) -> str:
    """Who sends."""
    return "client" if from_client else "server"
