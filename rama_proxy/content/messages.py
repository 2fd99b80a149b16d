"""How a message inside a flow is shown: in a line of a list, and by itself.

Messages are WebSocket's, and whatever else comes as rows like them. What they say is not escaped
here.
"""

from __future__ import annotations

import re

from rama_proxy.content.charset import is_utf8, looks_binary
from rama_proxy.content.events import event_text
from rama_proxy.content.grpc import body_text
from rama_proxy.content.origin import NOWHERE, Origin, origin_of
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.content.views import View, render
from rama_proxy.errors import ProtocolError
from rama_proxy.model.flow import Flow
from rama_proxy.model.grpc import EVENT_STREAM, codec_of, has_messages
from rama_proxy.model.message import Message
from rama_proxy.model.websocket import CLOSE, OPCODE_NAMES, TEXT, UNREAD
from rama_proxy.protocols.websocket import parse_close

# RFC 6455 7.4.1 and IANA's registry of close codes.
CLOSE_NAMES = {
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code",
    1007: "invalid data",
    1008: "policy violation",
    1009: "too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}
_CODEC_NAMES = {"proto": "protobuf", "json": "JSON"}
_MAX_HEX = 64  # bytes in a line
_SPACE = re.compile(r"\s+")


def opcode_name(opcode: int) -> str:
    """What a message is called: "text", "ping", "op 11"."""
    return OPCODE_NAMES.get(opcode, f"op {opcode}")


def is_text(opcode: int, flags: int) -> bool:
    """Whether a message was sent as text, and can be read."""
    return opcode == TEXT and not flags & UNREAD


def message_line(opcode: int, flags: int, data: bytes) -> str:
    """One line that says what is in a message, of which `data` is the beginning."""
    if opcode == CLOSE and not flags & UNREAD and (said := close_text(data)):
        return said
    if flags & UNREAD or (opcode != TEXT and looks_binary(data)):
        return data[:_MAX_HEX].hex(" ")
    return _SPACE.sub(" ", data.decode("utf-8", "replace")).strip()


def message_text(opcode: int, flags: int, data: bytes) -> str:
    """A message for the clipboard: as text where it is some, else its bytes as hexadecimal."""
    is_bytes = not is_text(opcode, flags) and (flags & UNREAD or looks_binary(data))
    return data.hex() if is_bytes or not is_utf8(data) else data.decode()


def close_text(data: bytes) -> str:
    """Code, meaning and reason of a close frame, "" if `data` is none."""
    try:
        code, reason = parse_close(data)
    except ProtocolError:
        return ""
    name = CLOSE_NAMES.get(code, "")
    return " ".join(part for part in (str(code), name and f"({name})", reason) if part)


def message_origin(flow: Flow, from_client: bool, schema: Schema | None = None) -> Origin:
    """What the body around a message says of it; NOWHERE for that of a WebSocket."""
    message: Message | None = flow.request if from_client else flow.response
    if flow.kind != "http" or message is None or not has_messages(message.media_type):
        return NOWHERE
    return origin_of(message, flow.request.path, schema)


def kind_name(opcode: int, origin: Origin = NOWHERE) -> str:
    """What a message is called where it comes from: "text", "ping", "event", "message"."""
    if origin.media_type == EVENT_STREAM:
        return "event"
    if origin is not NOWHERE:
        return "end of the stream" if opcode == TEXT else "message"
    return opcode_name(opcode)


def decoded(opcode: int, flags: int, data: bytes, origin: Origin) -> tuple[str, str] | None:
    """A message of gRPC or of an event stream as text, and a note; None for any other."""
    if origin is NOWHERE:
        return None
    if origin.media_type == EVENT_STREAM:
        return event_text(data), ""
    return body_text(data, flags, origin, ends=opcode == TEXT)


def view_message(
    opcode: int, flags: int, data: bytes, origin: Origin = NOWHERE, name: str = "auto"
) -> View:
    """The view `name` of a whole message; "auto", "raw" and "hex" are those of `render`."""
    if name == "auto":
        if (known := decoded(opcode, flags, data, origin)) is not None:
            codec = codec_of(origin.media_type) if origin.media_type != EVENT_STREAM else "event"
            text = known[0].encode("utf-8", "replace")
            return View(_CODEC_NAMES.get(codec, codec), text, "yaml", known[1])
        if opcode == CLOSE and (said := close_text(data)):
            return View("close", said.encode())
        if flags & UNREAD:
            return View("hex", data)
    return render(data, "", name, "utf-8" if is_text(opcode, flags) else None)
