"""Flows as rows of the store, and rows as flows. Knows columns and values; no connection, no SQL.

A flow that goes into a row comes out equal to the byte: heads, field order and case, bodies.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from rama_proxy.model.body import Body
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow, Timing
from rama_proxy.model.grpc import MEDIA_TYPES
from rama_proxy.model.headers import Headers, to_bytes, to_text
from rama_proxy.model.jsontext import from_json, to_json
from rama_proxy.model.message import Message, Request, Response
from rama_proxy.protocols.grpc_result import result_of

# Bits of flows.flags; the latin-1 ones say how header text becomes bytes again.
REQUEST_COMPLETE, REQUEST_TRUNCATED, REQUEST_EDITED = 1, 2, 4
RESPONSE_COMPLETE, RESPONSE_TRUNCATED, RESPONSE_EDITED = 8, 16, 32
REQUEST_LATIN1, REQUEST_TRAILERS_LATIN1 = 64, 128
RESPONSE_LATIN1, RESPONSE_TRAILERS_LATIN1 = 256, 512
KILLED = 1024

_NAMES = (
    "id rev kind state started_at client_id server_id parent_id method scheme host port path url"
    " named_host version status req_type resp_type req_size resp_size t_request_us t_ttfb_us"
    " t_total_us flags mark comment tags error req_body_id resp_body_id req_encoding resp_encoding"
    " authority pseudo_order target reason resp_version req_headers req_trailers req_raw"
    " resp_headers resp_trailers resp_raw informational notes metadata"
    " grpc_status protocol"
)
FLOW_COLUMNS = tuple(_NAMES.split())

_encode_json = msgspec.json.Encoder(enc_hook=str).encode

Row = tuple[Any, ...]  # what sqlite3 binds: int, str, bytes, None


def microseconds(seconds: float) -> int:
    """Seconds as the store's integer."""
    return round(seconds * 1_000_000)


def since(mark: float | None, begin: float) -> int | None:
    """The microseconds from `begin` to `mark`."""
    return None if mark is None else round((mark - begin) * 1_000_000)


def fields_json(fields: list[tuple[bytes, bytes]]) -> tuple[str, bool]:
    """A header list as JSON [[name, value], ...], and whether it was read as latin-1."""
    try:
        pairs = [(name.decode(), value.decode()) for name, value in fields]
        latin1 = False
    except UnicodeDecodeError:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
        latin1 = True
    return _encode_json(pairs).decode(), latin1


def fields_from_json(text: str, latin1: bool) -> Headers:
    """The header list of `fields_json`."""
    codec = "latin-1" if latin1 else "utf-8"
    return Headers.of(
        [(name.encode(codec), value.encode(codec)) for name, value in from_json(text)]
    )


def request_head(request: Request) -> bytes:
    """The head that the other columns give; `req_raw` is kept only where it differs."""
    start = b"%b %b %b\r\n" % (to_bytes(request.method), request.target, to_bytes(request.version))
    return start + bytes(request.headers) + b"\r\n"


def response_head(response: Response) -> bytes:
    """The head that the other columns give; `resp_raw` is kept only where it differs."""
    status, reason = str(response.status).encode(), to_bytes(response.reason)
    start = b"%b %b %b\r\n" % (to_bytes(response.version), status, reason)
    return start + bytes(response.headers) + b"\r\n"


class Content(NamedTuple):
    """What a message says of its body: the media type, and the content coding."""

    media_type: str | None
    encoding: str | None


def content_of(message: Message) -> Content:
    """As `Message.media_type` and Content-Encoding, in one pass over the fields."""
    media_type: str | None = None
    encodings: list[str] = []
    for name, value in message.headers.fields:
        size = len(name)
        if size == 12:
            if media_type is None and name.lower() == b"content-type":
                media_type = to_text(value).partition(";")[0].strip().lower()
        elif size == 16 and name.lower() == b"content-encoding":
            encodings.append(to_text(value))
    return Content(media_type or None, ", ".join(encodings) if encodings else None)


class Part(NamedTuple):
    """What its message says of a body, and which of the store's bodies it is."""

    content: Content
    body_id: int | None


def flow_row(flow: Flow, rev: int, request_part: Part, response_part: Part | None) -> Row:
    """The values of FLOW_COLUMNS for `flow`."""
    request, timing = flow.request, flow.timing
    headers, latin1 = fields_json(request.headers.fields)
    flags = _body_flags(request.body) | (KILLED if flow.killed else 0)
    if latin1:
        flags |= REQUEST_LATIN1
    trailers = None
    if request.trailers is not None:
        trailers, latin1 = fields_json(request.trailers.fields)
        flags |= REQUEST_TRAILERS_LATIN1 if latin1 else 0
    path, named = request.path, request.pretty_host
    begin = timing.begin
    answer: Row = _NO_RESPONSE
    resp_type = resp_encoding = resp_body = None
    if flow.response is not None and response_part is not None:
        answer, more = _response_values(flow.response)
        flags |= more
        (resp_type, resp_encoding), resp_body = response_part.content, response_part.body_id
    status, resp_size, *rest = answer
    return (
        flow.id, rev, flow.kind, flow.state, microseconds(timing.started),
        flow.client.id, None if flow.server is None else flow.server.id, flow.parent_id,
        request.method, request.scheme, request.host, request.port, path, request.pretty_url,
        None if named == request.host else named, request.version, status,
        request_part.content.media_type, resp_type, request.body.size, resp_size,
        since(timing.request_end, begin), since(timing.response_begin, begin),
        since(timing.end, begin), flags, flow.mark or None, flow.comment or None,
        to_json(sorted(flow.tags)) if flow.tags else None, flow.error or None,
        request_part.body_id, resp_body, request_part.content.encoding, resp_encoding,
        request.authority or None, request.pseudo_order or None,
        None if path.encode() == request.target else request.target,
        rest[0], rest[1], headers, trailers,
        None if request.raw == request_head(request) else request.raw,
        *rest[2:],
        to_json(flow.notes) if flow.notes else None,
        to_json(flow.metadata) if flow.metadata else None,
        _grpc_status(flow, resp_type), request.protocol or None,
    )  # fmt: skip


