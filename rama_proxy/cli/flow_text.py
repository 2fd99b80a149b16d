"""One flow with all that is known of it, as text for people and as JSON for programs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from rama_proxy.content.certificate import certificate_title
from rama_proxy.content.grpc import call_result
from rama_proxy.content.hexdump import hexdump
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.content.timeline import duration_text, timeline
from rama_proxy.content.tls import connection_facts, fingerprint_facts
from rama_proxy.content.views import view_body
from rama_proxy.content.wire import wire_bytes
from rama_proxy.model.coding import CodingError
from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.grpc import code_name, has_messages
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Message
from rama_proxy.model.text import escape_lines, escape_text
from rama_proxy.units import format_size

MAX_TEXT = 256 * 1024  # bytes of a body; --body writes all of it
MAX_HEX = 16 * 1024
_BELOW = "(its messages are shown below)"


def flow_as_text(
    flow: Flow,
    *,
    colour: bool,
    schema: Schema | None = None,
    split: bool = False,
    replays: str = "",
) -> str:
    """Facts, request and response, safe for a terminal.

    `replays` says which flows repeat it. With `split` bodies that have messages inside are left
    out: those are shown elsewhere.
    """
    parts = [_facts_text(flow, replays, colour)]
    messages: list[Message] = [flow.request]
    if flow.response is not None:
        messages += [*flow.response.informational, flow.response]
    for message in messages:
        lines = _head_lines(message, colour)
        if message.body.chunks:
            below = split and has_messages(message.media_type)
            body = [_BELOW] if below else _body_lines(message, flow.request.path, schema)
            lines += ["", *body]
        parts.append("\n".join(lines + _end_lines(message)))
    return "\n\n".join(parts)


def _facts_text(flow: Flow, replays: str, colour: bool) -> str:
    lines = []
    for label, value in _facts(flow, replays):
        name = f"{label:16}"
        shown = escape_text(value)
        if colour:
            name = click.style(name, dim=True)
            is_bad = label == "error" or (label == "grpc" and not value.startswith("0 "))
            shown = click.style(shown, fg="red") if is_bad else shown
        lines.append(f"{name} {shown}")
    return "\n".join(lines)


def _facts(flow: Flow, replays: str) -> list[tuple[str, str]]:
    facts = [
        ("flow", f"{flow.id}, {flow.state}" + ("" if flow.kind == "http" else f", {flow.kind}")),
        ("url", flow.request.pretty_url),
        ("began", f"{datetime.fromtimestamp(flow.timing.started):%Y-%m-%d %H:%M:%S.%f}"),
        ("error", flow.error),
        ("grpc", _grpc_text(flow)),
        *(("note", note) for note in flow.notes),
        ("replay of", str(flow.parent_id or "")),
        ("replays", replays),
        ("mark", flow.mark),
        ("comment", flow.comment),
        ("tags", ", ".join(sorted(flow.tags))),
    ]
    for info in (flow.client, flow.server):
        if info is not None:
            facts += _connection_facts(info, flow.kind)
    line = timeline(flow)
    for span in line.spans:
        if span.end is not None:
            facts.append((span.label, duration_text(span.end - span.start)))
    facts += [("", remark) for remark in line.remarks]
    facts.append(("total", duration_text(line.total)))
    return [(label, value) for label, value in facts if value]


def _grpc_text(flow: Flow) -> str:
    result = call_result(flow.response)
    return "" if result is None else str(result)


def _connection_facts(info: ConnectionInfo, kind: str) -> list[tuple[str, str]]:
    facts = [(fact.label, fact.value) for fact in connection_facts(info, kind)]
    if info.tls is not None:
        facts += [("certificate", certificate_title(der)) for der in info.tls.certificates]
    facts += [(fact.label, fact.value) for fact in fingerprint_facts(info)]
    if info.side == "client":
        return facts
    # Labels that both sides have belong to the server here.
    return [(label if label == "server" else f"server {label}", value) for label, value in facts]


def _head_lines(message: Message, colour: bool) -> list[str]:
    first, *fields = _safe(wire_bytes(message)[0]).split("\n")
    if colour:
        first = click.style(first, bold=True)
        fields = [_colour_field(field) for field in fields]
    return [first, *fields]


def _end_lines(message: Message) -> list[str]:
    """What comes behind the body, and what is missing of it."""
    lines: list[str] = []
    if message.trailers is not None:
        lines += ["", *(escape_text(f"{name}: {value}") for name, value in message.trailers)]
    if note := wire_bytes(message)[2]:
        lines += ["", f"({note})"]
    return lines


def _colour_field(field: str) -> str:
    name, colon, value = field.partition(":")
    return click.style(name, fg="cyan") + colon + value


def _body_lines(message: Message, path: str, schema: Schema | None) -> list[str]:
    view = view_body(message, path=path, schema=schema)
    limit = MAX_HEX if view.name == "hex" else MAX_TEXT
    data = view.data[:limit]
    lines = [hexdump(data).rstrip("\n") if view.name == "hex" else _safe(data)]
    if len(view.data) > limit:
        lines.append(f"({format_size(len(view.data) - limit)} more: --body writes all of it)")
    if view.note:
        lines.append(f"({escape_text(view.note)})")
    return lines


def _safe(data: bytes) -> str:
    """Lines as a terminal may show them, without the empty ones at the end."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return escape_lines(text.rstrip("\n"))


