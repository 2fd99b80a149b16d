"""TLS opened in the middle: the server's handshake first, and what it told goes to the client."""

from __future__ import annotations

from rama_proxy.addon import ClientHelloData
from rama_proxy.errors import PeerClosed, RamaError, UpstreamError
from rama_proxy.model.connection import TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.net.tls import make_server_engine, peer_names
from rama_proxy.protocols.client_hello import ClientHello, parse_client_hello
from rama_proxy.relay.copy import copy, note_failure, tunnel_request
from rama_proxy.relay.versions import answer, offers
from rama_proxy.relay.wiring import Conn, close_upstream, open_upstream, secure_upstream

HYBRID_GROUPS = frozenset({0x11EB, 0x11EC, 0x11ED, 0x6399})  # ML-KEM with an elliptic curve


async def open_tls(conn: Conn) -> bool:
    """Do both handshakes of a client whose hello is in the buffer; whether the connection goes on.

    A server that fails does not end it: `conn.problem` then answers every request inside the TLS,
    where the client can read it.
    """
    hello = await _read_hello(conn)
    if hello is None:
        return False
    if conn.target is None:  # TLS to the proxy itself
        return await _accept(conn, hello)
    if await _passed_on(conn, hello):
        await _pass_on(conn)
        return False
    conn.alpn_offered = offers(conn, hello.alpn)
    conn.post_quantum = bool(HYBRID_GROUPS.intersection(hello.groups))
    try:
        if conn.upstream is not None:
            conn.scheme = "https"
            await secure_upstream(conn, conn.upstream)
        elif conn.scheme == "https":
            conn.upstream = await open_upstream(conn, "https", conn.target)
    except PeerClosed as error:
        await _give_up(conn, error)
        return False
    except UpstreamError as error:
        conn.problem = error
        if conn.upstream is not None:
            conn.upstream.info.error = str(error)
            await close_upstream(conn, conn.upstream)
            conn.upstream = None
    return await _accept(conn, hello)


async def _read_hello(conn: Conn) -> ClientHello | None:
    phase = conn.wiring.phases.preface
    try:
        return await conn.client.peek(parse_client_hello, phase, phase)
    except RamaError as error:
        await _give_up(conn, error)
        return None


async def _give_up(conn: Conn, error: RamaError) -> None:
    """Close a client whose handshake cannot be ended, and write down why."""
    conn.client.info.error = str(error)
    await note_failure(conn, "tls", error)
    conn.client.close()


async def _passed_on(conn: Conn, hello: ClientHello) -> bool:
    """Note the hello on the connection, let addons see it; whether one wants it left alone."""
    info = conn.client.info
    info.tls = TlsInfo(
        sni=hello.sni,
        alpn_offered=tuple(name.decode("latin-1") for name in hello.alpn),
        client_hello=hello.raw,
    )
    hooks = conn.wiring.hooks
    if not hooks.tls_clienthello:
        return False
    data = ClientHelloData(info, hello)
    await hooks.run(hooks.tls_clienthello, data)
    return data.ignore_connection


async def _pass_on(conn: Conn) -> None:
    """Copy a TLS connection that somebody wants left alone."""
    assert conn.target is not None
    try:
        upstream = conn.upstream or await open_upstream(conn, "http", conn.target)
    except RamaError as error:
        await note_failure(conn, "tls", error)
        conn.client.close()
        return
    conn.upstream = None
    flow = Flow(conn.client.info, tunnel_request(conn), "tcp")
    flow.notes.append("TLS passed on unopened")
    conn.wiring.capture.begin(flow)
    await copy(conn, upstream, flow)


async def _accept(conn: Conn, hello: ClientHello) -> bool:
    """The handshake with the client, by a certificate made for the server's names."""
    client, wiring = conn.client, conn.wiring
    info = client.info
    names: tuple[str, ...] = ()
    if conn.upstream is not None and conn.upstream.info.tls is not None:
        tls = conn.upstream.info.tls
        names = peer_names(tls.certificates[0]) if tls.certificates else ()
    if conn.target is not None:
        names += (conn.target[0],)
    own = info.local[0] if info.local else "localhost"
    host = hello.sni or (conn.target[0] if conn.target is not None else own)
    engine = make_server_engine(
        wiring.contexts, host, names, answer(conn, hello.alpn), client.sink()
    )
    try:
        await client.secure(engine, wiring.phases.handshake)
    except RamaError as error:
        await _give_up(conn, error)
        return False
    finally:
        if conn.target is not None:
            noted, info.tls = info.tls, engine.info()
            if noted is not None:
                info.tls.sni, info.tls.alpn_offered = noted.sni, noted.alpn_offered
                info.tls.client_hello = noted.client_hello
    return True
