"""The proxy's one port: HTTP, CONNECT, SOCKS and TLS to it, told apart by the first bytes."""

from __future__ import annotations

from rama_proxy.errors import (
    LoopError,
    ProtocolError,
    RamaError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.modes.spec import ModeSpec
from rama_proxy.net.channel import Channel
from rama_proxy.protocols import socks5
from rama_proxy.protocols.sniff import sniff
from rama_proxy.relay import tunnel
from rama_proxy.relay.copy import note_failure
from rama_proxy.relay.terminate import open_tls
from rama_proxy.relay.wiring import Conn, open_upstream
from rama_proxy.service import Service

H2_ANSWER = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + (  # SETTINGS, then GOAWAY HTTP_1_1_REQUIRED
    b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0d"
)  # RFC 9113 6.5, 6.8, 7


def make_service(spec: ModeSpec) -> Service[Conn]:
    """The service for clients that know they speak to a proxy."""
    return serve


async def serve(conn: Conn) -> None:
    """Serve one client, by what its first bytes say."""
    client, phases = conn.client, conn.wiring.phases
    protocol = await client.peek(sniff, phases.idle, phases.head)
    if protocol == "tls":
        if not await open_tls(conn):
            return
        protocol = await client.peek(sniff, phases.idle, phases.head)
    if protocol == "http1":
        await tunnel.serve_http1(conn)
    elif protocol in {"socks5", "socks4"}:
        await _serve_socks(conn, 5 if protocol == "socks5" else 4)
    elif protocol == "h2" and conn.wiring.options.http2:
        await tunnel.serve_http2(conn)
    elif protocol == "h2":
        client.write(H2_ANSWER)
        await note_failure(conn, "tcp", ProtocolError("HTTP/2 is off (--no-http2)"))
        await client.linger(phases.linger)
    elif protocol is not None:
        await _refuse_unknown(conn, client)


async def _refuse_unknown(conn: Conn, client: Channel) -> None:
    shown = bytes(client.buf[:16])
    error = ProtocolError(f"the client speaks neither HTTP, TLS nor SOCKS; it began with {shown!r}")
    await note_failure(conn, "tcp", error)
    client.buf.clear()
    client.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    await client.linger(conn.wiring.phases.linger)


async def _serve_socks(conn: Conn, version: int) -> None:
    """SOCKS5 (RFC 1928) or SOCKS4a: a target, an answer, and then what a tunnel carries."""
    client, phases = conn.client, conn.wiring.phases
    try:
        request = await _socks_request(conn, version)
        if request is None:
            return
        conn.target = (request.host, request.port)
        if request.command != socks5.CONNECT:
            raise ProtocolError(
                f"SOCKS command {request.command} is not supported, only CONNECT",
                status=socks5.COMMAND_NOT_SUPPORTED,
            )
        conn.upstream = await open_upstream(conn, "http", conn.target)
    except RamaError as error:
        client.write(socks5.serialize_reply(_reply_code(error), version=version))
        await note_failure(conn, "tcp", error)
        await client.linger(phases.linger)
        return
    host, port = conn.upstream.info.local or ("0.0.0.0", 0)  # noqa: S104  "none" of RFC 1928 6
    client.write(socks5.serialize_reply(socks5.SUCCEEDED, host, port, version=version))
    await tunnel.carry(conn)


async def _socks_request(conn: Conn, version: int) -> socks5.SocksRequest | None:
    client, phase = conn.client, conn.wiring.phases.preface
    limit = 1024
    if version == 4:
        return await client.receive(socks5.parse_socks4, limit, phase, phase)
    methods = await client.receive(socks5.parse_greeting, limit, phase, phase)
    if methods is None:
        return None
    method = socks5.select_method(methods)
    client.write(socks5.serialize_method(method))
    if method == socks5.NO_ACCEPTABLE_METHOD:
        raise ProtocolError("the SOCKS client offers no method without a password")
    return await client.receive(socks5.parse_request, limit, phase, phase)


def _reply_code(error: RamaError) -> int:
    """The reply of RFC 1928 6 that comes nearest."""
    if isinstance(error, ProtocolError):
        return error.status if error.status < 100 else socks5.GENERAL_FAILURE
    if isinstance(error, UpstreamTimeout):
        return socks5.TTL_EXPIRED
    if isinstance(error, LoopError):
        return socks5.NOT_ALLOWED
    if isinstance(error, UpstreamError):
        text = str(error)
        if "refused" in text:
            return socks5.CONNECTION_REFUSED
        return socks5.NETWORK_UNREACHABLE if "network" in text else socks5.HOST_UNREACHABLE
    return socks5.GENERAL_FAILURE
