"""Which connection a request goes to its server on: one that waits, one that is shared, a new one.

HTTP/2 connections are shared by all requests of one client, HTTP/1 ones carry a request at a time.
"""

from __future__ import annotations

import copy

from rama_proxy.errors import PeerClosed, RamaError, UpstreamTimeout
from rama_proxy.model.flow import Flow
from rama_proxy.net.channel import Channel
from rama_proxy.net.pool import Key
from rama_proxy.net.waiting import Signal, changed
from rama_proxy.protocols.websocket import is_websocket
from rama_proxy.relay.http1_server import Http1Server
from rama_proxy.relay.http2_link import Link
from rama_proxy.relay.http2_links import Dial
from rama_proxy.relay.http2_sides import Http2Server
from rama_proxy.relay.sides import ServerSide
from rama_proxy.relay.wiring import Conn, close_upstream, open_upstream

HTTP1_ONLY = (b"http/1.1",)
MAX_HTTP1 = 64  # connections of HTTP/1 in use for one client; browsers take 6 to one host
Place = tuple[str, str, int]  # scheme, host, port


def side_at_hand(conn: Conn, flow: Flow, assigned: Place) -> ServerSide | None:
    """What `server_for` gives where a connection of HTTP/1 waits, in one step; else None."""
    key = _destination(conn, flow, assigned)
    links, pool = conn.links, conn.pool
    if conn.client.lost or key in links.open or links.busy >= MAX_HTTP1:
        return None
    stream, reused = pool.take(key)
    if stream is None:
        return None
    if not pool.usable(stream):
        pool.give(key, stream, used=reused)  # closing it takes time
        return None
    links.busy += 1
    flow.server = stream.info
    return Http1Server(conn, key, stream, reused=reused)


async def server_for(conn: Conn, flow: Flow, assigned: Place, *, fresh: bool = False) -> ServerSide:
    """The server's end for `flow`. Raises UpstreamError, and PeerClosed when its client is gone.

    `assigned` is where the request went before addons saw it. `fresh` takes no connection that
    waited.
    """
    if conn.client.lost:  # who takes back what was just asked costs no server (CVE-2023-44487)
        raise conn.client.error or PeerClosed("the client closed before its request was sent")
    key = _destination(conn, flow, assigned)
    while True:
        link = conn.links.open.get(key)
        if link is not None:
            websocket = _asks_for_websocket(flow)
            if not link.usable:
                await _leave(conn, key, link)
                continue
            if not await _has_room(conn, link, websocket):
                continue
            if not websocket or link.http2.peer_connect_protocol:
                flow.server = link.channel.info
                return Http2Server(link)
        elif key in conn.links.dialling:
            await _wait_for_dial(conn, conn.links.dialling[key])
            continue
        if conn.links.busy >= MAX_HTTP1:
            await _wait_turn(conn)
            continue
        side = await _http1_side(conn, flow, key, fresh=fresh, http1=link is not None)
        if side is not None:
            return side


def _asks_for_websocket(flow: Flow) -> bool:
    request = flow.request
    return bool(request.protocol) or is_websocket(request.headers.get("upgrade"))


async def _http1_side(
    conn: Conn, flow: Flow, key: Key, *, fresh: bool, http1: bool
) -> Http1Server | None:
    """A connection that waited, or a new one; None where that turned out to speak HTTP/2.

    `http1`: it must not, and is none that waited.
    """
    links = conn.links
    links.busy += 1
    side: Http1Server | None = None
    try:
        if not fresh and not http1:
            side = await _waiting(conn, key)
        if side is None:
            stream = await _dial(conn, flow, key, http1=http1)
            if not http1 and speaks_http2(conn, key[0], stream):
                adopt(conn, key, stream)
                return None
            if not http1:
                links.knows_http1(key)
            side = Http1Server(conn, key, stream, reused=False)
    finally:
        if side is None:
            links.free()
    flow.server = side.stream.info
    return side


