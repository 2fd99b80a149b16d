"""What is written down of a WebSocket: its messages as rows, its oddities as notes of the flow."""

from __future__ import annotations

import time

from rama_proxy.errors import ProtocolError
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import WebSocketData
from rama_proxy.protocols.websocket import NO_STATUS, parse_close
from rama_proxy.protocols.websocket_reader import Message
from rama_proxy.store.writer import Writer


class Journal:
    """Writes down one WebSocket. `seq` numbers the messages of both directions."""

    __slots__ = ("data", "flow", "seq", "writer")

    def __init__(self, flow: Flow, data: WebSocketData, writer: Writer) -> None:
        self.flow = flow
        self.data = data
        self.writer = writer
        self.seq = 0

    def message(self, from_client: bool, message: Message) -> None:
        """A message as it came, with what is wrong with it."""
        self.put(from_client, message.opcode, message.data, message.size, message.flags)
        if message.problem:
            self.note(f"message of the {side(from_client)}: {message.problem}")

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

    def close(self, from_client: bool, payload: bytes) -> None:
        """A close frame; the first one says how the WebSocket ended."""
        data = self.data
        if data.close_code is not None:
            return
        data.closed_by_client = from_client
        try:
            data.close_code, data.close_reason = parse_close(payload)
        except ProtocolError as error:
            data.close_code = int.from_bytes(payload[:2], "big") if payload[1:] else NO_STATUS
            self.note(f"the {side(from_client)} closed with a {error}")


def side(from_client: bool) -> str:
    """Who sends."""
    return "client" if from_client else "server"
