"""Flows and stores to show and to search: varied, and the same for the same number every time."""

from __future__ import annotations

import gzip
import json
import random
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import DONE, FAILED, Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import REASONS, Request, Response
from rama_proxy.store.rows import request_head, response_head
from rama_proxy.store.writer import Writer

START = 1_790_000_000.0  # wall clock of flow 1, 2026-09-21 14:13:20 UTC
STEP = 0.35  # seconds between flows
FLOWS_PER_CONNECTION = 7

# A chain for example.com, *.example.com and *.example.net, valid 2026-2036, and OpenSSL's hello.
LEAF = b64decode(
    "MIIBjDCCATGgAwIBAgIIEjRWeJCrze8wCgYIKoZIzj0EAwIwMjEWMBQGA1UECgwNRXhhbXBsZSBUcnVzdDEYMBYG"
    "A1UEAwwPRXhhbXBsZSBSb290IFgxMB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowFjEUMBIGA1UEAwwL"
    "ZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ74+MfNfLGeI3eQJcjjo/0KdUvOC+BQcIJlZIE"
    "JaYukio3Y49T+0HpwjlfUalZW5BbGpN1c41zXIkifJJy4+flo00wSzA0BgNVHREELTArggtleGFtcGxlLmNvbYIN"
    "Ki5leGFtcGxlLmNvbYINKi5leGFtcGxlLm5ldDATBgNVHSUEDDAKBggrBgEFBQcDATAKBggqhkjOPQQDAgNJADBG"
    "AiEAjANtCI4QtzSOviuXvafAxXOFL3Bpvr8e/HS0ON2SMP4CIQCahCaJ9zs/qsEhfQxkZ41++wENb0zTfSHRKHhp"
    "aWxDCA=="
)
ROOT = b64decode(
    "MIIBZjCCAQygAwIBAgIBATAKBggqhkjOPQQDAjAyMRYwFAYDVQQKDA1FeGFtcGxlIFRydXN0MRgwFgYDVQQDDA9F"
    "eGFtcGxlIFJvb3QgWDEwHhcNMjYwMTAxMDAwMDAwWhcNMzYwMTAxMDAwMDAwWjAyMRYwFAYDVQQKDA1FeGFtcGxl"
    "IFRydXN0MRgwFgYDVQQDDA9FeGFtcGxlIFJvb3QgWDEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATbhswp77u6"
    "DlpAeR68MFl1zEvJuG4TR8rdpumVE8H0nkuTXZRoNd2nI5RoRMmNCt8RcFJUU0z6aN5tuElsWRPSoxMwETAPBgNV"
    "HRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCVTS8nedfTzXpRjIDBnG1Pg3vDdZq9Mr9Lr0/proJ6rwIg"
    "bc9xWPk7Uktwevyn5RrDVpQ1hUmbzWxcQe16wKn5Yh8="
)
CLIENT_HELLO = b64decode(
    "AQABLAMDCxG/98tLGKPNDOoepEdrJHNlOGb6YlNtNhY2Xt3yoTIgTZ4k/nzZRQSc5A37QdMaoxCntCUvasJJGW45"
    "ZJTRqSsAJBMCEwMTAcAswDDAK8AvzKnMqMAkwCjAI8AnAJ8AngBrAGcA/wEAAL8AAAAUABIAAA9hcGkuZXhhbXBs"
    "ZS5jb20ACwAEAwABAgAKABYAFAAdABcAHgAZABgBAAEBAQIBAwEEACMAAAAQAA4ADAJoMghodHRwLzEuMQAWAAAA"
    "FwAAAA0AKgAoBAMFAwYDCAcICAgJCAoICwgECAUIBgQBBQEGAQMDAwEDAgQCBQIGAgArAAUEAwQDAwAtAAIBAQAz"
    "ACYAJAAdACAIj6uckpmPZBbOfucxnFIHWxKOEXC7y34LijLYB6hzGQ=="
)

JA3 = "375c6162a492dfbf2795909110ce8424"
JA4 = "t13d1812h2_85036bcba153_b26ce05bbdd6"

HOSTS = (
    "api.example.com",
    "shop.example.com",
    "cdn.example.net",
    "auth.example.com",
    "httpbin.test",
)
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0",
    "curl/8.15.0",
    "python-httpx/0.28.1",
)
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

Make = Callable[[random.Random, Flow], None]


def make_flow(number: int) -> Flow:
    """Flow `number`, which is its id: a pure function of the number."""
    chance = random.Random(number)
    kind = chance.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
    connection = (number - 1) // FLOWS_PER_CONNECTION * 2 + 1
    shared = random.Random(-connection)  # by all flows of the connection
    secure, host = shared.random() < 0.7, shared.choice(HOSTS)
    client = _client(connection, host if secure else "")
    flow = Flow(client, _request(chance, "GET", host, secure, "/"))
    flow.id = number
    flow.server = _server(connection + 1, host, secure)
    flow.timing.started = START + number * STEP
    flow.timing.begin = 1000.0 + number * STEP
    _KINDS[kind][1](chance, flow)
    _finish(chance, flow)
    return flow