def _destination(conn: Conn, flow: Flow, assigned: Place) -> Key:
    """Where the request goes: the connection's target, unless an addon chose another place."""
    request = flow.request
    asked = (request.scheme, request.host, request.port)
    if conn.target is not None and asked == assigned:
        return (conn.scheme, *conn.target)
    return asked


def speaks_http2(conn: Conn, scheme: str, stream: Channel) -> bool:
    """Whether HTTP/2 is spoken on a connection to a server that was just made."""
    if scheme == "https":
        return stream.info.alpn == "h2"
    return conn.prior_knowledge


def adopt(conn: Conn, key: Key, stream: Channel) -> None:
    """Take over a connection on which no request was sent yet."""
    if not speaks_http2(conn, key[0], stream):
        conn.pool.give(key, stream, used=False)
        return
    link = Link(stream, conn.wiring.dialer.sweeper, conn.wiring.limits, client=True)
    conn.links.add(key, link)
    link.start()


async def _waiting(conn: Conn, key: Key) -> Http1Server | None:
    """A connection that waits for a request."""
    while True:
        stream, reused = conn.pool.take(key)
        if stream is None:
            return None
        if conn.pool.usable(stream):
            return Http1Server(conn, key, stream, reused=reused)
        await close_upstream(conn, stream)


async def _dial(conn: Conn, flow: Flow, key: Key, *, http1: bool) -> Channel:
    """A new connection. Others that want the first one to this server wait for it meanwhile."""
    scheme, where = key[0], (key[1], key[2])
    shared = not http1 and key not in conn.links.http1
    dial = Dial()
    if shared:
        conn.links.dialling[key] = dial
    try:
        if conn.problem is not None and where == conn.target:
            raise conn.problem
        return await open_upstream(conn, scheme, where, HTTP1_ONLY if http1 else ())
    except PeerClosed:
        raise  # its client left, or reset this stream: that is no problem of others
    except RamaError as error:
        dial.problem = copy.copy(error)  # each who waits raises one without another's frames
        raise
    finally:
        flow.server = conn.server
        if shared:
            del conn.links.dialling[key]
            dial.end()


async def _wait_for_dial(conn: Conn, dial: Dial) -> None:
    """Wait for another request's new connection; raises what it failed with."""
    signal = Signal()
    dial.waiting.append(signal)
    while not dial.over:
        await changed(signal, conn.client)
        _check_client(conn)
    if dial.problem is not None:
        raise copy.copy(dial.problem)


async def _has_room(conn: Conn, link: Link, websocket: bool) -> bool:
    """Wait until `link` takes a stream; False when it never will. Raises UpstreamTimeout."""
    client = conn.client
    signal = Signal()
    while not link.http2.can_open or (websocket and not link.settled):
        if not link.usable:
            return False
        link.waiting[signal] = None
        client.enter(conn.wiring.phases.response_head)
        try:
            await changed(signal, client)
        finally:
            link.waiting.pop(signal, None)
        _check_client(conn)
        client.phase = None
    return True


async def _wait_turn(conn: Conn) -> None:
    """Wait until one of the connections in use is free."""
    signal = Signal()
    conn.links.turns.append(signal)
    client = conn.client
    client.enter(conn.wiring.phases.response_head)
    try:
        await changed(signal, client)
        _check_client(conn)
        client.phase = None
    except BaseException:
        if signal not in conn.links.turns:
            conn.links.pass_turn()  # it was ours, and we do not take it
        raise
    finally:
        if signal in conn.links.turns:
            conn.links.turns.remove(signal)


def _check_client(conn: Conn) -> None:
    """Raise when the client went while its request waited for a connection."""
    client = conn.client
    if client.error is not None and not isinstance(client.error, PeerClosed):
        raise UpstreamTimeout("the server takes no more requests at once")
    if client.lost:
        raise client.error or PeerClosed("the client closed before its request was sent")


async def _leave(conn: Conn, key: Key, link: Link) -> None:
    """Send no more requests on `link`; those under way go on."""
    del conn.links.open[key]
    conn.links.left.append(link)
    for channel in conn.links.ended():
        await close_upstream(conn, channel)
