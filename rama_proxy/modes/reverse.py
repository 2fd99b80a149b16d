"""Reverse mode: clients take the proxy for the server, and every request goes to one target."""

from __future__ import annotations

from rama_proxy.model.message import authority_of
from rama_proxy.modes.spec import ModeSpec
from rama_proxy.relay import tunnel
from rama_proxy.relay.wiring import Conn
from rama_proxy.service import Service


def make_service(spec: ModeSpec) -> Service[Conn]:
    """The service for clients that do not know of the proxy, over HTTP or TLS."""
    target = spec.target
    assert target is not None

    async def serve(conn: Conn) -> None:
        conn.target = target
        conn.scheme = spec.scheme
        conn.fixed = True
        if not conn.wiring.options.keep_host:
            conn.host_header = authority_of(spec.scheme, *target)
        await tunnel.carry(conn)

    return serve
