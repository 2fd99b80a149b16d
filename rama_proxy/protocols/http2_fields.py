"""Which fields an HTTP/2 head may have: RFC 9113 8.1.1 to 8.3, stricter where a downgrade to
HTTP/1 would make one message two.

Each check gives a sentence that says what is wrong, or "". The engine has checks of its own, but
answers a malformed head by ending the connection with every stream on it; by RFC 9113 8.1.1 it is
an error of its stream. `tests/wire/test_http2_fields.py` holds that everything that the
engine refuses is refused here.
"""

from __future__ import annotations

import re

from rama_proxy.model.headers import Field
from rama_proxy.protocols.http1_grammar import AUTHORITY, METHOD, TARGET, quoted

_REQUEST_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})
_CONNECTION_FIELDS = frozenset(  # RFC 9113 8.2.2
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)
# Joined names and values are searched at once: a head costs two searches, not two for each field.
_NAMES = re.compile(rb"(?::?[!#$%&'*+\-.^_`|~0-9a-z]++\n)*+")
_BAD_REQUEST_VALUE = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]|\n[\t ]|[\t ]\n")
_BAD_RESPONSE_VALUE = re.compile(rb"[\x00\x0b\x0c\r]|\n[\t ]|[\t ]\n")
_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]++")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*+")
_STATUS = re.compile(rb"[1-9][0-9]{2}")
MAX_DIGITS = 18


class NeverIndexed(tuple[bytes, bytes]):
    """A field that its sender wants in no table, on no hop (RFC 7541 6.2.3)."""

    __slots__ = ()


def request_fault(fields: list[Field], *, connect_protocol: bool) -> str:
    """What is wrong with the fields of a request, "" if nothing."""
    fault = _bytes_fault(fields, _BAD_REQUEST_VALUE)
    if fault:
        return fault
    pseudo: dict[bytes, bytes] = {}
    host = None
    for count, (name, value) in enumerate(fields):
        if name[0] == 0x3A:
            if len(pseudo) != count:
                return f"pseudo field {quoted(name)} behind a field (RFC 9113 8.3)"
            if name not in _REQUEST_PSEUDO:
                return f"pseudo field {quoted(name)} in a request (RFC 9113 8.3)"
            if name in pseudo:
                return f"repeated pseudo field {quoted(name)} (RFC 9113 8.3)"
            pseudo[name] = value
        elif name == b"host":
            if host is not None:
                return "more than one Host (RFC 9110 7.2)"
            host = value
    return (
        _field_fault(fields)
        or _method_fault(pseudo, connect_protocol)
        or _authority_fault(pseudo, host)
    )


def response_fault(fields: list[Field]) -> str:
    """What is wrong with the fields of a response, "" if nothing."""
    fault = _bytes_fault(fields, _BAD_RESPONSE_VALUE)
    if fault:
        return fault
    if not fields or fields[0][0] != b":status":
        return "a response that does not begin with :status (RFC 9113 8.3.2)"
    for name, _ in fields[1:]:
        if name[0] == 0x3A:
            return f"pseudo field {quoted(name)} in a response (RFC 9113 8.3)"
    status = fields[0][1]
    if not _STATUS.fullmatch(status):
        return f"bad :status {quoted(status)} (RFC 9113 8.3.2)"
    if status == b"101":
        return "status 101 (RFC 9113 8.6)"
    return _field_fault(fields)


def trailers_fault(fields: list[Field], *, response: bool) -> str:
    """What is wrong with trailers, "" if nothing."""
    fault = _bytes_fault(fields, _BAD_RESPONSE_VALUE if response else _BAD_REQUEST_VALUE)
    if fault:
        return fault
    for name, _ in fields:
        if name[0] == 0x3A:
            return f"pseudo field {quoted(name)} in trailers (RFC 9113 8.1)"
        if name in {b"content-length", b"host"}:
            return f"{name.decode()} in trailers (RFC 9110 6.5.1)"
    return _field_fault(fields)


def content_length(fields: list[Field]) -> int | None:
    """The length that checked `fields` announce, None without."""
    for name, value in fields:
        if name == b"content-length":
            return int(value)
    return None


