"""What TLS agreed on, what was offered for it and who vouched for it, as facts to read.

A fact is a label and a value, and whether it is good news. Values hold text from the network: the
screen escapes them. Nothing here fails on what a peer sent; what cannot be read says so.
"""

from __future__ import annotations

from typing import NamedTuple

from rama_proxy.content.tls_names import (
    CIPHERS,
    COMPRESSIONS,
    EXTENSIONS,
    GROUPS,
    SIGNATURE_SCHEMES,
    VERSIONS,
    name_of,
)
from rama_proxy.errors import ProtocolError
from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.model.flow import ACTIVE, Flow
from rama_proxy.protocols.client_hello import ClientHello, ServerHello, parse_handshake

GOOD, BAD, WARNING = "good", "bad", "warning"

_OLD = frozenset({"SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"})  # RFC 8996


class Fact(NamedTuple):
    """A line of a table; `tone` is GOOD, BAD, WARNING or ""."""

    label: str
    value: str
    tone: str = ""


def absence(flow: Flow, side: str) -> str:
    """Why there is no TLS to show on `side` ("client" or "server") of `flow`; "" if there is."""
    info = flow.client if side == "client" else flow.server
    if info is None:
        if flow.state == ACTIVE:
            return "no connection to a server yet"
        return "no server was asked" if flow.response is not None else "no connection to a server"
    if info.is_own:
        return "no client, Rama itself sent the request"
    tls = info.tls
    if tls is None or not (tls.version or tls.client_hello or tls.certificates or tls.verify_error):
        if flow.kind == "http":
            return "plain HTTP, no TLS"
        return "no TLS on this side" if flow.kind == "tls" else "passed through, no TLS seen"
    return ""


def connection_facts(info: ConnectionInfo, kind: str = "http") -> list[Fact]:
    """Addresses and everything negotiated. `kind` is that of the flow."""
    facts = _address_facts(info)
    tls = info.tls
    if tls is None:
        return facts
    if tls.version:
        facts += [
            Fact("version", tls.version, WARNING if tls.version in _OLD else ""),
            Fact("cipher", tls.cipher),
            Fact("key exchange", tls.group),
            Fact("ALPN", tls.alpn or "none"),
        ]
    else:
        state = "passed through, not decrypted" if kind == "tcp" else "handshake not finished"
        facts.append(Fact("TLS", state, WARNING))
    facts += [
        Fact("ALPN offered", ", ".join(tls.alpn_offered) or "none"),
        Fact("server name", tls.sni or "none"),
    ]
    if tls.version:
        facts.append(Fact("resumed", "yes, no certificate was sent" if tls.resumed else "no"))
    if tls.verify_error:
        facts.append(Fact("trust", tls.verify_error, BAD))
    elif info.side == "server" and tls.version:
        facts.append(Fact("trust", "verified", GOOD))
    if info.error:
        facts.append(Fact("error", info.error, BAD))
    return [fact for fact in facts if fact.value]


def _address_facts(info: ConnectionInfo) -> list[Fact]:
    facts = []
    if info.side == "client":
        own = "none, Rama itself sent the request"
        facts.append(Fact("client", own if info.is_own else _address(info.peer)))
        facts.append(Fact("redirected from", _address(info.original)))
    else:
        named, peer = _address(info.address), _address(info.peer)
        facts.append(Fact("server", named or peer))
        facts.append(Fact("address", peer if peer != named else ""))
        facts.append(Fact("via", info.via))
    return [fact for fact in facts if fact.value]


def _address(address: Address | None) -> str:
    if address is None:
        return ""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}"


def fingerprint_facts(info: ConnectionInfo) -> list[Fact]:
    """The annotations of a connection, short ones first: JA4 before its raw variants."""
    return [
        Fact(name, value)
        for name, value in sorted(
            info.annotations.items(), key=lambda item: (len(item[1]) > 60, item[0])
        )
    ]


def client_hello_facts(raw: bytes) -> list[Fact]:
    """What a ClientHello offers, its extensions in wire order."""
    try:
        hello = parse_handshake(raw)
    except ProtocolError as error:
        return [Fact("unreadable", str(error), BAD)]
    facts = [
        Fact("legacy version", name_of(VERSIONS, hello.legacy_version)),
        Fact("session id", f"{len(hello.session_id)} bytes" if hello.session_id else "none"),
        Fact(f"{len(hello.ciphers)} ciphers", _names(CIPHERS, hello.ciphers)),
    ]
    facts += [
        Fact(name_of(EXTENSIONS, kind), _extension_value(hello, kind, content))
        for kind, content in hello.extensions
    ]
    return facts


def server_hello_facts(raw: bytes) -> list[Fact]:
    """What a ServerHello chose, its extensions in wire order."""
    try:
        hello = ServerHello.from_bytes(raw)
    except ProtocolError as error:
        return [Fact("unreadable", str(error), BAD)]
    facts = [
        Fact("version", name_of(VERSIONS, hello.version)),
        Fact("cipher", name_of(CIPHERS, hello.cipher)),
    ]
    for kind, content in hello.extensions:
        value = _size(content)
        if kind == 51 and len(content) >= 2:
            value = name_of(GROUPS, int.from_bytes(content[:2], "big"))
        elif kind == 43:
            value = name_of(VERSIONS, int.from_bytes(content, "big"))
        facts.append(Fact(name_of(EXTENSIONS, kind), value))
    return facts


def _extension_value(hello: ClientHello, kind: int, content: bytes) -> str:
    """What extension `kind` says, in words; its size where nobody reads it."""
    value = ""
    if kind == 0:
        value = hello.sni
    elif kind == 10:
        value = _names(GROUPS, hello.groups)
    elif kind == 13:
        value = _names(SIGNATURE_SCHEMES, hello.signature_algorithms)
    elif kind == 16:
        value = ", ".join(name.decode("latin-1") for name in hello.alpn)
    elif kind == 27 and len(content) % 2:
        value = _names(COMPRESSIONS, _u16s(content[1:]))
    elif kind == 43:
        value = _names(VERSIONS, hello.supported_versions)
    elif kind == 51:
        value = _names(GROUPS, tuple(group for group, _ in hello.key_shares))
    return value or _size(content)


def _u16s(data: bytes) -> tuple[int, ...]:
    return tuple(
        int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data) - 1, 2)
    )


def _names(names: dict[int, str], numbers: tuple[int, ...]) -> str:
    return ", ".join(name_of(names, number) for number in numbers)


def _size(content: bytes) -> str:
    return f"{len(content)} bytes" if content else "empty"
