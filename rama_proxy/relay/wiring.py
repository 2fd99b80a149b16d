"""What every connection shares, and what the relay knows of one connection."""

from __future__ import annotations

from dataclasses import dataclass, field

from rama_proxy.addon import ServerConnectData
from rama_proxy.capture import Capture
from rama_proxy.certs.contexts import Contexts
from rama_proxy.config import Options
from rama_proxy.errors import PeerClosed, PeerTimeout, RamaError, UpstreamError, UpstreamTimeout
from rama_proxy.hooks import Hooks
from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.net.channel import Channel
from rama_proxy.net.dial import Dialer
from rama_proxy.net.pool import Pool
from rama_proxy.net.tls import make_client_engine
from rama_proxy.net.waiting import Phase
from rama_proxy.protocols.http2_limits import Limits
from rama_proxy.relay.http2_links import Links


class Phases:
    """The time limits of Options as phases of a stream."""

    def __init__(self, options: Options) -> None:
        self.idle = Phase("next request", options.idle_timeout, resting=True)
        self.head = Phase("complete request head", options.head_timeout, whole=True)
        self.handshake = Phase("complete TLS handshake", options.handshake_timeout, whole=True)
        self.preface = Phase("complete handshake", options.handshake_timeout, whole=True)
        self.request_body = Phase("request body data", options.body_timeout)
        self.response_head = Phase("response", options.response_timeout)
        self.response_body = Phase("response body data", options.stream_timeout)
        self.tunnel = Phase("data in the tunnel", options.tunnel_timeout, resting=True)
        self.linger = Phase("close", 2.0, whole=True)


@dataclass(slots=True)
class Wiring:
    """What every connection shares; the engine makes the one there is."""

    options: Options
    hooks: Hooks
    capture: Capture
    contexts: Contexts
    dialer: Dialer
    phases: Phases
    limits: Limits = field(default_factory=Limits)  # of HTTP/2 connections


@dataclass(slots=True, eq=False)
class Conn:
    """A client's connection on its way through the relay.

    `target` is where all its requests go (CONNECT, SOCKS, reverse), None while each request says so
    itself; `problem` is why that server cannot be used: every request is answered with it.
    """

    client: Channel
    wiring: Wiring
    pool: Pool
    scheme: str = "http"
    target: Address | None = None
    fixed: bool = False  # reverse mode: the client does not say where to
    host_header: str = ""  # reverse mode: what Host is rewritten to, "" leaves it
    upstream: Channel | None = None  # dialled, and no request sent on it yet
    problem: RamaError | None = None
    server: ConnectionInfo | None = None  # of the connection that `problem` is about
    alpn_offered: tuple[bytes, ...] = field(default=(b"http/1.1",))
    post_quantum: bool = True  # whether the client offers a hybrid group, mirrored to the server
    prior_knowledge: bool = False  # HTTP/2 is spoken to the server without TLS
    links: Links = field(default_factory=Links)

    def for_stream(self, stream: Channel) -> Conn:
        """The same for one stream of the client's: servers are shared, the rest is its own."""
        return Conn(
            stream,
            self.wiring,
            self.pool,
            self.scheme,
            self.target,
            self.fixed,
            self.host_header,
            None,
            self.problem,
            self.server,
            self.alpn_offered,
            self.post_quantum,
            self.prior_knowledge,
            self.links,
        )


async def open_upstream(
    conn: Conn, scheme: str, address: Address, alpn: tuple[bytes, ...] = ()
) -> Channel:
    """A new stream to `address`, with TLS for "https". Raises UpstreamError and its kinds.

    `alpn` is offered in place of what the client offered.
    """
    wiring = conn.wiring
    info = ConnectionInfo("server", address=address, mode=conn.client.info.mode)
    data = ServerConnectData(info, conn.client.info)
    conn.server = info
    stream: Channel | None = None
    try:
        if wiring.hooks.server_connect:
            await wiring.hooks.run(wiring.hooks.server_connect, data)
            if info.error:
                raise UpstreamError(info.error)
        stream = await wiring.dialer.connect(info)
        if scheme == "https":
            await secure_upstream(conn, stream, alpn)
    except RamaError as error:
        if stream is not None:
            stream.close()
        info.error = str(error)
        wiring.capture.closed(info)
        if wiring.hooks.server_connect_error:
            await wiring.hooks.run(wiring.hooks.server_connect_error, data)
        raise
    if wiring.hooks.server_connected:
        await wiring.hooks.run(wiring.hooks.server_connected, data)
    return stream


async def secure_upstream(conn: Conn, stream: Channel, alpn: tuple[bytes, ...] = ()) -> None:
    """The TLS handshake with a server, by the name that the client asked for."""
    info = stream.info
    assert info.address is not None
    name = conn.client.info.sni if conn.target is not None else ""
    engine = make_client_engine(
        conn.wiring.contexts,
        name or info.address[0],
        alpn or conn.alpn_offered,
        stream.sink(),
        post_quantum=conn.post_quantum,
    )
    try:
        await stream.secure(engine, conn.wiring.phases.handshake, conn.client)
    except UpstreamError:
        raise
    except RamaError as error:
        if isinstance(error, PeerClosed) and conn.client.left:
            raise
        kind = UpstreamTimeout if isinstance(error, PeerTimeout) else UpstreamError
        raise kind(f"TLS handshake with {info.address[0]}: {error}") from error
    finally:
        info.tls = engine.info()
    hooks = conn.wiring.hooks
    if hooks.tls_established_server:
        await hooks.run(hooks.tls_established_server, ServerConnectData(info, conn.client.info))


async def close_upstream(conn: Conn, stream: Channel) -> None:
    """Close a stream to a server and write down how it went."""
    stream.close()
    if stream.shared:
        return
    conn.wiring.capture.closed(stream.info)
    hooks = conn.wiring.hooks
    if hooks.server_disconnected:
        await hooks.run(hooks.server_disconnected, ServerConnectData(stream.info, conn.client.info))
