"""The messages of a flow as lines for people and as JSON for programs.

They are those of a WebSocket, of gRPC, or the events of a stream.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime

import click

from rama_proxy.content.grpc import body_text
from rama_proxy.content.hexdump import hexdump
from rama_proxy.content.messages import decoded, kind_name, message_origin
from rama_proxy.content.origin import NOWHERE, Origin
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.errors import ProtocolError
from rama_proxy.model.flow import Flow
from rama_proxy.model.grpc import EVENT_STREAM
from rama_proxy.model.text import escape_lines, escape_text
from rama_proxy.model.websocket import BINARY, CLOSE, FLAG_NAMES, OPCODE_NAMES, TEXT, UNREAD
from rama_proxy.protocols.sse import parse_event
from rama_proxy.protocols.websocket import parse_close
from rama_proxy.store.reader import MessageRow, Reader
from rama_proxy.units import format_size

MAX_MESSAGES = 1000  # shown to people; JSON has all
MAX_TEXT = 4096  # bytes of each
MAX_HEX = 256
MAX_DECODED = 16 * 1024  # characters
_PORTION = 200


def read_messages(reader: Reader, flow: Flow) -> Iterator[MessageRow]:
    """All messages of a flow, in portions."""
    after = 0
    while rows := reader.messages(flow.id, after, _PORTION):
        yield from rows
        after = rows[-1].seq


def messages_as_text(
    reader: Reader, flow: Flow, *, colour: bool, schema: Schema | None = None
) -> str:
    """A line for each message and below it what it says, safe for a terminal; "" without any."""
    count = reader.message_count(flow.id)
    if not count:
        return ""
    rows = reader.messages(flow.id, 0, MAX_MESSAGES)
    lines = [f"{count} {'message' if count == 1 else 'messages'}"]
    for row in rows:
        lines += ["", *_message_lines(row, message_origin(flow, row.from_client, schema), colour)]
    if count > len(rows):
        lines += ["", f"({count - len(rows)} more: --json has them)"]
    return "\n".join(lines)


def _message_lines(row: MessageRow, origin: Origin, colour: bool) -> list[str]:
    when = datetime.fromtimestamp(row.at)
    arrow, who = ("→", "client") if row.from_client else ("←", "server")
    line = (
        f"{when:%H:%M:%S.%f} {arrow} {who} {kind_name(row.opcode, origin)} {format_size(row.size)}"
    )
    if colour:
        line = click.style(line, fg="cyan" if row.from_client else "green")
    remarks = [text for flag, text in FLAG_NAMES.items() if row.flags & flag]
    shown, note = decoded(row.opcode, row.flags, row.data, origin) or (None, "")
    if origin.message_type is not None and row.opcode == BINARY:
        remarks.append(origin.message_type.name)
    remarks += [note] if note else []
    if remarks:
        line += f" ({escape_text(', '.join(remarks))})"
    return [line, *(_payload_lines(row) if shown is None else _cut_lines(shown))]


def _cut_lines(text: str) -> list[str]:
    if not text:
        return []
    more = len(text) - MAX_DECODED
    lines = [escape_lines(text[:MAX_DECODED].rstrip("\n"))]
    return [*lines, f"({more:,} characters more: --json has them)"] if more > 0 else lines


def _payload_lines(row: MessageRow) -> list[str]:
    if not row.data:
        return []
    if row.opcode == CLOSE:
        try:
            code, reason = parse_close(row.data)
            return [escape_lines(f"{code} {reason}".rstrip())]
        except ProtocolError:
            return [hexdump(row.data).rstrip("\n")]
    is_text = row.opcode == TEXT and not row.flags & UNREAD
    limit = MAX_TEXT if is_text else MAX_HEX
    data = row.data[:limit]
    shown = escape_lines(data.decode("utf-8", "replace")) if is_text else hexdump(data)
    lines = [shown.rstrip("\n")]
    if len(row.data) > limit:
        lines.append(f"({format_size(len(row.data) - limit)} more: --json has all that was kept)")
    return lines


def message_as_json(row: MessageRow, flow: Flow, schema: Schema | None) -> dict[str, object]:
    """What a program wants to know of a message; data that is no text in base64."""
    origin = message_origin(flow, row.from_client, schema)
    entry: dict[str, object] = {
        "seq": row.seq,
        "at": round(row.at, 6),
        "from_client": row.from_client,
        "type": OPCODE_NAMES.get(row.opcode, str(row.opcode)),
        "size": row.size,
        "flags": [text for flag, text in FLAG_NAMES.items() if row.flags & flag],
    }
    try:
        if row.opcode == CLOSE and not row.flags:
            entry["code"], entry["reason"] = parse_close(row.data)
        entry["text"] = row.data.decode() if row.opcode == TEXT else None
    except (ProtocolError, UnicodeDecodeError):
        entry["text"] = None
    if entry["text"] is None:
        del entry["text"]
        entry["base64"] = base64.b64encode(row.data).decode()
    if origin.media_type == EVENT_STREAM:
        event = parse_event(row.data)
        entry["event"] = {"event": event.event, "id": event.id, "data": event.data}
    elif origin is not NOWHERE and row.opcode == BINARY:
        kind = origin.message_type
        entry["message_type"] = None if kind is None else kind.name
        entry["decoded"] = body_text(row.data, row.flags, origin)[0]
    return entry
