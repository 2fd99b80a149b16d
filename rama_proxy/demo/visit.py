"""Who visits the demo's servers, and what they ask for."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from rama_proxy.protocols.http2_limits import Limits

_USUAL = Limits()


@dataclass(slots=True, frozen=True)
class Agent:
    """Who asks: the fields of each request, and how its TLS and its HTTP/2 look.

    `fields` come before those of the request, `last_fields` behind them.
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    last_fields: tuple[tuple[str, str], ...] = ()
    ciphers: str = ""
    alpn: tuple[str, ...] = ()
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    trusts: bool = True
    pseudo: str = "masp"  # initials of HTTP/2's pseudo fields, in their order
    http2: Limits = _USUAL


@dataclass(slots=True)
class Visit:
    """One request, or several. `way` is connect (plain http by absolute-form), websocket, socks5
    or raw.

    `also` are more URLs of the same server that are asked for likewise: at once over HTTP/2, one
    after the other over HTTP/1.
    """

    agent: Agent
    method: str
    url: str
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    way: str = "connect"
    aside: bool = False  # takes long: others need not wait for it
    chunks: tuple[bytes, ...] = field(default=())
    also: tuple[str, ...] = ()

    @property
    def urls(self) -> tuple[str, ...]:
        """All that are asked for."""
        return (self.url, *self.also)

    @property
    def all_fields(self) -> list[tuple[str, str]]:
        """The fields of its requests but Host and those of the framing."""
        return [*self.agent.fields, *self.fields, *self.agent.last_fields]