def make_flows(count: int, first: int = 1) -> Iterator[Flow]:
    """Flows `first` to `first + count - 1`."""
    return map(make_flow, range(first, first + count))


def make_store(path: Path, count: int, first: int = 1) -> Path:
    """A finished store at `path` with `count` flows, a log and the meta keys of an engine."""
    problems: list[str] = []
    writer = Writer(path, budget=1 << 30, on_problem=problems.append)
    writer.open()
    writer.start()
    for flow in make_flows(count, first):
        writer.put_connection(flow.client)
        if flow.server is not None:
            writer.put_connection(flow.server)
        writer.put_flow(flow)
    writer.set_meta("listen", json.dumps(["127.0.0.1:8080"]))
    writer.set_meta("ended_at", str(START + (first + count) * STEP))
    writer.log("info", "engine", "listening on 127.0.0.1:8080")
    writer.log("warning", "fingerprint", "a client offered no cipher that is known")
    writer.close()
    assert not problems, problems
    return path


def _client(number: int, sni: str) -> ConnectionInfo:
    opened = 1000.0 + number * STEP
    info = ConnectionInfo("client", id=number, started=START + number * STEP, opened=opened)
    info.peer = ("127.0.0.1", 40000 + number % 20000)
    info.local = ("127.0.0.1", 8080)
    info.mode = "regular"
    info.connected = opened
    info.bytes_in, info.bytes_out = 1420, 18233
    if sni:
        info.secured = opened + 0.0031
        info.tls = TlsInfo(
            version="TLSv1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            group="X25519",
            alpn="http/1.1",
            alpn_offered=("h2", "http/1.1"),
            sni=sni,
            client_hello=CLIENT_HELLO,
        )
        info.annotations = {"ja3": JA3, "ja4": JA4}
    return info


def _server(number: int, host: str, secure: bool) -> ConnectionInfo:
    opened = 1000.0 + number * STEP + 0.001
    info = ConnectionInfo("server", id=number, started=START + number * STEP, opened=opened)
    info.address = (host, 443 if secure else 80)
    info.peer = (f"192.0.2.{10 + HOSTS.index(host)}", info.address[1])
    info.local = ("192.0.2.1", 50000 + number % 10000)
    info.resolved, info.connected = opened + 0.0042, opened + 0.0153
    info.bytes_in, info.bytes_out = 18233, 1502
    if secure:
        info.secured = opened + 0.0342
        info.tls = TlsInfo(
            version="TLSv1.3",
            cipher="TLS_AES_128_GCM_SHA256",
            group="X25519MLKEM768",
            alpn="http/1.1",
            alpn_offered=("http/1.1",),
            sni=host,
            certificates=(LEAF, ROOT),
        )
    return info


def _request(chance: random.Random, method: str, host: str, secure: bool, path: str) -> Request:
    fields = [
        ("Host", host),
        ("User-Agent", chance.choice(AGENTS)),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, br"),
        ("Cookie", f"session={chance.randrange(16**8):08x}; theme=dark"),
    ]
    request = Request(method, path.encode(), "HTTP/1.1", Headers(fields))
    request.scheme, request.host, request.port = (
        ("https", host, 443) if secure else ("http", host, 80)
    )
    request.body.complete = True
    return request


def _answer(
    flow: Flow, status: int, media_type: str, data: bytes, *more: tuple[str, str]
) -> Response:
    fields = [
        ("Server", "nginx/1.22.1"),
        ("Date", "Mon, 21 Sep 2026 14:13:20 GMT"),
        ("Content-Type", media_type),
        ("Content-Length", str(len(data))),
        *more,
    ]
    response = Response(status, REASONS.get(status, ""), "HTTP/1.1", Headers(fields))
    if data:
        response.body.add(data, 1 << 24)
    response.body.complete = True
    flow.response = response
    return response


def _finish(chance: random.Random, flow: Flow) -> None:
    request, timing = flow.request, flow.timing
    request.raw = request_head(request)
    timing.request_end = timing.begin + chance.uniform(0.0002, 0.002)
    wait = chance.lognormvariate(-3.2, 0.9)
    if flow.response is not None:
        flow.response.raw = response_head(flow.response)
        timing.response_begin = timing.request_end + wait
    timing.end = timing.request_end + wait + chance.uniform(0.0001, 0.03)
    flow.state = FAILED if flow.error else DONE
    if chance.random() < 0.02:
        flow.mark = ":star:"
        flow.comment = "look at this one"


def _post(flow: Flow, media_type: str, data: bytes) -> None:
    request = flow.request
    request.method = "POST"
    request.headers.add("Content-Type", media_type)
    request.headers.add("Content-Length", str(len(data)))
    request.body.add(data, 1 << 24)


def _people(chance: random.Random, count: int) -> bytes:
    people = [
        {
            "id": chance.randrange(10**6),
            "name": chance.choice(("Ada", "Grace", "Linus", "Zoë", "李雷")),
            "email": f"user{chance.randrange(10**4)}@example.com",
            "active": chance.random() < 0.5,
        }
        for _ in range(count)
    ]
    return json.dumps({"people": people, "next": None}, ensure_ascii=False).encode()


