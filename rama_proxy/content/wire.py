"""A message as it was on the wire, as far as the store has it."""

from __future__ import annotations

from rama_proxy.model.message import Message, Request, Response
from rama_proxy.protocols.http1 import serialize_request, serialize_response


def wire_bytes(message: Message) -> tuple[bytes, bytes, str]:
    """Head as received, body with its content coding, and a note on what differs from the wire."""
    notes = []
    head = message.raw
    if not head and isinstance(message, Request | Response):
        head = (
            serialize_request(message)
            if isinstance(message, Request)
            else serialize_response(message)
        )
        notes.append("made here, never received")
    if "transfer-encoding" in message.headers and message.body.size:
        notes.append("without its transfer coding")
    if message.body.edited:
        notes.append("body edited")
    if message.body.truncated:
        notes.append("only the beginning of the body was kept")
    return head, bytes(message.body), ", ".join(notes)
