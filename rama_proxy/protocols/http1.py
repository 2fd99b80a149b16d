"""HTTP/1.0 and HTTP/1.1 without I/O (RFC 9112): heads in, heads out, and who reads how far.

Everything for HTTP/1 is importable from here; the grammar, framing, bodies and writing have a file
each. Heads are kept as received in `raw`. What two readers could take in two ways is refused: a
request with 4xx or 5xx, a response with 502. Lenient only where it is safe, with the reason at
the place.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import DEFAULT_PORTS, Request, Response
from rama_proxy.protocols.http1_body import (
    LAST_CHUNK,
    BodyReader,
    body_reader,
    chunk,
    last_chunk,
)
from rama_proxy.protocols.http1_framing import (
    Framing,
    keeps_alive,
    request_framing,
    response_framing,
)
from rama_proxy.protocols.http1_grammar import (
    ABSOLUTE_TARGET,
    AUTHORITY,
    MAX_METHOD,
    METHOD,
    REQUEST_FIELDS,
    REQUEST_LINE,
    REQUEST_START,
    RESPONSE_FIELDS,
    SHOWN,
    STATUS_LINE,
    TARGET,
    TOKEN,
    parse_fields,
    quoted,
    refuse_endless,
)
from rama_proxy.protocols.http1_write import (
    hop_request,
    serialize_request,
    serialize_response,
    set_host,
)

__all__ = [
    "LAST_CHUNK",
    "BodyReader",
    "Framing",
    "body_reader",
    "chunk",
    "hop_request",
    "keeps_alive",
    "last_chunk",
    "parse_request",
    "parse_response",
    "request_framing",
    "response_framing",
    "serialize_request",
    "serialize_response",
    "set_host",
]

MAX_TARGET = 32 * 1024  # RFC 9112 3 asks for 8000 at least; nginx 8k, node 16k, Tomcat 8k
MAX_AUTHORITY = 255 + len(":65535")  # DNS names end at 255 bytes

_VERSIONS = {b"0": "HTTP/1.0", b"1": "HTTP/1.1"}
_METHODS = {
    name.encode(): name
    for name in ("GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "PATCH", "TRACE")
}
_ANY_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANK_BEFORE_COLON = re.compile(rb"^(" + TOKEN + rb"++)[ \t]++:", re.MULTILINE)
_LENGTH_LINE = re.compile(rb"^content-length:([^\r\n]*+)\r\n", re.MULTILINE | re.IGNORECASE)


def parse_request(buf: bytearray, max_fields: int = 256) -> tuple[Request, int] | None:
    """A request head, an empty line before it skipped (RFC 9112 2.2), and the bytes used.

    `authority`, `scheme`, `host` and `port` are those of an absolute target; of CONNECT, without
    a scheme. Raises ProtocolError 400, 414 (target), 431 (fields), 501 (method, scheme) or 505.
    """
    start = 2 if buf.startswith(b"\r\n") else 0
    end = buf.find(b"\n\r\n", start) + 3
    if end < 3:
        _refuse_request_start(buf, start)
        return None
    head = bytes(memoryview(buf)[start:end])
    line = REQUEST_LINE.match(head)
    if line is None:
        raise _request_line_error(head[: head.index(b"\n") + 1])
    method, target, minor = line.groups()
    if len(target) > MAX_TARGET:
        raise ProtocolError(f"target of {len(target)} bytes, {MAX_TARGET} allowed", 414)
    lines = head.count(b"\n") - 2
    if lines > max_fields:
        raise ProtocolError(f"{lines} header fields, {max_fields} allowed (RFC 6585 5)", 431)
    request = Request(
        _METHODS.get(method) or method.decode("ascii"),
        target,
        _VERSIONS[minor],
        Headers.of(parse_fields(head, line.end(), lines, REQUEST_FIELDS, 400)),
        head,
    )
    _check_target(request, _host_value(head, minor))
    return request, end


def parse_response(buf: bytearray, max_fields: int = 256) -> tuple[Response, int] | None:
    """A response head and the bytes used. Raises ProtocolError 502.

    What a proxy may mend (see `_mended`) is mended in `raw`, so that no reader behind us can take
    it in another way.
    """
    end = buf.find(b"\n\r\n") + 3
    if end < 3:
        _refuse_response_start(buf)
        return None
    head = bytes(memoryview(buf)[:end])
    line = STATUS_LINE.match(head)
    if line is None:
        raise _status_line_error(head[: head.index(b"\n") + 1])
    minor, status, reason = line.groups()
    start = line.end()
    lines = head.count(b"\n") - 2
    if lines > max_fields:
        raise ProtocolError(f"{lines} header fields in the response, {max_fields} allowed", 502)
    fields = RESPONSE_FIELDS.strict.findall(head, start)
    if len(fields) != lines or head.lower().count(b"\ncontent-length:") > 1:
        head = head[:start] + _mended(head[start:])
        fields = parse_fields(head, start, head.count(b"\n") - 2, RESPONSE_FIELDS, 502)
    text = reason.decode("latin-1") if reason else ""
    return Response(int(status), text, _VERSIONS[minor], Headers.of(fields), head), end


def _host_value(head: bytes, minor: bytes) -> bytes | None:
    """The value of the one Host field; None without, which HTTP/1.0 allows."""
    lower = head.lower()
    at = lower.find(b"\nhost:") + 6
    if at < 6:
        if minor == b"1":
            raise ProtocolError("no Host header (RFC 9112 3.2)")
        return None
    if lower.find(b"\nhost:", at) >= 0:
        raise ProtocolError("more than one Host header (RFC 9112 3.2)")
    return head[at : head.index(b"\r", at)].strip(b" \t")


def _check_target(request: Request, host: bytes | None) -> None:
    """Fill in where `request` goes, from its target. Raises ProtocolError 400 or 501."""
    target = request.target
    if host is not None:
        _parse_authority(host, "Host")
    if request.method == "CONNECT":
        _fill_connect(request)
    elif target[0] != 0x2F and not (target == b"*" and request.method == "OPTIONS"):
        _fill_absolute(request, host)


def _fill_connect(request: Request) -> None:
    """RFC 9110 9.3.6. A Host of another name is let be: clients name the proxy there (the example
    in node's documentation does), it is not passed on, and nothing is decided by it."""
    host, port = _parse_authority(request.target, "CONNECT target")
    if not host or port is None:
        raise ProtocolError(
            f"CONNECT target {quoted(request.target)} is not host:port (RFC 9112 3.2.3)"
        )
    request.authority = request.target.decode("ascii")
    request.host, request.port = host, port


def _fill_absolute(request: Request, named: bytes | None) -> None:
    """RFC 9112 3.2.2, but a Host that contradicts the target is refused, not replaced."""
    absolute = ABSOLUTE_TARGET.match(request.target)
    if absolute is None:
        raise ProtocolError(
            f"target {quoted(request.target)} of {request.method} is neither a path nor a URL "
            "(RFC 9112 3.2)"
        )
    scheme = absolute[1].decode("ascii").lower()
    default = DEFAULT_PORTS.get(scheme)
    if default is None:
        raise ProtocolError(f"scheme {scheme!r} in target {quoted(request.target)}", 501)
    authority = absolute[2]
    host, port = _parse_authority(authority, "target's authority")
    if not host:
        raise ProtocolError(f"no host in target {quoted(request.target)} (RFC 9110 4.2)")
    request.authority = authority.decode("ascii")
    request.scheme, request.host, request.port = scheme, host, port or default
    if named is not None and named != authority:
        name, port = _parse_authority(named, "Host")
        if name.lower() != host.lower() or (port or default) != request.port:
            raise ProtocolError(
                f"Host {quoted(named)} contradicts target {quoted(request.target)} (RFC 9112 3.2.2)"
            )


@lru_cache(maxsize=1024)  # a browser names few hosts, each a thousand times
def _parse_authority(authority: bytes, where: str) -> tuple[str, int | None]:
    """Host, an IPv6 address without brackets, and port (RFC 3986 3.2.2; no user in it)."""
    match = AUTHORITY.fullmatch(authority)
    if match is None or len(authority) > MAX_AUTHORITY:
        raise ProtocolError(f"bad {where} {quoted(authority)} (RFC 9112 3.2)")
    host = match[1].decode("ascii")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise ProtocolError(f"bad port in {where} {quoted(authority)} (RFC 9110 4.2)")
    return host[1:-1] if host[:1] == "[" else host, port


def _refuse_request_start(buf: bytearray, start: int) -> None:
    """Raise unless the bytes from `start` may become a request head."""
    end = buf.find(b"\n", start) + 1
    if end == 0:
        if len(buf) - start > MAX_TARGET + MAX_METHOD + 16:
            raise ProtocolError(f"request line of more than {MAX_TARGET} bytes", 414)
        if not REQUEST_START.match(buf, start, start + MAX_METHOD * 2):
            raise _request_line_error(bytes(buf[start:]))
    elif not REQUEST_LINE.match(buf, start):
        raise _request_line_error(bytes(buf[start:end]))
    refuse_endless(buf, start, 400)


def _request_line_error(line: bytes) -> ProtocolError:
    """What is wrong with a request line, whole or the beginning of one."""
    shown = quoted(line)
    if b"\n" in line and not line.endswith(b"\r\n"):
        return ProtocolError(f"bare LF in line {shown} (RFC 9112 2.2)")
    parts = line.removesuffix(b"\r\n").split(b" ")
    if parts == [b""]:
        return ProtocolError("an empty line where a request should begin (RFC 9112 2.2)")
    if not METHOD.fullmatch(parts[0]):
        if METHOD.fullmatch(parts[0][:MAX_METHOD]):
            return ProtocolError(f"method {quoted(parts[0])} over {MAX_METHOD} bytes", 501)
        return ProtocolError(f"not an HTTP request: {shown} (RFC 9112 3)")
    for byte, name in ((b"\x00", "NUL"), (b"\r", "bare CR"), (b"\t", "tab")):
        if byte in b" ".join(parts):
            return ProtocolError(f"{name} in request line {shown} (RFC 9112 3)")
    if len(parts) > 1 and parts[1] and not TARGET.fullmatch(parts[1]):
        return ProtocolError(f"control character in request line {shown} (RFC 9112 3.2)")
    if len(parts) != 3 or not parts[1]:
        return ProtocolError(
            f"request line {shown} is not method, target and version, one space between "
            "(RFC 9112 3)"
        )
    if _ANY_VERSION.fullmatch(parts[2]):
        return ProtocolError(f"version {quoted(parts[2])} (RFC 9112 2.3)", 505)
    return ProtocolError(f"bad version {quoted(parts[2])} in request line (RFC 9112 2.3)")


def _refuse_response_start(buf: bytearray) -> None:
    """Raise unless `buf` may become a response head."""
    end = buf.find(b"\n") + 1
    if end == 0:
        line = bytes(buf[:SHOWN]).removesuffix(b"\r")
        if not STATUS_LINE.match(line + b"HTTP/1.1 200"[len(line) :] + b"\r\n"):
            raise _status_line_error(bytes(buf))
    elif not STATUS_LINE.match(buf):
        raise _status_line_error(bytes(buf[:end]))
    refuse_endless(buf, 0, 502)


def _status_line_error(line: bytes) -> ProtocolError:
    if line.startswith(b"HTTP/1."):
        if line.endswith(b"\n") and not line.endswith(b"\r\n"):
            return ProtocolError(f"bare LF in line {quoted(line)} (RFC 9112 2.2)", 502)
        return ProtocolError(f"bad status line {quoted(line)} (RFC 9112 4)", 502)
    return ProtocolError(f"not an HTTP/1 response: {quoted(line)} (RFC 9112 4)", 502)


def _mended(block: bytes) -> bytes:
    """The field lines of a response, mended where an RFC tells a proxy to.

    A folded line becomes one line (RFC 9112 5.2), blanks between name and colon go (5.1), the
    same Content-Length said twice is said once (RFC 9110 8.6). Servers do all three.
    """
    block = _FOLD.sub(b"  ", block)
    block = _BLANK_BEFORE_COLON.sub(rb"\1:", block)
    lengths = _LENGTH_LINE.findall(block)
    if len(lengths) > 1 and len({value.strip(b" \t") for value in lengths}) == 1:
        first = _LENGTH_LINE.search(block)
        assert first is not None
        block = block[: first.end()] + _LENGTH_LINE.sub(b"", block[first.end() :])
    return block
