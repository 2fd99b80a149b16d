"""What is known about one connection and its TLS."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

Address = tuple[str, int]

OWN = "own"  # `mode` of what stands for a client where Rama itself sends a request

_ids = itertools.count(1)


def reserve_ids(first: int) -> None:
    """Let the next connection's id be `first`: the engine sets it past those in its store."""
    global _ids  # the counter is the one thing that a process has to share
    _ids = itertools.count(first)


@dataclass(slots=True, eq=False)
class TlsInfo:
    """One side's TLS, as negotiated. Fields stay empty where the handshake did not get so far."""

    version: str = ""  # "TLSv1.3"
    cipher: str = ""  # OpenSSL's name
    group: str = ""  # key exchange group, "X25519MLKEM768"
    alpn: str = ""
    alpn_offered: tuple[str, ...] = ()
    sni: str = ""
    client_hello: bytes = b""  # the handshake message, without record headers
    server_hello: bytes = b""  # the same for the answer; empty where we are the server
    certificates: tuple[bytes, ...] = ()  # the peer's chain in DER, leaf first
    verify_error: str = ""  # why the peer's chain is not trusted, "" if it is
    resumed: bool = False


@dataclass(slots=True, eq=False)
class ConnectionInfo:
    """One TCP connection, to a client (`side` "client") or to a server ("server").

    Times are `time.monotonic` seconds, None until they happen; `started` alone is wall clock.
    """

    side: str
    peer: Address | None = None
    local: Address | None = None
    address: Address | None = None  # server side: name and port asked for, before DNS
    original: Address | None = None  # transparent mode: where the client wanted to go
    via: str = ""  # upstream proxy, "" if direct
    mode: str = ""
    tls: TlsInfo | None = None
    h2_start: bytes = b""
    started: float = 0.0
    opened: float | None = None
    resolved: float | None = None
    connected: float | None = None
    secured: float | None = None
    closed: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    error: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    id: int = field(default_factory=lambda: next(_ids))

    @property
    def is_own(self) -> bool:
        """Whether no client is there: Rama itself sends the request, as a replay does."""
        return self.side == "client" and self.mode == OWN

    @property
    def peername(self) -> Address | None:
        """mitmproxy's name for `peer`."""
        return self.peer

    @property
    def sni(self) -> str:
        """The server name of the TLS handshake, "" without."""
        return self.tls.sni if self.tls else ""

    @property
    def alpn(self) -> str:
        """The protocol that TLS negotiated, "" without."""
        return self.tls.alpn if self.tls else ""

    @property
    def tls_established(self) -> bool:
        """Whether the TLS handshake is done."""
        return self.secured is not None
