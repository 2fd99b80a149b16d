"""What is written down of a WebSocket: its messages as rows, its oddities as notes of the flow."""

from __future__ import annotations

from rama_proxy.errors import ProtocolError
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import WebSocketData
from rama_proxy.protocols.websocket import NO_STATUS, parse_close
from rama_proxy.protocols.websocket_reader import Message
from rama_proxy.relay.journal import Journal, side
from rama_proxy.store.writer import Writer


class WebSocketJournal(Journal):
    """Writes down one WebSocket."""

    __slots__ = ("data",)

    def __init__(self, flow: Flow, data: WebSocketData, writer: Writer) -> None:
        super().__init__(flow, writer)
        self.data = data

    def message(self, from_client: bool, message: Message) -> None:
        """A message as it came, with what is wrong with it."""
        self.put(from_client, message.opcode, message.data, message.size, message.flags)
        if message.problem:
            self.note(f"message of the {side(from_client)}: {message.problem}")

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
