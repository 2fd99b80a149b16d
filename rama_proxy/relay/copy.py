"""Connections that are not HTTP: bytes go both ways as they come, and are kept up to the limit."""

from __future__ import annotations

from rama_proxy.errors import PeerClosed, RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response, authority_of
from rama_proxy.net.channel import Channel
from rama_proxy.net.waiting import changed
from rama_proxy.protocols.websocket import is_websocket
from rama_proxy.relay.exchange import Exchange
from rama_proxy.relay.websocket import carry_websocket
from rama_proxy.relay.wiring import Conn, close_upstream


async def copy(conn: Conn, upstream: Channel, flow: Flow) -> None:
    """Copy bytes both ways until both sides have ended, and write them down in `flow`."""
    client = conn.client
    flow.server = upstream.info
    if flow.response is None:
        flow.response = Response(0, "", "", Headers())
        flow.timing.response_begin = flow.timing.begin
    client.phase = upstream.phase = None
    try:
        await _copy(conn, upstream, flow)
    except RamaError as error:
        flow.error = str(error)
        client.reset()
    finally:
        flow.request.body.complete = flow.response.body.complete = True
        conn.wiring.capture.end(flow)
    await close_upstream(conn, upstream)


async def _copy(conn: Conn, upstream: Channel, flow: Flow) -> None:
    assert flow.response is not None
    client = conn.client
    limit = conn.wiring.options.body_limit
    ends = ((client, upstream, flow.request.body), (upstream, client, flow.response.body))
    finished = [False, False]
    client.enter(conn.wiring.phases.tunnel)
    while not all(finished):
        moved = False
        for index, (source, sink, body) in enumerate(ends):
            if source.buf and sink.writable:
                data = bytes(source.buf)
                source.buf.clear()
                sink.write(data)
                conn.wiring.capture.keep(flow, body, data, limit)
                client.last = max(client.last, source.last)  # either side's bytes keep it open
                moved = True
            if source.eof and not source.buf and not finished[index]:
                finished[index] = True
                if source.error is not None and not isinstance(source.error, PeerClosed):
                    raise source.error
                sink.finish()
                moved = True
        if client.lost or (upstream.lost and not upstream.buf):
            return
        if not moved:
            await changed(client, upstream)


async def copy_upgraded(conn: Conn, exchange: Exchange) -> None:
    """Carry a connection that a 101 took away from HTTP."""
    assert exchange.server is not None
    flow = exchange.flow
    assert flow.response is not None
    upgrade = flow.response.headers.get("upgrade") or flow.request.headers.get("upgrade")
    upgrade = upgrade or flow.request.protocol
    if is_websocket(upgrade):
        await carry_websocket(conn, exchange.server.stream, flow)
        return
    flow.notes.append(f"upgraded to {upgrade or 'another protocol'}, bytes copied")
    await copy(conn, exchange.server.stream, flow)


async def note_failure(conn: Conn, kind: str, error: RamaError) -> None:
    """A row for a connection that failed before it carried a request."""
    wiring = conn.wiring
    flow = Flow(conn.client.info, tunnel_request(conn), kind)
    flow.server = conn.server
    flow.error = str(error)
    wiring.capture.begin(flow)
    if wiring.hooks.error:
        await wiring.hooks.run(wiring.hooks.error, flow)
    wiring.capture.end(flow)


def tunnel_request(conn: Conn) -> Request:
    """A CONNECT that says where a tunnel goes, for a client that sent none."""
    host, port = conn.target or ("", 0)
    authority = authority_of("", host, port)
    request = Request("CONNECT", authority.encode("latin-1", "replace"), "", Headers())
    request.scheme = "tls" if conn.client.info.tls is not None else "tcp"
    request.host, request.port, request.authority = host, port, authority
    return request
