"""The messages of a WebSocket as lines for people and as JSON for programs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime

import click

from rama_proxy.content.hexdump import hexdump
from rama_proxy.errors import ProtocolError
from rama_proxy.model.text import escape_lines
from rama_proxy.model.websocket import CLOSE, FLAG_NAMES, OPCODE_NAMES, TEXT, UNREAD
from rama_proxy.protocols.websocket import parse_close
from rama_proxy.store.reader import MessageRow, Reader
from rama_proxy.units import format_size

MAX_MESSAGES = 1000  # shown to people; JSON has all
MAX_TEXT = 4096  # bytes of each
MAX_HEX = 256
_PORTION = 200


def read_messages(reader: Reader, flow_id: int) -> Iterator[MessageRow]:
    """All messages of a flow, in portions."""
    after = 0
    while rows := reader.messages(flow_id, after, _PORTION):
        yield from rows
        after = rows[-1].seq


def messages_as_text(reader: Reader, flow_id: int, *, colour: bool) -> str:
    """A line for each message and below it what it says, safe for a terminal; "" without any."""
    count = reader.message_count(flow_id)
    if not count:
        return ""
    rows = reader.messages(flow_id, 0, MAX_MESSAGES)
    lines = [f"{count} {'message' if count == 1 else 'messages'}"]
    for row in rows:
        lines += ["", *_message_lines(row, colour)]
    if count > len(rows):
        lines += ["", f"({count - len(rows)} more: --json has them)"]
    return "\n".join(lines)


def _message_lines(row: MessageRow, colour: bool) -> list[str]:
    when = datetime.fromtimestamp(row.at)
    arrow, who = ("→", "client") if row.from_client else ("←", "server")
    kind = OPCODE_NAMES.get(row.opcode, f"opcode {row.opcode}")
    line = f"{when:%H:%M:%S.%f} {arrow} {who} {kind} {format_size(row.size)}"
    if colour:
        line = click.style(line, fg="cyan" if row.from_client else "green")
    remarks = [text for flag, text in FLAG_NAMES.items() if row.flags & flag]
    if remarks:
        line += f" ({', '.join(remarks)})"
    return [line, *_payload_lines(row)]


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


def message_as_json(row: MessageRow) -> dict[str, object]:
    """What a program wants to know of a message; data that is no text in base64."""
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
    return entry
