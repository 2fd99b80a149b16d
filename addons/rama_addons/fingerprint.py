"""Fingerprints of peers: JA3, JA4 and HTTP/2 start of each client, JA3S of each server.

JA3 and JA3S are Salesforce's, JA4 is FoxIO's; all three are BSD-3. The other methods of FoxIO
(JA4S, JA4H, JA4X) have another licence and are left out. That of HTTP/2 is Akamai's, of the paper
"Passive Fingerprinting of HTTP/2 Clients". Written from the published descriptions.
"""

from collections.abc import Iterable
from hashlib import md5, sha256

from rama_proxy import (
    ClientHello,
    ClientHelloData,
    Http2StartData,
    ServerConnectData,
    ServerHello,
)

annotations = {
    "ja3": "MD5 of version, ciphers, extensions, groups and point formats, in wire order",
    "ja3n": "JA3 with sorted extensions, the same for a client that shuffles them",
    "ja3s": "MD5 of the version, cipher and extensions that a server chose",
    "ja4": "shape of the ClientHello, hash of its ciphers, hash of its extensions, sorted",
    "ja4_r": "JA4 with lists in place of hashes",
    "ja4_o": "JA4 in wire order, server name and ALPN included",
    "ja4_ro": "JA4 in wire order with lists in place of hashes",
    "h2fp": "MD5 of h2fp_text",
    "h2fp_text": "a client's HTTP/2 settings, window, priorities and order of pseudo fields",
}

GREASE = frozenset(range(0x0A0A, 0x10000, 0x1010))  # RFC 8701 2

MAX_KNOWN = 512  # fingerprints kept: most connections of a client repeat the one before

_known: dict[tuple[object, ...], dict[str, str]] = {}
_SERVER_NAME, _ALPN = 0, 16
_NOTHING = "0" * 12
_VERSIONS = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
}


def tls_clienthello(data: ClientHelloData) -> None:
    """Annotate the client."""
    hello = data.client_hello
    key = _all_that_counts(hello)
    names = _known.get(key)
    if names is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()  # clients that shuffle their extensions never come back
        names = _known[key] = ja3_names(hello) | ja4_names(hello)
    data.client.annotations.update(names)


def tls_established_server(data: ServerConnectData) -> None:
    """Annotate the server, where its ServerHello was kept."""
    if data.server.tls is not None and data.server.tls.server_hello:
        hello = ServerHello.from_bytes(data.server.tls.server_hello)
        if not hello.is_retry_request:
            data.server.annotations["ja3s"] = ja3s_name(hello)


def http2_start(data: Http2StartData) -> None:
    """Annotate the client."""
    data.client.annotations["h2fp"] = data.start.akamai_hash
    data.client.annotations["h2fp_text"] = data.start.akamai


def _all_that_counts(hello: ClientHello) -> tuple[object, ...]:
    """What the fingerprints are made of: equal for two hellos of one client."""
    return (
        hello.legacy_version,
        hello.ciphers,
        tuple(kind for kind, _ in hello.extensions),
        hello.groups,
        hello.point_formats,
        hello.signature_algorithms,
        hello.supported_versions,
        hello.alpn[:1],
    )


def ja3_names(hello: ClientHello) -> dict[str, str]:
    """JA3 of `hello`, plain and with sorted extensions."""
    extensions = _without_grease(kind for kind, _ in hello.extensions)
    return {
        "ja3": _md5(ja3_text(hello, extensions)),
        "ja3n": _md5(ja3_text(hello, sorted(extensions))),
    }


def ja3_text(hello: ClientHello, extensions: Iterable[int]) -> str:
    """What JA3 hashes, with the types of `extensions` in the order given."""
    fields = (
        _without_grease(hello.ciphers),
        extensions,
        _without_grease(hello.groups),
        hello.point_formats,
    )
    return ",".join((str(hello.legacy_version), *(_decimal(field) for field in fields)))


def ja3s_name(hello: ServerHello) -> str:
    """JA3S of `hello`."""
    return _md5(ja3s_text(hello))


def ja3s_text(hello: ServerHello) -> str:
    """What JA3S hashes."""
    kinds = _decimal(kind for kind, _ in hello.extensions)
    return f"{hello.legacy_version},{hello.cipher},{kinds}"


def ja4_names(hello: ClientHello) -> dict[str, str]:
    """JA4 of `hello` in its four variants."""
    ciphers = _hex(_without_grease(hello.ciphers))
    kinds = _without_grease(kind for kind, _ in hello.extensions)
    signatures = _hex(_without_grease(hello.signature_algorithms))
    shape = _shape(hello, len(ciphers), kinds)
    plain = (
        ",".join(sorted(ciphers)),
        _joined(
            sorted(_hex(kind for kind in kinds if kind not in {_SERVER_NAME, _ALPN})), signatures
        ),
    )
    in_order = (",".join(ciphers), _joined(_hex(kinds), signatures))
    return {
        "ja4": "_".join((shape, *map(_sha12, plain))),
        "ja4_r": "_".join((shape, *plain)),
        "ja4_o": "_".join((shape, *map(_sha12, in_order))),
        "ja4_ro": "_".join((shape, *in_order)),
    }


def alpn_letters(first: bytes) -> str:
    """The two letters that stand in JA4 for the protocol offered first, "00" for none."""
    if not first:
        return "00"
    ends = first[:1] + first[-1:]
    if ends.isalnum():
        return ends.decode("ascii")
    return first[:1].hex()[0] + first[-1:].hex()[1]


def _shape(hello: ClientHello, ciphers: int, kinds: list[int]) -> str:
    """The readable part of JA4. A `t` begins it: this proxy sees TLS over TCP alone."""
    version = max(_without_grease(hello.supported_versions), default=hello.legacy_version)
    name = "d" if _SERVER_NAME in kinds else "i"
    counts = f"{min(ciphers, 99):02}{min(len(kinds), 99):02}"
    alpn = alpn_letters(hello.alpn[0] if hello.alpn else b"")
    return f"t{_VERSIONS.get(version, '00')}{name}{counts}{alpn}"


def _joined(kinds: list[str], signatures: list[str]) -> str:
    """Extensions and, where there are any, signature algorithms behind them."""
    return ",".join(kinds) + ("_" + ",".join(signatures) if signatures else "")


def _without_grease(values: Iterable[int]) -> list[int]:
    return [value for value in values if value not in GREASE]


def _decimal(values: Iterable[int]) -> str:
    return "-".join(map(str, values))


def _hex(values: Iterable[int]) -> list[str]:
    return [f"{value:04x}" for value in values]


def _md5(text: str) -> str:
    return md5(text.encode("ascii"), usedforsecurity=False).hexdigest()


def _sha12(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()[:12] if text else _NOTHING
