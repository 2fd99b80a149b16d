"""Which HTTP version is spoken with whom.

By default the server decides as if there were no proxy: it is offered what the client offers, and
the client gets what it chose. `--upstream-http` takes that choice away; then the client gets the
best that it offers, and `translate` stands in between.
"""

from __future__ import annotations

from rama_proxy.relay.wiring import Conn

HTTP1, HTTP2 = b"http/1.1", b"h2"
MIRROR, ONLY_1, PREFER_2 = "mirror", "1.1", "2"


def offers(conn: Conn, offered: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """What a server is offered by ALPN for a client that offers `offered`."""
    options = conn.wiring.options
    if options.upstream_http == PREFER_2:
        return (HTTP2, HTTP1)
    if options.upstream_http == ONLY_1 or not options.http2:
        kept = tuple([name for name in offered if name != HTTP2])
        return kept if HTTP1 in kept or HTTP2 not in offered else (HTTP1,)
    return offered


def answer(conn: Conn, offered: tuple[bytes, ...]) -> bytes | None:
    """What a client that offers `offered` gets by ALPN, None for no answer."""
    options = conn.wiring.options
    best = HTTP1 if HTTP1 in offered else None
    if HTTP2 in offered and options.http2:
        best = HTTP2
    server = conn.upstream.info.tls if conn.upstream is not None else None
    if server is None:
        if conn.target is None or options.upstream_http != MIRROR or best is None:
            return best
        return HTTP1 if HTTP1 in offered else best  # its server speaks HTTP/1 as far as we know
    if options.upstream_http == MIRROR or server.alpn not in {"", "h2", "http/1.1"}:
        return server.alpn.encode("latin-1") or None
    return best


def choose_version(conn: Conn, *, http2: bool) -> None:
    """Note what servers are to be spoken to in, once it is known what the client speaks."""
    chosen = conn.wiring.options.upstream_http
    plain = conn.client.info.tls is None
    mirrored = chosen == MIRROR and http2 and conn.target is not None and plain
    conn.prior_knowledge = chosen == PREFER_2 or mirrored
    if conn.client.info.tls is None or conn.target is None:
        conn.alpn_offered = offers(conn, (HTTP2, HTTP1) if http2 else (HTTP1,))
