"""Server-sent events as text: the fields of each, its data below them, JSON indented."""

from __future__ import annotations

from rama_proxy.content.jsontext import pretty_json
from rama_proxy.model.websocket import INCOMPLETE
from rama_proxy.protocols.sse import Splitter, parse_event

MAX_EVENTS = 20_000
MAX_SHOWN = 16 * 1024 * 1024  # bytes of text


def pretty_events(data: bytes) -> tuple[bytes, str]:
    """Every event of a stream, a blank line between them, and a note of what is not shown."""
    splitter = Splitter(len(data))
    blocks = splitter.feed(data)
    note = ""
    if (last := splitter.end()) is not None:
        blocks.append(last)
    parts: list[str] = []
    size = 0
    for block in blocks:
        if len(parts) >= MAX_EVENTS or size > MAX_SHOWN:
            note = f"only the first {len(parts):,} of {len(blocks):,} events"
            break
        text = event_text(block.data)
        if block.flags & INCOMPLETE:
            text += "\n: broken off"
        parts.append(text)
        size += len(text)
    return "\n\n".join(parts).encode("utf-8", "replace"), note


def event_text(block: bytes) -> str:
    """One event: a line for each field, JSON in its data indented."""
    event = parse_event(block)
    lines = [f": {comment}" for comment in event.comments]
    for name, value in (("event", event.event), ("id", event.id), ("retry", event.retry)):
        if value is not None:
            lines.append(f"{name}: {value}")
    if event.data is not None:
        lines.append(_data_text(event.data))
    return "\n".join(lines)


def _data_text(data: str) -> str:
    lines = "\n".join(f"data: {line}" for line in data.split("\n"))
    if data.lstrip()[:1] not in ("{", "["):
        return lines
    pretty, problem = pretty_json(data.encode("utf-8", "replace"))
    return lines if problem else "data: " + pretty.decode("utf-8", "replace")
