"""The demo's conversations: who asks what of whom, in which order.

One round shows everything the product can show; after it, visits are drawn from the same list for
as long as somebody looks. Seeded: the same every time. Knows no sockets.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from dataclasses import replace

from rama_proxy.demo.assets import CSS, SEED, dump, tag
from rama_proxy.demo.calls import SERVICE, frame, message
from rama_proxy.demo.visit import Agent, Visit
from rama_proxy.protocols.http2_limits import Limits

BROWSER = Agent(
    "browser",
    (
        ("sec-ch-ua", '"Chromium";v="142", "Not=A?Brand";v="24"'),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0"),
        ("Accept", "*/*"),
    ),
    (("Accept-Encoding", "gzip, deflate, br, zstd"), ("Accept-Language", "en-US,en;q=0.9")),
    ciphers="ECDHE+AESGCM:ECDHE+CHACHA20:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA",
    alpn=("h2", "http/1.1"),
    http2=Limits(max_header_list=256 * 1024, stream_window=6 << 20, connection_window=15 << 20),
)
SOCKET = replace(BROWSER, name="socket", alpn=("http/1.1",))  # as browsers open a WebSocket
SCRIPT = Agent(
    "script",
    (
        ("User-Agent", "python-requests/2.32.5"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Accept", "*/*"),
    ),
)
CURL = Agent("curl", (("User-Agent", "curl/8.14.1"), ("Accept", "*/*")), alpn=("http/1.1",))
PHONE = Agent(
    "phone",
    (("User-Agent", "DemoApp/4.2 (Android 16) okhttp/5.1.0"), ("Accept-Encoding", "br,gzip")),
    ciphers="ECDHE+AESGCM:ECDHE+CHACHA20",
    newest_tls=ssl.TLSVersion.TLSv1_2,
)
GRPC = Agent(
    "grpc",
    (
        ("Content-Type", "application/grpc"),
        ("User-Agent", "grpc-go/1.76.0"),
        ("TE", "trailers"),
    ),
    ciphers="ECDHE+AESGCM:ECDHE+CHACHA20",
    alpn=("h2",),
    pseudo="mspa",
)
PINNED = Agent("pinned", (("User-Agent", "BankApp/1.0"),), trusts=False)

JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=demo")
COOKIE = ("Cookie", "session=5f2c9d1e; theme=dark")
BEARER = ("Authorization", "Bearer demo.not-a-secret")
SHOP, AUTH, API = "https://shop.demo.test", "https://auth.demo.test", "https://api.demo.test"
RPC = "https://rpc.demo.test"
CDN, NEWS, FILES = "http://cdn.demo.test", "http://news.demo.test", "http://files.demo.test"

AVATAR = (
    b'--demo\r\nContent-Disposition: form-data; name="title"\r\n\r\nme, at work\r\n'
    b'--demo\r\nContent-Disposition: form-data; name="file"; filename="me.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff\r\n--demo--\r\n"
)
QUERY = dump(
    {"query": "query Shop($id: ID!) { shop(id: $id) { name open } }", "variables": {"id": 1}}
)


def first_round() -> list[Visit]:
    """Every kind of exchange once, in the order of a plausible day."""
    return [*_shopping(), *_programs(), *_plain(), *_calls(), *_phone(), *_trouble()]


def endless() -> Iterator[tuple[float, Visit]]:
    """Visits for as long as they are wanted, each with the seconds to wait before it."""
    chance = random.Random(SEED)  # noqa: S311  the same every time, no secret
    for visit in first_round():
        yield chance.uniform(0.02, 0.15), visit
    calm = [visit for visit in first_round() if not visit.aside]
    while True:
        for visit in chance.sample(calm, len(calm)):
            yield chance.uniform(0.2, 1.5), visit


def _shopping() -> list[Visit]:
    """A browser looks around, signs in and buys."""

    def get(path: str, *fields: tuple[str, str]) -> Visit:
        return Visit(BROWSER, "GET", SHOP + path, fields)

    page = ("Sec-Fetch-Dest", "document")
    pictures = tuple(f"{SHOP}/img/{number}.png" for number in range(2, 9))
    return [
        Visit(BROWSER, "GET", "https://events.demo.test/stream", aside=True),
        get("/", page),
        get("/static/app.css", ("Referer", f"{SHOP}/")),
        get("/static/app.js", ("Referer", f"{SHOP}/")),
        get("/static/logo.svg"),
        Visit(BROWSER, "GET", f"{SHOP}/img/1.png", also=pictures),
        get("/favicon.ico"),
        Visit(BROWSER, "GET", f"{CDN}/lib/app.js"),
        get("/static/app.css", ("If-None-Match", tag(CSS.encode()))),
        Visit(
            BROWSER, "POST", f"{AUTH}/login", (FORM,), b"user=ada%40demo.test&password=n%C3%A9ant"
        ),
        get("/account", COOKIE, page),
        Visit(BROWSER, "POST", f"{AUTH}/token", (FORM, COOKIE), b"grant_type=client_credentials"),
        Visit(BROWSER, "POST", f"{SHOP}/api/cart", (JSON, COOKIE), dump({"id": 7})),
        Visit(BROWSER, "POST", f"{API}/graphql", (JSON, BEARER), QUERY),
        Visit(BROWSER, "PUT", f"{SHOP}/avatar", (MULTIPART, COOKIE), AVATAR),
        Visit(BROWSER, "OPTIONS", f"{API}/v1/search", (("Origin", SHOP),)),
        Visit(
            SOCKET,
            "GET",
            f"{SHOP}/ticker",
            (("Origin", SHOP), COOKIE),
            way="websocket",
            aside=True,
        ),
    ]


def _programs() -> list[Visit]:
    """Scripts and curl use the API, and meet every class of status."""

    def api(method: str, path: str, body: bytes = b"", *fields: tuple[str, str]) -> Visit:
        return Visit(SCRIPT, method, API + path, (BEARER, *([JSON] if body else []), *fields), body)

    return [
        Visit(SCRIPT, "GET", f"{API}/v1/slow", aside=True),
        api("GET", "/v1/products?page=1&per_page=20"),
        api("HEAD", "/v1/products"),
        api("GET", "/v1/products/7"),
        api("PATCH", "/v1/products/7", dump({"stock": 12})),
        api("DELETE", "/v1/products/9"),
        api("GET", "/v1/products/999"),
        api("POST", "/v1/orders", dump({"product": 7, "quantity": 2})),
        api("POST", "/v1/orders", dump({"product": 7, "quantity": 0})),
        api("GET", "/v1/report"),
        api("GET", "/v1/limited"),
        Visit(CURL, "GET", f"{AUTH}/admin"),
        Visit(CURL, "GET", f"{AUTH}/forbidden", (BEARER,)),
        Visit(CURL, "GET", "https://events.demo.test/journal"),
        Visit(CURL, "GET", f"{API}/v1/hostile"),
        Visit(CURL, "PUT", f"{FILES}/upload", (("Expect", "100-continue"),), b"x" * 20_000),
        Visit(CURL, "POST", f"{FILES}/upload", chunks=(b"first ", b"second ", b"third")),
    ]


def _plain() -> list[Visit]:
    """Exchanges without TLS."""
    return [
        Visit(BROWSER, "GET", f"{NEWS}/"),
        Visit(BROWSER, "GET", f"{NEWS}/old"),
        Visit(BROWSER, "GET", f"{NEWS}/s%C3%B8k?q=%E6%97%A5%E6%9C%AC%E8%AA%9E"),
        Visit(CURL, "GET", f"{NEWS}/s?q=日本語&x=%1b%5b31m"),
        Visit(SCRIPT, "GET", f"{NEWS}/feed.xml"),
        Visit(CURL, "GET", f"{FILES}/backup.bin", aside=True),
        Visit(CURL, "GET", f"{FILES}/backup.bin", (("Range", "bytes=1000-1999"),)),
        Visit(CURL, "GET", f"{FILES}/maintenance"),
        Visit(CURL, "DELETE", f"{CDN}/img/99.png"),
    ]


def _calls() -> list[Visit]:
    """A service asks another by gRPC: for one message, for several, and for what is not there."""

    def call(method: str, product: str) -> Visit:
        body = frame(message((product,)))
        return Visit(GRPC, "POST", f"{RPC}{SERVICE}{method}", (BEARER,), body)

    return [call("Get", "7"), call("Watch", "7"), call("Get", "999")]


def _phone() -> list[Visit]:
    """An app comes in by SOCKS5, and a protocol that is not HTTP goes through a tunnel."""
    lines = (b"hello, echo\r\n", b"\x00\x01\x02\xff\r\n", b"bye\r\n")
    return [
        Visit(PHONE, "POST", f"{API}/mobile/sync", (JSON,), dump({"cursor": None}), way="socks5"),
        Visit(PHONE, "GET", f"{CDN}/img/3.png", way="socks5"),
        Visit(CURL, "CONNECT", "tcp://echo.demo.test:7007", way="raw", chunks=lines),
    ]


def _trouble() -> list[Visit]:
    """What goes wrong, and says why."""
    return [
        Visit(CURL, "GET", "http://closed.demo.test:8080/"),
        Visit(CURL, "GET", "http://nonexistent.invalid/", aside=True),
        Visit(CURL, "GET", "https://expired.demo.test/"),
        Visit(CURL, "GET", "https://elsewhere.demo.test/"),
        Visit(CURL, "GET", "https://selfmade.demo.test/"),
        Visit(PINNED, "GET", f"{API}/mobile/sync"),
        Visit(CURL, "GET", f"{FILES}/cut.bin"),
        Visit(CURL, "GET", f"{FILES}/reset"),
    ]