def _bytes_fault(fields: list[Field], bad_value: re.Pattern[bytes]) -> str:
    """A name or value with bytes that it may not have (RFC 9113 8.2.1)."""
    names = b"\n".join([name for name, _ in fields]) + b"\n"
    values = b"\n".join([b"", *[value for _, value in fields], b""])
    if (
        _NAMES.fullmatch(names)
        and not bad_value.search(values)
        and values.count(b"\n") == len(fields) + 1
        and names.count(b"\n") == max(len(fields), 1)
    ):
        return ""
    for name, value in fields:
        if not _NAME.fullmatch(name):
            if name.lower() != name:
                return f"upper case in field name {quoted(name)} (RFC 9113 8.2.1)"
            return f"bad character in field name {quoted(name)} (RFC 9113 8.2.1)"
        found = bad_value.search(b"\n%b\n" % value)
        if found or b"\n" in value:
            if value.strip(b" \t") != value:
                return f"blank around the value of {quoted(name)} (RFC 9113 8.2.1)"
            return f"bad character in {quoted(name)}: {quoted(value)} (RFC 9113 8.2.1)"
    return "" if not fields else "bad field (RFC 9113 8.2.1)"


def _field_fault(fields: list[Field]) -> str:
    """Fields of the connection, and those that say how long the message is."""
    length = None
    for name, value in fields:
        if name in _CONNECTION_FIELDS:
            return f"field {name.decode()}: {quoted(value)} (RFC 9113 8.2.2)"
        if name == b"te" and value.lower() != b"trailers":
            return f"te: {quoted(value)} (RFC 9113 8.2.2)"
        if name == b"content-length":
            if length is not None:
                return "repeated content-length (RFC 9110 8.6)"
            if not value.isdigit() or len(value) > MAX_DIGITS:
                return f"bad content-length {quoted(value)} (RFC 9110 8.6)"
            length = value
    return ""


def _method_fault(pseudo: dict[bytes, bytes], connect_protocol: bool) -> str:
    """RFC 9113 8.3.1, 8.5 and RFC 8441 4: which pseudo fields a method needs."""
    method = pseudo.get(b":method")
    if method is None:
        return "no :method (RFC 9113 8.3.1)"
    if not METHOD.fullmatch(method):
        return f"bad :method {quoted(method)} (RFC 9110 9.1)"
    protocol = pseudo.get(b":protocol")
    if protocol is not None:
        if method != b"CONNECT":
            return f":protocol with :method {quoted(method)} (RFC 8441 4)"
        if not connect_protocol:
            return ":protocol, which was not offered (RFC 8441 4)"
        if not METHOD.fullmatch(protocol):
            return f"bad :protocol {quoted(protocol)} (RFC 8441 4)"
    elif method == b"CONNECT":
        if b":scheme" in pseudo or b":path" in pseudo:
            return "CONNECT with :scheme or :path (RFC 9113 8.5)"
        return "" if b":authority" in pseudo else "CONNECT without :authority (RFC 9113 8.5)"
    scheme, path = pseudo.get(b":scheme"), pseudo.get(b":path")
    if scheme is None or path is None:
        return f"no {':scheme' if scheme is None else ':path'} (RFC 9113 8.3.1)"
    if not _SCHEME.fullmatch(scheme):
        return f"bad :scheme {quoted(scheme)} (RFC 3986 3.1)"
    if not TARGET.fullmatch(path) or not (
        path[0] == 0x2F or (path == b"*" and method == b"OPTIONS")
    ):
        return f"bad :path {quoted(path)} (RFC 9113 8.3.1)"
    return ""


def _authority_fault(pseudo: dict[bytes, bytes], host: bytes | None) -> str:
    """RFC 9113 8.3.1: one name, without a user, said once or twice the same."""
    authority = pseudo.get(b":authority")
    if authority is None and host is None:
        return "neither :authority nor Host (RFC 9113 8.3.1)"
    for value, what in ((authority, ":authority"), (host, "Host")):
        if value is None:
            continue
        match = AUTHORITY.fullmatch(value)
        if match is None or not match[1]:
            return f"bad {what} {quoted(value)} (RFC 9113 8.3.1)"
    if authority is not None and host is not None and authority.lower() != host.lower():
        return f"Host {quoted(host)} contradicts :authority {quoted(authority)} (RFC 9113 8.3.1)"
    if pseudo[b":method"] == b"CONNECT" and b":protocol" not in pseudo:
        match = AUTHORITY.fullmatch(authority or b"")
        if match is None or not match[2] or not 0 < int(match[2]) < 65536:
            return f"CONNECT to {quoted(authority or b'')}, not host:port (RFC 9113 8.5)"
    return ""
