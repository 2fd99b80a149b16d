"""Names in certificates: which may be signed, which are claimed, and whether one fits a host.

Everything here comes from strangers: server names of clients, certificates of servers. Knows
nothing of keys or of TLS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

MAX_NAMES = 128  # in one leaf; the largest shared certificates hold about 100
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")  # the underscore is common in private zones

# What cryptography raises for a certificate that does not parse.
BROKEN = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def dns_name(text: str, *, wildcard: bool = False) -> str:
    """`text` as the DNS name a certificate may carry: A-labels, lower case; "" if it is none.

    `wildcard` lets the whole left-most label be `*`, with two labels or more after it.
    """
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or labels[-1].isdigit() or not text.isascii():
        return ""  # not ASCII: the Kelvin sign in lower case is "k"
    if wildcard and labels[0] == "*" and len(labels) > 2:
        labels = labels[1:]
    return name if all(_LABEL.match(label) for label in labels) else ""


@lru_cache(1024)
def ip_literal(text: str) -> IPv4Address | IPv6Address | None:
    """The address that `text` spells, with or without brackets and zone, or None."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def general_names(host: str, names: Iterable[str]) -> list[x509.GeneralName]:
    """What a leaf for `host` may carry of `host` and `names`, `host` first, without repeats.

    Only `names` may hold wildcards: no client asks for a host called `*`.
    """
    found = dict.fromkeys(_general_name(host, wildcard=False))
    for name in names:
        if len(found) >= MAX_NAMES:
            break
        found.update(dict.fromkeys(_general_name(name, wildcard=True)))
    return list(found)


def _general_name(text: str, *, wildcard: bool) -> list[x509.GeneralName]:
    if address := ip_literal(text):
        return [x509.IPAddress(address)]
    name = dns_name(text, wildcard=wildcard)
    return [x509.DNSName(name)] if name else []


def certificate_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and addresses that `certificate` claims, its common name last if it is one."""
    found = dict.fromkeys(alternative_names(certificate))
    for name in _common_names(certificate):
        if ip_literal(name) or dns_name(name, wildcard=True):
            found[name] = None
    return tuple(found)


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names and addresses in the subjectAltName, as they stand there."""
    return [*_san_dns(certificate), *map(str, _san_addresses(certificate))]


def matches(certificate: x509.Certificate, host: str) -> bool:
    """Whether `certificate` is for `host` by its subjectAltName alone (RFC 9525 6)."""
    if address := ip_literal(host):
        return address in _san_addresses(certificate)
    name = dns_name(host)
    parent = name.partition(".")[2]
    for pattern in _san_dns(certificate):
        pattern = pattern.lower()
        if name and pattern == name:
            return True
        if parent and pattern == f"*.{parent}" and dns_name(pattern, wildcard=True):
            return True
    return False


def _san(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (*BROKEN, x509.ExtensionNotFound):
        return None  # a certificate whose names cannot be read is for nobody
    return extension.value


def _san_dns(certificate: x509.Certificate) -> list[str]:
    san = _san(certificate)
    return san.get_values_for_type(x509.DNSName) if san else []


def _san_addresses(certificate: x509.Certificate) -> list[object]:
    san = _san(certificate)
    return list(san.get_values_for_type(x509.IPAddress)) if san else []


def _common_names(certificate: x509.Certificate) -> list[str]:
    try:
        attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except BROKEN:
        return []
    return [attribute.value for attribute in attributes if isinstance(attribute.value, str)]
