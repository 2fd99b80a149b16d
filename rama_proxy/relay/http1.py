"""Requests of a client that speaks HTTP/1, one after the other, each through `exchange`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from rama_proxy.errors import PeerClosed, PeerTimeout, ProtocolError, RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request
from rama_proxy.protocols import http1
from rama_proxy.relay.answer import refuse
from rama_proxy.relay.exchange import Exchange
from rama_proxy.relay.http1_client import Http1Client
from rama_proxy.relay.places import place
from rama_proxy.relay.sides import ClientSide
from rama_proxy.relay.wiring import Conn

Connect = Callable[[Conn, Flow, ClientSide], Awaitable[None]]
Upgrade = Callable[[Conn, Exchange], Awaitable[None]]

MAX_SHOWN = 4096  # bytes of a malformed head that go into its row


async def serve(conn: Conn, on_connect: Connect, on_upgrade: Upgrade) -> None:
    """Serve requests until the client or an answer ends the connection.

    A CONNECT goes to `on_connect`, a connection that changed its protocol to `on_upgrade`; both
    carry the connection to its end.
    """
    wiring = conn.wiring
    options, phases = wiring.options, wiring.phases
    parse = partial(http1.parse_request, max_fields=options.max_fields)
    client = conn.client
    while True:
        try:
            request = await client.receive(parse, options.max_head, phases.idle, phases.head)
        except RamaError as error:
            await _refuse_malformed(conn, error)
            return
        if request is None:
            return
        flow = Flow(client.info, request)
        wiring.capture.begin(flow)
        try:
            # Where the target is known, a CONNECT is for that server.
            tunnel = request.method == "CONNECT" and conn.target is None
            try:
                if not tunnel:
                    place(conn, request)
                side = Http1Client(client, flow, http1.request_framing(request))
            except ProtocolError as error:
                await refuse(conn, flow, error, Http1Client(client, flow))
                return
            if tunnel:
                await on_connect(conn, flow, side)
                return
            exchange = Exchange(conn, flow, side)
            keep = await exchange.run()
        except BaseException as error:
            wiring.capture.break_off(flow, error)
            raise
        if exchange.upgraded:
            await on_upgrade(conn, exchange)
            return
        if not keep:
            await client.linger(phases.linger)
            return


async def _refuse_malformed(conn: Conn, error: RamaError) -> None:
    """A head that cannot be read: 400, and a row that shows the bytes and says why."""
    client = conn.client
    if isinstance(error, PeerTimeout) and not client.buf:
        client.close()  # an idle connection has had its time; that is no failure
        return
    if isinstance(error, PeerClosed) and not client.buf.strip():
        return  # old clients end a body with a CRLF too many (RFC 9112 2.2)
    request = Request("", b"", "", Headers(), bytes(client.buf[:MAX_SHOWN]))
    line = request.raw.partition(b"\n")[0].rstrip(b"\r")
    method, _, rest = line.partition(b" ")
    request.method = method[:32].decode("latin-1")
    request.target = rest.rpartition(b" ")[0][:1024] or rest[:1024]
    request.scheme = conn.scheme
    if conn.target is not None:
        request.host, request.port = conn.target
    flow = Flow(client.info, request)
    flow.notes.append("malformed: never sent on")
    conn.wiring.capture.begin(flow)
    client.buf.clear()
    if isinstance(error, PeerTimeout):
        timeout = ProtocolError(str(error), 408)
        await refuse(conn, flow, timeout, Http1Client(client, flow))
    else:
        await refuse(conn, flow, error, Http1Client(client, flow))
