"""SOCKS 5 (RFC 1928), and SOCKS 4 and 4a, sans-I/O.

Owns the wire formats. Who may connect, and where to, is decided elsewhere.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from rama_proxy.errors import ProtocolError

NO_AUTHENTICATION = 0x00
NO_ACCEPTABLE_METHOD = 0xFF

CONNECT, BIND, UDP_ASSOCIATE = 1, 2, 3

# RFC 1928 6
SUCCEEDED = 0
GENERAL_FAILURE = 1
NOT_ALLOWED = 2
NETWORK_UNREACHABLE = 3
HOST_UNREACHABLE = 4
CONNECTION_REFUSED = 5
TTL_EXPIRED = 6
COMMAND_NOT_SUPPORTED = 7
ADDRESS_TYPE_NOT_SUPPORTED = 8

_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_GRANTED, _REJECTED = 0x5A, 0x5B
_MAX_STRING = 255  # SOCKS 4 sets no limit to user id and name


class SocksRequest(NamedTuple):
    """What a client asks for. `host` is a name or an address without brackets."""

    version: int  # 4 or 5
    command: int
    host: str
    port: int
    user: str = ""  # SOCKS 4: the user id, which nothing proves


def parse_greeting(buf: bytearray) -> tuple[tuple[int, ...], int] | None:
    """The authentication methods that a SOCKS 5 client offers (RFC 1928 3)."""
    _check_version(buf, 5)
    if len(buf) < 2:
        return None
    used = 2 + buf[1]
    return (tuple(buf[2:used]), used) if len(buf) >= used else None


def select_method(methods: tuple[int, ...], wanted: int = NO_AUTHENTICATION) -> int:
    """`wanted` if the client offers it, else NO_ACCEPTABLE_METHOD."""
    return wanted if wanted in methods else NO_ACCEPTABLE_METHOD


def serialize_method(method: int) -> bytes:
    """The answer to a greeting."""
    return bytes((5, method))


def parse_request(buf: bytearray) -> tuple[SocksRequest, int] | None:
    """A SOCKS 5 request (RFC 1928 4). A ProtocolError's `status` is the reply code to send."""
    _check_version(buf, 5)
    if len(buf) < 4:
        return None
    kind = buf[3]
    if kind == _DOMAIN:
        if len(buf) < 5:
            return None
        start, end = 5, 5 + buf[4]
    elif kind in {_IPV4, _IPV6}:
        start, end = 4, 8 if kind == _IPV4 else 20
    else:
        raise ProtocolError(
            f"SOCKS address type {kind} (RFC 1928 5)", status=ADDRESS_TYPE_NOT_SUPPORTED
        )
    if len(buf) < end + 2:
        return None
    address = bytes(buf[start:end])
    if kind == _DOMAIN:
        host = _host_name(address)
    else:
        host = str(IPv4Address(address) if kind == _IPV4 else IPv6Address(address))
    port = int.from_bytes(buf[end : end + 2], "big")
    return SocksRequest(5, buf[1], host, port), end + 2


def parse_socks4(buf: bytearray) -> tuple[SocksRequest, int] | None:
    """A SOCKS 4 request, or 4a, where the name stands behind the user id."""
    _check_version(buf, 4)
    if len(buf) < 9:
        return None
    user, used = _zero_ended(buf, 8, "user id")
    if used is None:
        return None
    address = bytes(buf[4:8])
    host = str(IPv4Address(address))
    if address[:3] == b"\0\0\0" and address[3]:
        name, used = _zero_ended(buf, used, "host name")
        if used is None:
            return None
        host = _host_name(name)
    port = int.from_bytes(buf[2:4], "big")
    return SocksRequest(4, buf[1], host, port, user.decode("latin-1")), used


def serialize_reply(code: int, host: str = "0.0.0.0", port: int = 0, *, version: int = 5) -> bytes:  # noqa: S104  "no address" of RFC 1928
    """The answer to a request: `code` as in RFC 1928 6, and the address the proxy connects from.

    SOCKS 4 knows only granted and rejected, and gets no address.
    """
    if version == 4:
        return bytes((0, _REJECTED if code else _GRANTED)) + bytes(6)
    address = ip_address(host)
    kind = _IPV4 if address.version == 4 else _IPV6
    return bytes((5, code, 0, kind)) + address.packed + port.to_bytes(2, "big")


def _check_version(buf: bytearray, version: int) -> None:
    if buf and buf[0] != version:
        raise ProtocolError(f"SOCKS version {buf[0]}, not {version}", status=GENERAL_FAILURE)


def _host_name(data: bytes) -> str:
    """A name fit to be looked up and shown: visible ASCII."""
    if not data or not all(0x21 <= byte <= 0x7E for byte in data):
        raise ProtocolError(f"SOCKS host name {data!r}", status=GENERAL_FAILURE)
    return data.decode("ascii")


def _zero_ended(buf: bytearray, start: int, what: str) -> tuple[bytes, int | None]:
    """The string at `start` and where the next field begins, None there if its end is not here."""
    end = buf.find(0, start, start + _MAX_STRING + 1)
    if end < 0:
        if len(buf) > start + _MAX_STRING:
            raise ProtocolError(
                f"SOCKS 4 {what} of more than {_MAX_STRING} bytes", status=GENERAL_FAILURE
            )
        return b"", None
    return bytes(buf[start:end]), end + 1
