"""HTTP/1 heads written: as received, as received but for what the hop demands, or from fields."""

from __future__ import annotations

import re

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import to_bytes
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1_grammar import (
    ABSOLUTE_TARGET,
    METHOD,
    REQUEST_FIELD,
    RESPONSE_FIELD,
    STATUS_LINE,
    TARGET,
    parse_fields,
    quoted,
)

# RFC 9110 11.7: meant for us. Proxy-Connection is no standard; curl sends it to every proxy.
_PROXY_FIELD = re.compile(
    rb"^(proxy-(?:connection|authorization|authenticate)):[^\n]*+\n", re.MULTILINE | re.IGNORECASE
)
_HOST_FIELD = re.compile(rb"^host:[ \t]*+([^\r\n]*+)\r\n", re.MULTILINE | re.IGNORECASE)


def hop_request(request: Request, *, absolute: bool) -> tuple[bytes, list[str]]:
    """The head to send to the next hop, and in words what was changed for it.

    That is `raw`, or without it what the fields say, byte for byte except: an absolute target
    becomes a path unless the hop is a proxy (`absolute`, RFC 9112 3.2.2), with a Host if there was
    none; and fields meant for this proxy are dropped. The version and the fields that Connection
    names stay (against RFC 9110 7.6.1): both sides speak as if there were no proxy between.
    """
    head = request.raw or serialize_request(request)
    notes: list[str] = []
    if not absolute and request.authority and request.method != "CONNECT":
        head = _to_origin_form(head, request, notes)
    if b"\nproxy-" in head.lower():
        notes += [f"{field[1].decode('ascii')} dropped" for field in _PROXY_FIELD.finditer(head)]
        head = _PROXY_FIELD.sub(b"", head)
    return head, notes


def _to_origin_form(head: bytes, request: Request, notes: list[str]) -> bytes:
    method, target, rest = head.split(b" ", 2)
    absolute = ABSOLUTE_TARGET.match(target)
    if absolute is None:
        return head
    path = target[absolute.end() :].partition(b"#")[0]
    if not path:
        path = b"*" if request.method == "OPTIONS" else b"/"  # RFC 9112 3.2.4
    elif path[:1] != b"/":
        path = b"/" + path
    notes.append("absolute target sent as a path")
    head = b"%b %b %b" % (method, path, rest)
    if not _HOST_FIELD.search(head):
        notes.append("Host added from the target")
        head = _with_host(head, absolute[2])
    return head


def set_host(request: Request, value: str) -> str:
    """Put `value` into Host, in `raw` and the fields; what was changed in words, "" if nothing."""
    old = request.headers.get("host")
    if old == value:
        return ""
    data = to_bytes(value)
    request.headers.set("Host", value)
    if request.raw:
        field = _HOST_FIELD.search(request.raw)
        if field is None:
            request.raw = _with_host(request.raw, data)
        else:
            request.raw = request.raw[: field.start(1)] + data + request.raw[field.end(1) :]
    return f"Host {old} sent as {value}" if old is not None else f"Host {value} added"


def _with_host(head: bytes, host: bytes) -> bytes:
    end = head.index(b"\n") + 1
    return b"%bHost: %b\r\n%b" % (head[:end], host, head[end:])


def serialize_request(request: Request) -> bytes:
    """The head of `request` from its fields. Raises ProtocolError 500 for what is no HTTP."""
    method, version = to_bytes(request.method), request.version.encode("ascii", "replace")
    if not METHOD.fullmatch(method):
        raise ProtocolError(f"method {quoted(method)} cannot be sent (RFC 9110 9.1)", 500)
    if not TARGET.fullmatch(request.target):
        raise ProtocolError(f"target {quoted(request.target)} cannot be sent (RFC 9112 3.2)", 500)
    line = b"%b %b %b\r\n" % (method, request.target, version)
    fields = bytes(request.headers) + b"\r\n"
    parse_fields(fields, 0, len(request.headers.fields), REQUEST_FIELD, 500)
    return line + fields


def serialize_response(response: Response) -> bytes:
    """The head of `response` from its fields. Raises ProtocolError 500 for what is no HTTP."""
    version = response.version.encode("ascii", "replace")
    line = b"%b %d %b\r\n" % (version, response.status, to_bytes(response.reason))
    if not STATUS_LINE.fullmatch(line):
        raise ProtocolError(f"status line {quoted(line)} cannot be sent (RFC 9112 4)", 500)
    fields = bytes(response.headers) + b"\r\n"
    parse_fields(fields, 0, len(response.headers.fields), RESPONSE_FIELD, 500)
    return line + fields
