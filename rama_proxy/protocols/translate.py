"""Messages from one HTTP version to the other: one function per direction and kind.

Follows RFC 9113 8.2 and 8.3, and RFC 8441 5 for WebSockets. Each leaves the message that it is
given as it is, and gives in words what the hop demanded. Where both sides speak HTTP/2 the
`..._to_http2` ones serve too: they then drop only what is meant for this proxy.
"""

from __future__ import annotations

import base64
import hashlib

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Field, Headers, to_bytes, to_text
from rama_proxy.model.message import REASONS, Request, Response, authority_of, split_authority
from rama_proxy.protocols.http2_events import InformationalHead, RequestHead, ResponseHead

HTTP2 = "HTTP/2"
CHROMIUM_ORDER = "masp"  # for requests that had no order of their own

# RFC 9113 8.2.2, and RFC 9110 11.7: meant for us, as HTTP/1's hop has it.
_HOP_FIELDS = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_HOP_FIELDS |= {b"http2-settings"}
_PROXY_FIELDS = {b"proxy-authorization", b"proxy-authenticate"}
_WEBSOCKET_HTTP1 = {b"sec-websocket-key", b"sec-websocket-accept"}  # RFC 8441 5
_WITH_CONTENT = {"POST", "PUT", "PATCH"}
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


def request_of(head: RequestHead) -> Request:
    """The request that an HTTP/2 head is. `scheme` and `authority` are as the client named them."""
    pseudo = dict(head.pseudo)
    authority = pseudo.get(b":authority", b"")
    target = pseudo.get(b":path", authority)
    request = Request(to_text(pseudo[b":method"]), target, HTTP2, head.headers)
    request.pseudo_order = "".join(
        ["P" if name == b":protocol" else chr(name[1]) for name, _ in head.pseudo]
    )
    request.authority = to_text(authority)
    request.protocol = to_text(pseudo.get(b":protocol", b""))
    request.scheme = to_text(pseudo.get(b":scheme", b"")).lower()
    named = request.authority or head.headers.get("host") or ""
    request.host, port = split_authority(named)
    request.port = port or {"http": 80, "https": 443}.get(request.scheme, 0)
    return request


def response_of(head: ResponseHead | InformationalHead) -> Response:
    """The response that an HTTP/2 head is; HTTP/2 has no reason phrases."""
    return Response(head.status, "", HTTP2, head.headers)