def _grpc_status(flow: Flow, resp_type: str | None) -> int | None:
    if resp_type is None or not resp_type.startswith(MEDIA_TYPES):
        return None
    result = result_of(flow.response)
    return None if result is None else result.code


_NO_RESPONSE: Row = (None,) * 8


def _response_values(response: Response) -> tuple[Row, int]:
    headers, latin1 = fields_json(response.headers.fields)
    flags = _body_flags(response.body) << 3 | (RESPONSE_LATIN1 if latin1 else 0)
    trailers = None
    if response.trailers is not None:
        trailers, latin1 = fields_json(response.trailers.fields)
        flags |= RESPONSE_TRAILERS_LATIN1 if latin1 else 0
    values = (
        response.status, response.body.size, response.reason, response.version, headers,
        trailers, None if response.raw == response_head(response) else response.raw,
        to_json([_informational(item) for item in response.informational])
        if response.informational else None,
    )  # fmt: skip
    return values, flags


def _informational(response: Response) -> list[object]:
    headers, latin1 = fields_json(response.headers.fields)
    raw = None if response.raw == response_head(response) else response.raw
    return [
        response.status,
        response.reason,
        response.version,
        headers,
        latin1,
        None if raw is None else base64.b64encode(raw).decode(),
    ]


def _body_flags(body: Body) -> int:
    return body.complete | body.truncated << 1 | body.edited << 2


def flow_from_row(
    row: Mapping[str, Any], client: ConnectionInfo, server: ConnectionInfo | None
) -> Flow:
    """The flow of a row that has all FLOW_COLUMNS; bodies have their sizes and no chunks."""
    flow = Flow.__new__(Flow)  # __init__ would use up an id
    flow.id, flow.kind, flow.state = row["id"], row["kind"], row["state"]
    flow.client, flow.server = client, server
    flow.request = _request(row)
    flow.response = None if row["status"] is None else _response(row)
    flow.timing = _timing(row)
    flow.error = row["error"] or ""
    flow.notes = from_json(row["notes"]) if row["notes"] else []
    flow.tags = set(from_json(row["tags"])) if row["tags"] else set()
    flow.mark, flow.comment = row["mark"] or "", row["comment"] or ""
    metadata = from_json(row["metadata"]) if row["metadata"] else {}
    flow.metadata = metadata if isinstance(metadata, dict) else {"metadata": metadata}
    flow.parent_id = row["parent_id"]
    flow.killed = bool(row["flags"] & KILLED)
    flow.websocket = None
    return flow


def _timing(row: Mapping[str, Any]) -> Timing:
    timing = Timing()
    begin = row["started_at"] / 1_000_000
    timing.started = timing.begin = begin
    timing.request_end = later(begin, row["t_request_us"])
    timing.response_begin = later(begin, row["t_ttfb_us"])
    timing.end = later(begin, row["t_total_us"])
    return timing


def later(begin: float, duration: int | None) -> float | None:
    """`begin` plus microseconds."""
    return None if duration is None else begin + duration / 1_000_000


def _request(row: Mapping[str, Any]) -> Request:
    flags: int = row["flags"]
    target = row["path"].encode() if row["target"] is None else row["target"]
    headers = fields_from_json(row["req_headers"], bool(flags & REQUEST_LATIN1))
    request = Request(row["method"], target, row["version"], headers)
    request.scheme, request.host, request.port = row["scheme"], row["host"], row["port"]
    request.authority = row["authority"] or ""
    request.pseudo_order = row["pseudo_order"] or ""
    request.protocol = row["protocol"] or ""
    request.raw = request_head(request) if row["req_raw"] is None else row["req_raw"]
    _fill_body(request, row["req_size"], flags)
    if row["req_trailers"] is not None:
        latin1 = bool(flags & REQUEST_TRAILERS_LATIN1)
        request.trailers = fields_from_json(row["req_trailers"], latin1)
    return request


def _response(row: Mapping[str, Any]) -> Response:
    flags: int = row["flags"]
    headers = fields_from_json(row["resp_headers"], bool(flags & RESPONSE_LATIN1))
    response = Response(row["status"], row["reason"], row["resp_version"], headers)
    response.raw = response_head(response) if row["resp_raw"] is None else row["resp_raw"]
    _fill_body(response, row["resp_size"], flags >> 3)
    if row["resp_trailers"] is not None:
        latin1 = bool(flags & RESPONSE_TRAILERS_LATIN1)
        response.trailers = fields_from_json(row["resp_trailers"], latin1)
    if row["informational"] is not None:
        for status, reason, version, text, latin1, raw in from_json(row["informational"]):
            item = Response(status, reason, version, fields_from_json(text, latin1))
            item.raw = response_head(item) if raw is None else base64.b64decode(raw)
            response.informational.append(item)
    return response


def _fill_body(message: Message, size: int, flags: int) -> None:
    body = message.body
    body.size = size
    body.complete = bool(flags & REQUEST_COMPLETE)
    body.truncated = bool(flags & REQUEST_TRUNCATED)
    body.edited = bool(flags & REQUEST_EDITED)