def _json(chance: random.Random, flow: Flow) -> None:
    page = chance.randrange(40)
    flow.request.target = f"/v2/people?page={page}&size=20".encode()
    _answer(flow, 200, "application/json", _people(chance, chance.randrange(1, 40)))


def _gzip_json(chance: random.Random, flow: Flow) -> None:
    flow.request.target = f"/v2/orders/{chance.randrange(10**5)}".encode()
    data = gzip.compress(_people(chance, 20), mtime=0)
    _answer(flow, 200, "application/json; charset=utf-8", data, ("Content-Encoding", "gzip"))


def _create(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/v2/people"
    _post(flow, "application/json", _people(chance, 1))
    location = ("Location", f"/v2/people/{chance.randrange(10**5)}")
    _answer(flow, 201, "application/json", b'{"ok":true}', location)


def _form(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/login"
    _post(flow, "application/x-www-form-urlencoded", b"user=ada&password=hunter2&next=%2Fhome")
    _answer(
        flow, 302, "text/plain", b"", ("Location", "/home"), ("Set-Cookie", "session=1; Path=/")
    )


def _page(chance: random.Random, flow: Flow) -> None:
    number = chance.randrange(500)
    flow.request.target = f"/products/{number}".encode()
    items = "".join(f"<li>Item {chance.randrange(999)}</li>" for _ in range(chance.randrange(40)))
    text = f"<!doctype html><title>Product {number}</title><h1>Product</h1><ul>{items}</ul>"
    _answer(flow, 200, "text/html; charset=utf-8", text.encode())


def _asset(chance: random.Random, flow: Flow) -> None:
    name, media_type, data = chance.choice(
        (
            ("app.js", "text/javascript", b"export const answer = () => 42;\n" * 30),
            ("site.css", "text/css", b"body { color: #222; margin: 0 }\n" * 20),
            ("logo.png", "image/png", PNG),
        )
    )
    flow.request.target = f"/static/{chance.randrange(9)}/{name}".encode()
    _answer(flow, 200, media_type, data, ("Cache-Control", "max-age=31536000"))


def _not_modified(chance: random.Random, flow: Flow) -> None:
    flow.request.target = f"/static/{chance.randrange(9)}/app.js".encode()
    flow.request.headers.add("If-None-Match", '"5f3a"')
    response = _answer(flow, 304, "text/javascript", b"")
    response.headers.remove("content-length")


def _missing(chance: random.Random, flow: Flow) -> None:
    flow.request.target = f"/v2/people/{chance.randrange(10**6)}".encode()
    flow.request.method = chance.choice(("GET", "DELETE", "HEAD"))
    _answer(flow, 404, "application/problem+json", b'{"title":"No such person"}')


def _broken(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/v2/report"
    _answer(flow, chance.choice((500, 502, 503)), "text/plain", b"upstream timed out\n")


def _refused(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/health"
    flow.server = None
    flow.error = f"connection refused by {flow.request.host}"
    response = _answer(flow, 502, "text/plain; charset=utf-8", flow.error.encode())
    response.headers.remove("server")


def _distrust(chance: random.Random, flow: Flow) -> None:
    flow.kind = "tls"
    host = flow.request.host
    flow.request = Request("CONNECT", f"{host}:443".encode(), "HTTP/1.1", Headers())
    flow.request.host, flow.request.port, flow.request.authority = host, 443, f"{host}:443"
    flow.error = "the client does not trust our certificate (alert: unknown ca)"


def _tunnel(chance: random.Random, flow: Flow) -> None:
    flow.kind = "tcp"
    host = flow.request.host
    fields = Headers([("Host", f"{host}:5432")])
    flow.request = Request("CONNECT", f"{host}:5432".encode(), "HTTP/1.1", fields)
    flow.request.host, flow.request.port, flow.request.authority = host, 5432, f"{host}:5432"
    flow.request.body.size = chance.randrange(10**4)
    flow.response = Response(200, "Connection established", "HTTP/1.1", Headers())
    flow.response.body.size = chance.randrange(10**6)


def _hostile(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/x?\xff=\x1b]0;owned\x07&[bold]markup[/bold]"
    flow.request.headers.add("X-Bidi", "\u202etxt.exe")
    data = b"\x1b[2J\x1b[31mred\x1b]52;c;aGk=\x07 [link=x]y[/link] \xc2\x9b5m \xff\xfe"
    response = _answer(flow, 200, "text/plain", data, ("X-Colour", "\x1b[31mred"))
    response.reason = "O\x1bK"


_KINDS: dict[str, tuple[int, Make]] = {
    "json": (24, _json),
    "gzip": (10, _gzip_json),
    "create": (8, _create),
    "form": (5, _form),
    "page": (14, _page),
    "asset": (20, _asset),
    "not modified": (6, _not_modified),
    "missing": (5, _missing),
    "broken": (3, _broken),
    "refused": (2, _refused),
    "distrust": (1, _distrust),
    "tunnel": (1, _tunnel),
    "hostile": (1, _hostile),
}