def flow_as_json(flow: Flow, messages: Sequence[Mapping[str, object]] = ()) -> str:
    """One JSON object, indented; times in seconds, bytes that are no text in base64."""
    request, response, timing = flow.request, flow.response, flow.timing
    entry = {
        "id": flow.id,
        "kind": flow.kind,
        "state": flow.state,
        "started": round(timing.started, 6),
        "ttfb": _after(timing.begin, timing.response_begin),
        "total": _after(timing.begin, timing.end),
        "error": flow.error or None,
        "notes": flow.notes,
        "mark": flow.mark or None,
        "comment": flow.comment or None,
        "tags": sorted(flow.tags),
        "replay_of": flow.parent_id,
        "metadata": flow.metadata,
        "request": {
            "method": request.method,
            "url": request.pretty_url,
            "scheme": request.scheme,
            "host": request.host,
            "port": request.port,
            "path": request.path,
            **_message_entry(request),
        },
        "response": None
        if response is None
        else {"status": response.status, "reason": response.reason, **_message_entry(response)},
        "grpc": _grpc_entry(flow),
        "messages": list(messages),
        "client": _connection_entry(flow.client),
        "server": None if flow.server is None else _connection_entry(flow.server),
    }
    return json.dumps(entry, indent=2).replace("\x7f", "\\u007f")  # JSON leaves this one


def _grpc_entry(flow: Flow) -> dict[str, object] | None:
    result = call_result(flow.response)
    if result is None:
        return None
    name = code_name(result.code) or None
    return {"status": result.code, "name": name, "message": result.message or None}


def _message_entry(message: Message) -> dict[str, object]:
    body = message.body
    entry: dict[str, object] = {
        "version": message.version,
        "headers": _pairs(message.headers),
        "trailers": None if message.trailers is None else _pairs(message.trailers),
        "size": body.size,
        "complete": body.complete,
        "truncated": body.truncated,
    }
    try:
        entry["text"] = message.content.decode()
    except (CodingError, UnicodeDecodeError):
        entry["base64"] = base64.b64encode(message.raw_content).decode()
    return entry


def _pairs(headers: Headers) -> list[list[str]]:
    return [[name, value] for name, value in headers]


def _connection_entry(info: ConnectionInfo) -> dict[str, object]:
    entry: dict[str, object] = {
        "id": info.id,
        "peer": _address(info.peer),
        "address": _address(info.address),
        "via": info.via or None,
        "bytes_in": info.bytes_in,
        "bytes_out": info.bytes_out,
        "error": info.error or None,
        "annotations": info.annotations,
        "tls": None,
    }
    if (tls := info.tls) is not None:
        entry["tls"] = {
            "version": tls.version,
            "cipher": tls.cipher,
            "group": tls.group,
            "alpn": tls.alpn,
            "alpn_offered": list(tls.alpn_offered),
            "sni": tls.sni,
            "resumed": tls.resumed,
            "verify_error": tls.verify_error or None,
            "certificates": [base64.b64encode(der).decode() for der in tls.certificates],
        }
    return entry


def _address(address: Address | None) -> str | None:
    return None if address is None else f"{address[0]}:{address[1]}"


def _after(begin: float, mark: float | None) -> float | None:
    return None if mark is None else round(mark - begin, 6)
