"""Which protocol a connection speaks, told from its first bytes.

Owns the order in which that is decided, and nothing else: a peek has three answers.
"""

from __future__ import annotations

import re
from typing import Literal

Protocol = Literal["http1", "h2", "tls", "socks5", "socks4", "raw"]

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 3.4

_H2_START = H2_PREFACE[:16]  # no other request has this line, whatever follows it
_TLS_HANDSHAKE = 0x16
_TLS_MAJOR = 0x03
_SOCKS4_COMMANDS = (1, 2)
_MAX_METHOD = 64  # the longest registered one has 17 letters
_MAX_LINE = 64 * 1024  # nginx 8 KiB, apache 8 KiB, and our own largest head
_MAX_EMPTY_LINES = 4  # before a request line; RFC 9112 2.2 asks for at least one
_METHODS = frozenset(
    (b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"TRACE")
)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,65}")  # RFC 9110 5.6.2
_SETTINGS_HEAD = re.compile(  # RFC 9113 6.5: no ACK, on stream 0, some of the known settings
    rb"\x00(?:\x00(?:[\x00-\xc0](?:\x04(?:\x00(?:\x00{4}|\x00{0,3}\Z)|\Z)|\Z)|\Z)|\Z)"
)
_REQUEST_LINE = re.compile(rb"[^\r\n]+ HTTP/[0-9.]+\r?\n")


def sniff(buf: bytearray) -> tuple[Protocol, int] | None:
    """The protocol that `buf` begins with; None while it can be more than one. Uses no bytes.

    1. TLS: a handshake record
    2. SOCKS 5: a greeting that offers a method; SOCKS 4: a known command
    3. HTTP/2 by prior knowledge
    4. HTTP/1: one of the usual methods and a space, or any line that ends in a version
    5. anything else is raw
    """
    start = 0
    while buf.startswith(b"\r\n", start) and start < _MAX_EMPTY_LINES * 2:
        start += 2
    rest = len(buf) - start
    if rest == 0 or (rest == 1 and buf[start] == 0x0D):
        return None
    if start == 0 and buf[0] in {_TLS_HANDSHAKE, 4, 5}:
        return _binary(buf)
    return _text(buf, start)


def starts_http2(buf: bytearray) -> bool:
    """Whether a server's first bytes are a SETTINGS frame of HTTP/2, as far as they go."""
    return bool(buf) and _SETTINGS_HEAD.match(buf) is not None


def _binary(buf: bytearray) -> tuple[Protocol, int] | None:
    if len(buf) < 2:
        return None
    first, second = buf[0], buf[1]
    if first == _TLS_HANDSHAKE:
        return ("tls" if second == _TLS_MAJOR else "raw"), 0
    if first == 5:
        return ("socks5" if second else "raw"), 0
    return ("socks4" if second in _SOCKS4_COMMANDS else "raw"), 0


def _text(buf: bytearray, start: int) -> tuple[Protocol, int] | None:
    if buf.startswith(_H2_START, start):
        return "h2", 0
    token = _TOKEN.match(buf, start)
    if token is None:
        return "raw", 0
    end = token.end()
    if end - start > _MAX_METHOD:
        return "raw", 0
    if end == len(buf):
        return None
    if buf[end] != 0x20:
        return "raw", 0
    if token[0] in _METHODS:
        return "http1", 0
    limit = start + _MAX_LINE
    if buf.find(b"\n", end, limit) < 0 and len(buf) < limit:
        return None
    return ("http1" if _REQUEST_LINE.match(buf, start, limit) else "raw"), 0
