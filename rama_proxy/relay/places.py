"""Where a request goes: what the connection says of it, and what the request itself."""

from __future__ import annotations

from rama_proxy.errors import ProtocolError
from rama_proxy.model.message import Request, split_authority
from rama_proxy.net.dial import is_ip
from rama_proxy.relay.wiring import Conn


def place(conn: Conn, request: Request) -> None:
    """Fill in where `request` goes. Raises ProtocolError where it does not say."""
    if conn.target is not None:
        host, port = conn.target
        request.scheme = conn.scheme
        request.port = port
        request.host = host if conn.fixed or not is_ip(host) else _named_host(conn, request, host)
        return
    if not request.host or request.scheme not in {"http", "https"}:
        raise ProtocolError(
            "this is a proxy: the request names no server in its target. Point the client at it,"
            " for example with curl -x, or start rama with --mode reverse:URL"
        )


def _named_host(conn: Conn, request: Request, address: str) -> str:
    """The name of the server at `address`, as the request or the TLS handshake gives it."""
    named = request.authority or request.headers.get("host")
    if named:
        try:
            return split_authority(named)[0] or address
        except ValueError:
            return address
    return conn.client.info.sni or address
