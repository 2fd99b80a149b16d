"""Flows for the tests of the detail pane, each with what its tab has to show."""

from __future__ import annotations

import gzip

from rama_proxy.model.body import Body
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import ACTIVE, DONE, FAILED, Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http2_start import parse_start
from tests.support.flows import CLIENT_HELLO, LEAF, ROOT
from tests.support.starts import CHROMIUM, NGHTTP, NGINX

STARTED = 1_790_000_000.0
CART = (
    b'{"cart":{"id":"c_81f2","currency":"EUR","items":[{"sku":"A-100","name":"Kettle","quantity":1,'
    b'"price":3490},{"sku":"B-7","name":"Tea \xe2\x80\x94 Assam","quantity":3,"price":725}],'
    b'"coupon":null,"gift":false},"total":5665,"note":"Leave it with the neighbours, the bell does'
    b' not ring and the dog does not bite"}'
)


def flow(request: bytes, response: bytes | None = None) -> Flow:
    """Flow 42 from two messages as on the wire; "https" to shop.example.com."""
    made = Flow(_client(), _request(request))
    made.id = 42
    made.server = _server()
    timing = made.timing
    timing.started, timing.begin = STARTED, 100.0560
    timing.request_end, timing.end = 100.0565, 100.1180
    made.state = DONE
    if response is not None:
        made.response = _response(response)
        timing.response_begin = 100.1093
    return made


def exchange() -> Flow:
    """A form that was posted and JSON that came back with gzip."""
    body = gzip.compress(CART, mtime=0)
    return flow(
        b"POST /v1/cart/items?locale=de&currency=EUR HTTP/1.1\r\nHost: shop.example.com\r\n"
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0\r\n"
        b"Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Cookie: session=4f1c9a7e2b8d; theme=dark; consent=all\r\nContent-Length: 47\r\n\r\n"
        b"sku=B-7&quantity=3&note=for+the+office+kitchen%21",
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"Content-Encoding: gzip\r\nCache-Control: no-store\r\nServer: envoy\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body,
    )


def waiting() -> Flow:
    """A request whose response has not begun."""
    made = flow(b"GET /slow HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
    made.state = ACTIVE
    made.timing.end = None
    return made


def failed() -> Flow:
    """A server whose certificate is not trusted."""
    made = flow(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
    made.state = FAILED
    made.error = "certificate of shop.example.com has expired (use --ssl-insecure to go on)"
    made.notes = ["request target made relative"]
    assert made.server is not None
    assert made.server.tls is not None
    made.server.secured, made.server.closed = None, 100.0443
    made.server.tls.version = made.server.tls.cipher = made.server.tls.group = ""
    made.server.tls.verify_error = "certificate has expired"
    made.request.body.complete = False
    made.timing.request_end = None
    return made


def plain() -> Flow:
    """Plain HTTP on connections that were used before."""
    made = flow(
        b"GET /robots.txt HTTP/1.1\r\nHost: shop.example.com\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
    )
    made.request.scheme, made.request.port = "http", 80
    made.client.opened = made.client.secured = 10.0
    assert made.server is not None
    made.server.opened = made.server.resolved = made.server.connected = 12.5
    for info in (made.client, made.server):
        info.tls, info.secured = None, None
        info.annotations.clear()
    return made


def http2() -> Flow:
    """HTTP/2 over TLS on both sides."""
    made = _http2(exchange(), CHROMIUM)
    assert made.server is not None
    for info in (made.client, made.server):
        assert info.tls is not None
        info.tls.alpn = "h2"
        info.tls.alpn_offered = ("h2", "http/1.1")
    return made


def cleartext_http2() -> Flow:
    """HTTP/2 without TLS, from a client that still sends priorities."""
    return _http2(plain(), NGHTTP)


def _http2(made: Flow, start: bytes) -> Flow:
    assert made.server is not None
    made.client.h2_start, made.server.h2_start = start, NGINX
    fingerprint = parse_start(start)
    made.client.annotations["h2fp"] = fingerprint.akamai_hash
    made.client.annotations["h2fp_text"] = fingerprint.akamai
    return made


def _request(wire: bytes) -> Request:
    head, body = wire.split(b"\r\n\r\n", 1)
    line, *fields = head.split(b"\r\n")
    method, target, version = line.decode().split(" ")
    request = Request(method, target.encode(), version, _headers(fields), head + b"\r\n\r\n")
    request.scheme, request.host, request.port = "https", "shop.example.com", 443
    request.body = Body(body)
    return request


def _response(wire: bytes) -> Response:
    head, body = wire.split(b"\r\n\r\n", 1)
    line, *fields = head.split(b"\r\n")
    version, status, reason = line.decode().split(" ", 2)
    response = Response(int(status), reason, version, _headers(fields), head + b"\r\n\r\n")
    response.body = Body(body)
    return response


def _headers(lines: list[bytes]) -> Headers:
    return Headers([tuple(line.split(b": ", 1)) for line in lines])  # type: ignore[misc]  # pairs


def _client() -> ConnectionInfo:
    info = ConnectionInfo("client", peer=("127.0.0.1", 51824), id=7)
    info.opened, info.secured = 100.0, 100.0548
    info.tls = TlsInfo(
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        group="x25519",
        alpn="http/1.1",
        alpn_offered=("h2", "http/1.1"),
        sni="api.example.com",
        client_hello=CLIENT_HELLO,
    )
    info.annotations.update(
        ja3="375c6162a492dfbf2795909110ce8424",
        ja4="t13d1812h2_85036bcba153_b26ce05bbdd6",
        ja4_r="t13d1812h2_0033,0039,1301,1302,c02b,c02c_000a,000b,000d,0016_0403,0503,0804,0805",
    )
    return info


def _server() -> ConnectionInfo:
    info = ConnectionInfo(
        "server", peer=("203.0.113.9", 443), address=("shop.example.com", 443), id=8
    )
    info.opened, info.resolved, info.connected, info.secured = 100.0021, 100.003, 100.0182, 100.0443
    info.tls = TlsInfo(
        version="TLSv1.3",
        cipher="TLS_AES_128_GCM_SHA256",
        group="X25519MLKEM768",
        alpn="http/1.1",
        alpn_offered=("http/1.1",),
        sni="shop.example.com",
        certificates=(LEAF, ROOT),
    )
    info.annotations["ja3s"] = "eb1d94daa7e0344597e756a1fb6e7054"
    return info
