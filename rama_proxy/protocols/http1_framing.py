"""How far a message reaches: RFC 9112 6.3, one function per direction.

Works on parsed fields, so it holds for messages that an addon edited or made as well. What two
readers could measure in two ways raises ProtocolError; nothing is guessed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rama_proxy.errors import ProtocolError
from rama_proxy.model.message import Message, Request, Response
from rama_proxy.protocols.http1_grammar import quoted

MAX_DIGITS = 18  # below 2**63, which every language's length type holds

# RFC 9112 7, and identity of RFC 2616: what a response may have applied besides chunked.
_CODINGS = {b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity"}


_TAB_BEHIND = re.compile(rb"^transfer-encoding:[^\r\n]*\t\r", re.MULTILINE | re.IGNORECASE)


class Framing(NamedTuple):
    """Where a body ends. `kind` is none, length, chunked, close or tunnel.

    `length` counts for the kind length only. `status` is what the client is told when the body
    breaks its framing: 400 for a request, 502 for a response.
    """

    kind: str
    length: int = 0
    status: int = 400


_NO_REQUEST_BODY = Framing("none")
_CHUNKED_REQUEST = Framing("chunked")
_NO_RESPONSE_BODY = Framing("none", 0, 502)
_CHUNKED_RESPONSE = Framing("chunked", 0, 502)
_CLOSE = Framing("close", 0, 502)
_TUNNEL = Framing("tunnel", 0, 502)


def request_framing(request: Request) -> Framing:
    """The framing of a request: none, length or chunked. Raises ProtocolError 400 or 501."""
    length, codings = _declared(request, 400)
    if codings is None:
        if length and request.method == "CONNECT":
            raise ProtocolError(f"CONNECT with Content-Length {length} (RFC 9110 9.3.6)")
        return _NO_REQUEST_BODY if length is None else Framing("length", length)
    if request.method == "CONNECT":
        raise ProtocolError("CONNECT with Transfer-Encoding (RFC 9110 9.3.6)")
    if codings[-1] != b"chunked" or b"chunked" in codings[:-1]:
        raise ProtocolError(
            f"Transfer-Encoding {quoted(b', '.join(codings))} does not end in chunked, once "
            "(RFC 9112 6.3)"
        )
    if len(codings) > 1:
        # RFC 9112 6.1. Allowed before chunked, but servers that compare the whole value read no
        # body then, and nobody but smugglers sends it.
        raise ProtocolError(f"transfer coding {quoted(codings[0])} in a request", status=501)
    if _TAB_BEHIND.search(request.raw):
        # RFC 9110 5.5 has it that this is no part of the value. llhttp says it is, and that the
        # request is not chunked then.
        raise ProtocolError("a tab behind Transfer-Encoding, which not all take for chunked")
    return _CHUNKED_REQUEST


def response_framing(response: Response, method: str) -> Framing:
    """The framing of a response to a request with `method`. Raises ProtocolError 502.

    A response that can have no body is held to the same rules: not every client knows that it has
    none.
    """
    status = response.status
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        return _TUNNEL
    length, codings = _declared(response, 502)
    if status < 200 or status in {204, 304} or method == "HEAD":
        return _NO_RESPONSE_BODY
    if codings is None:
        return _CLOSE if length is None else Framing("length", length, 502)
    chunked = codings[-1] == b"chunked"
    for coding in codings[:-1] if chunked else codings:
        if coding not in _CODINGS:
            raise ProtocolError(
                f"transfer coding {quoted(coding)} in the response (RFC 9112 6.3)", 502
            )
    return _CHUNKED_RESPONSE if chunked else _CLOSE


def keeps_alive(message: Request | Response) -> bool:
    """Whether another message may follow on the connection (RFC 9112 9.3).

    A proxy's HTTP/1.0 client does not keep it, even if it asks to: there may be an older proxy
    between that passes Connection on without understanding it.
    """
    options = b","
    for name, value in message.headers.fields:
        if len(name) == 10 and name.lower() == b"connection":
            options += value.lower() + b","
    if len(options) == 1:
        return message.version != "HTTP/1.0"
    tokens = [option.strip() for option in options.split(b",")]
    if b"close" in tokens:
        return False
    if message.version != "HTTP/1.0":
        return True
    if isinstance(message, Request) and message.authority:
        return False
    return b"keep-alive" in tokens


def _declared(message: Message, status: int) -> tuple[int | None, list[bytes] | None]:
    """The Content-Length, or the transfer codings in lower case; None for what is not there."""
    length: int | None = None
    codings: list[bytes] | None = None
    for name, value in message.headers.fields:
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            if length is not None:
                raise ProtocolError("repeated Content-Length (RFC 9110 8.6)", status)
            length = _parse_length(value, status)
        elif size == 17 and name.lower() == b"transfer-encoding":
            codings = codings or []
            codings += [coding.strip(b" \t") for coding in value.lower().split(b",")]
    if codings is not None:
        if b"" in codings:
            raise ProtocolError("empty name in Transfer-Encoding (RFC 9112 6.1)", status)
        if length is not None:
            raise ProtocolError("both Content-Length and Transfer-Encoding (RFC 9112 6.3)", status)
        if message.version == "HTTP/1.0":
            raise ProtocolError("Transfer-Encoding on HTTP/1.0 (RFC 9112 6.1)", status)
    return length, codings


def _parse_length(value: bytes, status: int) -> int:
    if not value.isdigit():
        raise ProtocolError(f"bad Content-Length {quoted(value)} (RFC 9110 8.6)", status)
    if len(value) > MAX_DIGITS:
        raise ProtocolError(f"Content-Length {quoted(value)} is too large (RFC 9110 8.6)", status)
    return int(value)
