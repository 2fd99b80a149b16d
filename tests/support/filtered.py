"""Flows to try filters on."""

from __future__ import annotations

from collections.abc import Iterator

from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response

STARTED = 1_790_000_000.0  # wall clock, 2026-09-21 14:13:20 UTC
COOKIES = [("Host", "a.test"), ("Cookie", "session=abc; theme=dark"), ("cookie", "lang=de")]


def exchange(
    head: bytes = b"GET /a HTTP/1.1",
    fields: list[tuple[str, str]] | None = None,
    status: int | None = 200,
) -> Flow:
    """A flow of http://example.com:8080 with these parts."""
    method, target, version = head.split(b" ")
    request = Request(
        method.decode(), target, version.decode(), Headers(fields or [("Host", "example.com:8080")])
    )
    request.scheme, request.host, request.port = "http", "example.com", 8080
    client = ConnectionInfo("client", peer=("192.0.2.7", 4711))
    flow = Flow(client, request)
    flow.server = ConnectionInfo("server", address=("example.com", 8080))
    if status is not None:
        flow.response = Response(
            status, "OK", "HTTP/1.1", Headers([("Content-Type", "text/css; charset=utf-8")])
        )
    return flow


def strange_flows(first: int) -> Iterator[Flow]:
    """Flows with what the generator does not make, numbered from `first`."""
    for number, head in enumerate((b"G\x00T /\x00\xff HTTP/1.0", b"POST /%F0?\xc3\xa9 HTTP/1.1")):
        flow = exchange(head.replace(b"\x00T", b"ET"), [("Host", "[::1"), ("X-A", "1\x00é")])
        flow.id = first + number
        flow.client.id, flow.server = 9000 + number, None
        flow.client.annotations = {"ja3": "x\x00y", "h2fp": "52d84b", "h2fp_text": "3:100|00|0|m,p"}
        del flow.client.annotations[("h2fp", "ja3")[number]]
        flow.client.tls = TlsInfo(sni="a")
        flow.request.headers.fields.append((b"X-B", b"\xff"))
        flow.request.body.add(b"\x00\xff" * 600, 700)
        flow.comment, flow.error = "é\nİı\u017f", "\x1b[31m"
        yield flow


def rich_flows(first: int) -> Iterator[Flow]:
    """Flows that have what few have: tags, metadata, cookies, an upstream proxy, a gRPC status."""
    for number, kind in enumerate(("http", "websocket", "tcp", "tls", "udp", "dns")):
        flow = exchange(b"GET /a?page=3&q=a+b&page=x%3D HTTP/2", COOKIES)
        flow.id, flow.kind = first + number, kind
        flow.client.id = 9100 + number
        flow.client.tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519", "h2", sni="a.test")
        flow.tags, flow.mark, flow.comment = {"slow", "é x"}, ":star:", ""
        flow.metadata = {"rule": number, "on": True, "list": (1, "a"), "odd": object}
        flow.parent_id = 1 if number % 2 else None
        flow.timing.started = STARTED + number * 0.25
        flow.timing.response_begin = flow.timing.begin + 0.25
        flow.timing.end = flow.timing.begin + 0.5
        server = flow.server
        if server is not None:
            server.id, server.via = 9200 + number, "http://proxy.test:3128"
            server.peer = (("192.0.2.80", "2001:db8::7", "fe80::1%eth0")[number % 3], 443)
        if flow.response is not None:
            flow.response.headers.add("Set-Cookie", "id=9; Path=/; Secure")
            flow.response.trailers = Headers([("grpc-status", str(number))])
            flow.response.headers.set("Content-Type", "application/grpc+proto")
        yield flow
