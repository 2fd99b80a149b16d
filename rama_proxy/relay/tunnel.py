"""What a tunnel carries: TLS is opened, HTTP goes to the relay, the rest is copied and listed.

The protocol decision for a connection whose server is known is here, in `carry`:

1. The server speaks first, or the client ends: raw bytes.
2. TLS: the client's hello is read, the server's handshake done, then the client's; look again.
3. HTTP/1: requests to `http1.serve`; HTTP/2: to `http2.serve`.
4. Anything else: raw bytes; in reverse mode it is refused as no HTTP.
"""

from __future__ import annotations

from rama_proxy.errors import RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request
from rama_proxy.net.channel import Channel
from rama_proxy.net.pool import Pool
from rama_proxy.net.waiting import changed
from rama_proxy.protocols.sniff import sniff, starts_http2
from rama_proxy.relay import http1, http2
from rama_proxy.relay.answer import refuse, send_response
from rama_proxy.relay.copy import copy, copy_upgraded, note_failure, tunnel_request
from rama_proxy.relay.http2_links import Links
from rama_proxy.relay.layers import closing, explaining
from rama_proxy.relay.sides import ClientSide
from rama_proxy.relay.terminate import open_tls
from rama_proxy.relay.upstream import adopt
from rama_proxy.relay.versions import choose_version
from rama_proxy.relay.wiring import Conn, open_upstream
from rama_proxy.service import stack


async def connect(conn: Conn, flow: Flow, client: ClientSide) -> None:
    """Serve a CONNECT: the server is dialled first, so that a 200 means what it says."""
    wiring = conn.wiring
    request = flow.request
    if wiring.hooks.http_connect:
        await wiring.hooks.run(wiring.hooks.http_connect, flow)
        if flow.response is not None:
            send_response(flow, client, flow.response)
            wiring.capture.end(flow)
            await conn.client.linger(wiring.phases.linger)
            return
    conn.target = (request.host, request.port)
    try:
        conn.upstream = await open_upstream(conn, "http", conn.target)
    except RamaError as error:
        flow.server = conn.server
        await refuse(conn, flow, error, client)
        return
    wiring.capture.active.pop(flow.id, None)
    client.establish()
    await carry(conn, request)


async def carry(conn: Conn, request: Request | None = None) -> None:
    """Carry a connection to its end: its target is known, `request` asked for it if one did."""
    client = conn.client
    protocol = await _first_protocol(conn)
    if protocol == "tls":
        if not await open_tls(conn):
            return
        protocol = await _first_protocol(conn)
    if protocol == "h2" and conn.wiring.options.http2:
        await serve_http2(conn)
        return
    if conn.fixed:
        protocol = "http1"  # a server of HTTP: what is not is refused there and never passed on
    if protocol == "http1":
        await serve_http1(conn)
    elif protocol is not None or client.buf or (conn.upstream is not None and conn.upstream.buf):
        await _carry_bytes(conn, request)


async def _first_protocol(conn: Conn) -> str | None:
    """What the client's first bytes are; None where it or the server ends, or the server begins.

    A server of HTTP/2 may begin with its SETTINGS (RFC 9113 3.4), and still waits for the client.
    """
    client, phases, upstream = conn.client, conn.wiring.phases, conn.upstream
    agreed = client.info.tls is not None and client.info.tls.alpn == "h2"
    idle = phases.preface if agreed else phases.tunnel  # who agreed on HTTP/2 begins at once
    waited = False
    while True:
        protocol = await client.peek(sniff, idle, phases.preface, upstream)
        if protocol is not None or client.eof or upstream is None or upstream.eof:
            return protocol
        if not starts_http2(upstream.buf):
            return None
        if waited:
            client.phase = phases.preface if client.buf else idle  # its time runs on
        else:
            client.enter(idle)
            waited = True
        await changed(client, upstream)


async def serve_http1(conn: Conn) -> None:
    """Serve a client that speaks HTTP/1, on the server's connection that there is."""
    choose_version(conn, http2=False)
    _hand_over(conn)
    await http1.serve(conn, connect, copy_upgraded)


async def serve_http2(conn: Conn) -> None:
    """Serve a client that speaks HTTP/2, on the server's connection that there is."""
    choose_version(conn, http2=True)
    _hand_over(conn)
    await http2.serve(conn, connect_stream, copy_upgraded)


async def connect_stream(conn: Conn, flow: Flow, client: ClientSide) -> None:
    """Serve a CONNECT on one stream of a client (RFC 9113 8.5); the stream is the tunnel."""
    conn.pool, conn.links = Pool(), Links()  # what is inside the tunnel shares nothing outside

    async def serve(conn: Conn) -> None:
        await connect(conn, flow, client)

    await stack(closing, explaining, service=serve)(conn)


def _hand_over(conn: Conn) -> None:
    """Let requests use the server's connection that was made before them."""
    if conn.upstream is not None:
        assert conn.target is not None
        adopt(conn, (conn.scheme, *conn.target), conn.upstream)
        conn.upstream = None


async def _carry_bytes(conn: Conn, request: Request | None) -> None:
    upstream = await _server_for_bytes(conn)
    if upstream is None:
        return
    flow = Flow(conn.client.info, request or tunnel_request(conn), "tcp")
    conn.wiring.capture.begin(flow)
    await copy(conn, upstream, flow)


async def _server_for_bytes(conn: Conn) -> Channel | None:
    """The server for a connection whose bytes are copied; a row and None if there is none."""
    assert conn.target is not None
    upstream, conn.upstream = conn.upstream, None
    if upstream is not None:
        return upstream
    try:
        if conn.problem is not None:
            raise conn.problem
        return await open_upstream(conn, conn.scheme, conn.target)
    except RamaError as error:
        await note_failure(conn, "tcp", error)
        conn.client.reset()
        return None
