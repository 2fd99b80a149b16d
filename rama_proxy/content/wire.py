"""A message as it was on the wire, as far as the store has it."""

from __future__ import annotations

from rama_proxy.model.headers import Field
from rama_proxy.model.message import Message, Request, Response
from rama_proxy.protocols.http1 import serialize_request, serialize_response
from rama_proxy.protocols.translate import HTTP2, request_to_http2


def wire_bytes(message: Message) -> tuple[bytes, bytes, str]:
    """Head as received, body with its content coding, and a note on what differs from the wire."""
    notes = []
    head = message.raw
    if not head and message.version == HTTP2:
        head = http2_head(message)
        notes.append("HTTP/2, its fields written out")
    elif not head and isinstance(message, Request | Response):
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


def http2_head(message: Message) -> bytes:
    """The fields of an HTTP/2 head as lines, the pseudo fields first and in their order."""
    fields = [*pseudo_fields(message), *message.headers.fields]
    return b"".join([b"%b: %b\r\n" % field for field in fields]) + b"\r\n"


def pseudo_fields(message: Message) -> list[Field]:
    """The fields with a colon of an HTTP/2 message in wire order; none of another version."""
    if message.version != HTTP2:
        return []
    if isinstance(message, Request):
        return request_to_http2(message)[0]
    return [(b":status", b"%d" % message.status)] if isinstance(message, Response) else []