def request_to_http1(
    request: Request, *, has_body: bool, websocket_key: str = ""
) -> tuple[Request, list[str]]:
    """An HTTP/2 request as an HTTP/1.1 server takes it.

    `has_body`: the head did not end the stream. An extended CONNECT for websocket becomes a
    handshake with `websocket_key`, for another protocol it raises ProtocolError 501.
    """
    notes: list[str] = []
    fields = _without(request.headers.fields, _PROXY_FIELDS, notes)
    fields = _join_cookies(fields, notes)
    names = {name for name, _ in fields}
    method, target = request.method, request.target
    if b"host" not in names:
        fields.insert(0, (b"host", _authority(request)))
        notes.append("Host made from :authority")
    if b"te" in names:
        fields.append((b"connection", b"TE"))  # RFC 9110 10.1.4
    if request.protocol:
        if request.protocol.lower() != "websocket":
            raise ProtocolError(
                f"extended CONNECT for {request.protocol!r} has no HTTP/1.1 form", 501
            )
        method = "GET"
        fields += [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
        fields.append((b"sec-websocket-key", to_bytes(websocket_key)))
        notes.append("extended CONNECT sent as Upgrade: websocket")
    elif (
        has_body and method != "CONNECT" and (b"content-length" not in names or b"trailer" in names)
    ):
        fields = _without(fields, {b"content-length"}, notes)  # chunks alone carry trailers
        fields.append((b"transfer-encoding", b"chunked"))
        notes.append("body sent in chunks")
    elif method in _WITH_CONTENT and b"content-length" not in names:
        fields.append((b"content-length", b"0"))  # RFC 9110 8.6: some servers refuse it without
        notes.append("Content-Length: 0 added")
    made = Request(method, target, "HTTP/1.1", Headers.of(fields))
    _copy_destination(request, made)
    return made, notes


def request_to_http2(
    request: Request, *, protocol: str = ""
) -> tuple[list[Field], Headers, list[str]]:
    """A request as an HTTP/2 server takes it: pseudo fields, fields, notes.

    Any request, also one that came over HTTP/2. `protocol` is what an HTTP/1 request asks to
    upgrade to; it becomes `:protocol`.
    """
    notes: list[str] = []
    fields = _hop_free(request.headers.fields, notes)
    if protocol:
        fields = _without(fields, _WEBSOCKET_HTTP1, [])
        notes.append(f"Upgrade: {protocol} sent as extended CONNECT")
    protocol = protocol or request.protocol
    method = b"CONNECT" if protocol else to_bytes(request.method)
    pseudo = {"m": (b":method", method)}
    pseudo["a"] = (b":authority", _authority(request))
    if method != b"CONNECT" or protocol:
        pseudo["s"] = (b":scheme", to_bytes(request.scheme))
        pseudo["p"] = (b":path", _origin_form(request))
    if protocol:
        pseudo["P"] = (b":protocol", to_bytes(protocol))
    order = dict.fromkeys([*request.pseudo_order, *CHROMIUM_ORDER, "P"])
    host = any(name == b"host" for name, _ in fields)
    if request.version != HTTP2 and host:
        fields = _without(fields, {b"host"}, [])
        notes.append("Host sent as :authority")
    elif host and "a" not in request.pseudo_order:
        del pseudo["a"]  # the client named only Host: so do we (RFC 9113 8.3.1)
    ordered = [pseudo[initial] for initial in order if initial in pseudo]
    return ordered, Headers.of(fields), notes


def response_to_http1(
    response: Response,
    request: Request,
    *,
    has_body: bool,
    websocket_key: str = "",
) -> tuple[Response, list[str]]:
    """An HTTP/2 response as the HTTP/1 client of `request` takes it.

    `has_body`: the head did not end the stream. A 2xx answer to a WebSocket's extended CONNECT
    becomes 101 for the client whose `websocket_key` it is.
    """
    notes: list[str] = []
    status, fields = response.status, response.headers.fields.copy()
    if websocket_key and 200 <= status < 300:
        status = 101
        fields += [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
        fields.append((b"sec-websocket-accept", websocket_accept(websocket_key)))
        notes.append(f"status {response.status} sent as 101")
    elif (
        status >= 200
        and status not in {204, 304}
        and request.method not in {"HEAD", "CONNECT"}
        and "content-length" not in response.headers
    ):
        if not has_body:
            fields.append((b"content-length", b"0"))
        elif request.version == "HTTP/1.0":
            fields.append((b"connection", b"close"))
            notes.append("the end of the body sent as the end of the connection")
        else:
            fields.append((b"transfer-encoding", b"chunked"))
            notes.append("body sent in chunks")
    made = Response(status, REASONS.get(status, ""), "HTTP/1.1", Headers.of(fields))
    return made, notes


def response_to_http2(
    response: Response, *, websocket: bool = False
) -> tuple[int, Headers, list[str]]:
    """A response as an HTTP/2 client takes it: status, fields, notes.

    `websocket`: it answers an extended CONNECT, so 101 becomes 200. Any other 101 raises
    ProtocolError 502 (RFC 9113 8.6).
    """
    notes: list[str] = []
    status, fields = response.status, _hop_free(response.headers.fields, notes)
    if status == 101:
        if not websocket:
            raise ProtocolError("status 101 has no HTTP/2 form (RFC 9113 8.6)", 502)
        status = 200
        fields = _without(fields, _WEBSOCKET_HTTP1, [])
        notes.append("status 101 sent as 200")
    return status, Headers.of(fields), notes


def trailers_to_http2(trailers: Headers) -> Headers:
    """Trailers as HTTP/2 takes them; to HTTP/1 they go as they are."""
    dropped = {b"content-length", b"host"}
    return Headers.of(_without(_hop_free(trailers.fields, []), dropped, []))


def set_authority(request: Request, value: str) -> str:
    """Put `value` into :authority, and Host where there is one; what was changed in words."""
    old = request.authority or request.headers.get("host") or ""
    if old == value:
        return ""
    if request.authority:
        request.authority = value
    if "host" in request.headers:
        request.headers.set("host", value)
    return f":authority {old} sent as {value}"


def websocket_accept(key: str) -> bytes:
    """The Sec-WebSocket-Accept that answers `key` (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(to_bytes(key) + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


def _hop_free(fields: list[Field], notes: list[str]) -> list[Field]:
    """Fields in lower case without those of the connection (RFC 9113 8.2.1, 8.2.2).

    Fields that Connection names stay, as on an HTTP/1 hop: who sends `Connection: authorization`
    wants a proxy to take something away.
    """
    dropped = _HOP_FIELDS | _PROXY_FIELDS
    kept: list[Field] = []
    lowered = False
    for field in fields:
        name = field[0].lower()
        if name in dropped:
            notes.append(f"{to_text(field[0])} dropped")
        elif name == b"te" and field[1].lower() != b"trailers":
            tokens = [token.partition(b";")[0].strip() for token in field[1].lower().split(b",")]
            left = "sent as trailers" if b"trailers" in tokens else "dropped"
            if b"trailers" in tokens:
                kept.append((name, b"trailers"))
            notes.append(f"TE: {to_text(field[1])} {left}")
        elif name == field[0]:
            kept.append(field)  # the same object: it may be marked never to be indexed
        else:
            lowered = True
            kept.append((name, field[1]))
    if lowered:
        notes.append("field names sent in lower case")
    return kept


def _without(fields: list[Field], names: set[bytes], notes: list[str]) -> list[Field]:
    kept = [field for field in fields if field[0].lower() not in names]
    if len(kept) != len(fields):
        notes += [f"{to_text(name)} dropped" for name, _ in fields if name.lower() in names]
    return kept


def _join_cookies(fields: list[Field], notes: list[str]) -> list[Field]:
    """One Cookie field, where the first stood (RFC 9113 8.2.3)."""
    crumbs = [value for name, value in fields if name == b"cookie"]
    if len(crumbs) < 2:
        return fields
    notes.append(f"{len(crumbs)} cookie fields joined")
    joined: list[Field] = []
    for field in fields:
        if field[0] != b"cookie":
            joined.append(field)
        elif crumbs:
            joined.append((b"cookie", b"; ".join(crumbs)))
            crumbs = []
    return joined


def _origin_form(request: Request) -> bytes:
    """The target without scheme and authority, byte for byte where it has none."""
    target = request.target
    return target if target[:1] in (b"/", b"*") else to_bytes(request.path) or b"/"


def _authority(request: Request) -> bytes:
    """What the client named, Host where nothing else did (RFC 9113 8.3.1)."""
    if request.authority:
        return to_bytes(request.authority)
    host = request.headers.get_bytes(b"host")
    return host or to_bytes(authority_of(request.scheme, request.host, request.port))


def _copy_destination(source: Request, made: Request) -> None:
    made.scheme, made.host, made.port = source.scheme, source.host, source.port
    made.body, made.trailers, made.stream = source.body, source.trailers, source.stream
