"""HTTP/1 heads written: as received, as received but for what the hop demands, or from fields."""

from __future__ import annotations

import re

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Headers, to_bytes
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1_grammar import (
    ABSOLUTE_TARGET,
    REQUEST_FIELDS,
    REQUEST_LINE,
    RESPONSE_FIELDS,
    STATUS_LINE,
    FieldLines,
    quoted,
)

# RFC 9110 11.7: meant for us. Proxy-Connection is no standard; curl sends it to every proxy.
_PROXY_FIELDS = {b"proxy-connection", b"proxy-authorization", b"proxy-authenticate"}
_UPGRADE_H2C = re.compile(rb"\nupgrade:[^\n]*\bh2c\b")
_HOST_FIELD = re.compile(rb"^host:[ \t]*+([^\r\n]*+)\r\n", re.MULTILINE | re.IGNORECASE)


def hop_request(request: Request, *, absolute: bool) -> tuple[bytes, list[str]]:
    """The head to send to the next hop, and in words what was changed for it.

    That is `raw`, or without it what the fields say, byte for byte except: an absolute target
    becomes a path unless the hop is a proxy (`absolute`, RFC 9112 3.2.2), with a Host if there was
    none; and fields meant for this proxy are dropped. Against RFC 9110 7.6 the version and the
    fields that Connection names stay, and no Via is added: both sides speak as if there were no
    proxy between them.
    """
    head = request.raw or serialize_request(request)
    notes: list[str] = []
    if not absolute and request.method != "CONNECT":
        head = _to_origin_form(head, notes)
    lower = head.lower()
    at = lower.find(b"\nproxy-") + 1
    while at:
        end = lower.index(b"\n", at) + 1
        name = head[at : lower.index(b":", at)]
        if name.lower() in _PROXY_FIELDS:
            notes.append(f"{name.decode('ascii')} dropped")
            head, lower, end = head[:at] + head[end:], lower[:at] + lower[end:], at
        at = lower.find(b"\nproxy-", end - 1) + 1
    if b"h2c" in lower and _UPGRADE_H2C.search(lower):
        head = _without_h2c(head, notes)
    return head, notes


def _without_h2c(head: bytes, notes: list[str]) -> bytes:
    """RFC 9113 3.1: Upgrade to h2c is obsolete. Passed on, a server might take it, and we be blind.

    What else the client would upgrade to stays.
    """
    notes.append("Upgrade: h2c not passed on, answered as HTTP/1.1 (RFC 9113 3.1)")
    head = _without_tokens(head, b"upgrade", {b"h2c"})
    head = re.sub(rb"(?im)^http2-settings:[^\r\n]*\r\n", b"", head)
    gone = {b"http2-settings"}
    if b"\nupgrade:" not in head.lower():
        gone.add(b"upgrade")
    return _without_tokens(head, b"connection", gone)


def _without_tokens(head: bytes, name: bytes, tokens: set[bytes]) -> bytes:
    """`head` without `tokens` in its lists called `name`, and without lists that are then empty."""

    def kept(field: re.Match[bytes]) -> bytes:
        left = [token for token in field[2].split(b",") if token.strip().lower() not in tokens]
        return b"%b:%b\r\n" % (field[1], b",".join(left)) if left else b""

    return re.sub(rb"(?im)^(%b):([^\r\n]*)\r\n" % name, kept, head)


def _to_origin_form(head: bytes, notes: list[str]) -> bytes:
    start = head.index(b" ") + 1
    absolute = ABSOLUTE_TARGET.match(head, start)
    if absolute is None:
        return head
    end = absolute.end()
    path = b"" if head[end] == 0x2F else b"/"
    if head[end] == 0x20 and head.startswith(b"OPTIONS "):
        path = b"*"  # RFC 9112 3.2.4
    notes.append("absolute target sent as a path")
    head = head[:start] + path + head[end:]
    if b"\nhost:" not in head.lower():
        notes.append("Host added from the target")
        head = _with_host(head, absolute[2])
    return head


def set_host(request: Request, value: str) -> str:
    """Put `value` into Host, in `raw` and the fields; what was changed in words, "" if nothing."""
    old = request.headers.get("host")
    if old == value:
        return ""
    data = to_bytes(value)
    if old is None:
        request.headers.fields.insert(0, (b"Host", data))
    else:
        request.headers.set("Host", value)
    if request.raw:
        field = _HOST_FIELD.search(request.raw)
        if field is None:
            request.raw = _with_host(request.raw, data)
        else:
            request.raw = request.raw[: field.start(1)] + data + request.raw[field.end(1) :]
    return f"Host {value} added" if old is None else f"Host {old} sent as {value}"


def _with_host(head: bytes, host: bytes) -> bytes:
    end = head.index(b"\n") + 1
    return b"%bHost: %b\r\n%b" % (head[:end], host, head[end:])


def serialize_request(request: Request) -> bytes:
    """The head of `request` from its fields. Raises ProtocolError 500 for what is no HTTP/1."""
    version = request.version.encode("ascii", "replace")
    line = b"%b %b %b\r\n" % (to_bytes(request.method), request.target, version)
    if not REQUEST_LINE.fullmatch(line):
        raise ProtocolError(f"request line {quoted(line)} cannot be sent (RFC 9112 3)", 500)
    return line + _serialize_fields(request.headers, REQUEST_FIELDS)


def serialize_response(response: Response) -> bytes:
    """The head of `response` from its fields. Raises ProtocolError 500 for what is no HTTP/1."""
    version = response.version.encode("ascii", "replace")
    line = b"%b %d %b\r\n" % (version, response.status, to_bytes(response.reason))
    if not STATUS_LINE.fullmatch(line):
        raise ProtocolError(f"status line {quoted(line)} cannot be sent (RFC 9112 4)", 500)
    return line + _serialize_fields(response.headers, RESPONSE_FIELDS)


def _serialize_fields(headers: Headers, grammar: FieldLines) -> bytes:
    for name, value in headers.fields:
        field = grammar.loose.fullmatch(b"%b: %b\r\n" % (name, value))
        if field is None or field[1] != name:
            raise ProtocolError(
                f"header field {quoted(name)} {quoted(value)} cannot be sent (RFC 9112 5)", 500
            )
    return b"%b\r\n" % bytes(headers)
