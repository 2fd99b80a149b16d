"""What the demo's servers answer: a request in, a Reply out. Knows no sockets and no clock."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from rama_proxy.demo import assets, calls
from rama_proxy.demo.messages import Asked, Reply, Route

MIB = 1024 * 1024


def answer(asked: Asked) -> Reply:
    """The reply to `asked`, in the best content coding that the client takes."""
    routes = HOSTS.get(asked.host, {})
    route = next((routes[prefix] for prefix in routes if asked.path.startswith(prefix)), _nothing)
    reply = _coded(asked, route(asked))
    if reply.delay is None:
        reply.delay = (3 + zlib.crc32(asked.target.encode()) % 40) / 1000
    return reply


def _coded(asked: Asked, reply: Reply) -> Reply:
    accepted = asked.fields.get("accept-encoding", "")
    kind = reply.media_type.partition(";")[0]
    wanted = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript"))
    if not wanted or len(reply.body) < 300:
        return reply
    for coding, compress in _CODINGS.items():
        if coding in accepted:
            reply.body = compress(reply.body)
            reply.fields += [("Content-Encoding", coding), ("Vary", "Accept-Encoding")]
            break
    return reply


def _brotli(data: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(data, quality=5))


def _zstd(data: bytes) -> bytes:
    from backports import zstd

    return zstd.compress(data)


_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": _zstd,
    "br": _brotli,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
}


def _json(value: object, status: int = 200, **fields: str) -> Reply:
    named = [(name.replace("_", "-").title(), text) for name, text in fields.items()]
    return Reply(status, "application/json", assets.dump(value), named)


def _problem(status: int, title: str, detail: str) -> Reply:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Reply(status, "application/problem+json", assets.dump(body, pretty=True))


def _nothing(asked: Asked) -> Reply:
    return _problem(404, "nothing here", asked.path)


def _static(media_type: str, body: bytes) -> Route:
    tag = assets.tag(body)
    fields = [("ETag", tag), ("Cache-Control", "public, max-age=86400")]

    def route(asked: Asked) -> Reply:
        if asked.fields.get("if-none-match") == tag:
            return Reply(304, "", b"", list(fields))
        return Reply(200, media_type, body, list(fields))

    return route


def _picture(asked: Asked) -> Reply:
    name = asked.path.rpartition("/")[2].partition(".")[0]
    if not name.isdigit() or not 0 < int(name) <= assets.PRODUCTS:
        return _problem(404, "no such picture", asked.path)
    return _static("image/png", assets.picture(int(name)))(asked)


def _login(asked: Asked) -> Reply:
    return Reply(
        302,
        fields=[
            ("Location", "https://shop.demo.test/account"),
            ("Set-Cookie", "session=5f2c9d1e; Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("Set-Cookie", "theme=dark; Path=/; Max-Age=31536000"),
        ],
    )


def _product(asked: Asked) -> Reply:
    name = asked.path.rpartition("/")[2]
    found = [item for item in assets.products() if str(item["id"]) == name]
    if not found:
        return _problem(404, "no such product", f"there is no product {name}")
    if asked.method == "DELETE":
        return Reply(204)
    return _json(found[0], etag=f'W/"{name}-3"')


def _products(asked: Asked) -> Reply:
    if asked.path.rstrip("/") != "/v1/products":
        return _product(asked)
    size, page = min(asked.number("per_page", 10), 100), asked.number("page", 1)
    items = assets.products()[(page - 1) * size : page * size]
    found = {"page": page, "per_page": size, "total": assets.PRODUCTS, "items": items}
    return _json(found, x_request_id="0193b6c2-7f10", x_ratelimit_remaining="58")


def _orders(asked: Asked) -> Reply:
    if b'"quantity":0' in asked.body.replace(b" ", b""):
        return _problem(422, "the order is not valid", "quantity must be at least 1")
    return _json({"id": 4711, "state": "accepted"}, 201, location="/v1/orders/4711")


def _preflight(asked: Asked) -> Reply:
    if asked.method != "OPTIONS":
        return _json({"items": [], "total": 0})
    return Reply(
        204,
        fields=[
            ("Access-Control-Allow-Origin", "https://shop.demo.test"),
            ("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE"),
            ("Access-Control-Max-Age", "600"),
        ],
    )


def _events(asked: Asked) -> Reply:
    pieces = [
        (0.25, f'id: {number}\nevent: stock\ndata: {{"id": {number}, "stock": {40 - number}}}\n\n')
        for number in range(1, asked.number("events", 8) + 1)
    ]
    return Reply(
        200,
        "text/event-stream",
        fields=[("Cache-Control", "no-store")],
        pieces=[(wait, text.encode()) for wait, text in pieces],
    )


def _journal(asked: Asked) -> Reply:
    lines = [f"2026-09-21T14:13:{second:02} worker-{second % 3} done\n" for second in range(20)]
    return Reply(
        pieces=[(0.0, line.encode()) for line in lines],
        fields=[("Trailer", "Digest, Server-Timing")],
        trailers=[("Digest", "crc32c=AAAAAA=="), ("Server-Timing", "total;dur=12.5")],
    )


def _download(asked: Asked) -> Reply:
    data = assets.noise(4 * MIB)
    name = [("Content-Disposition", 'attachment; filename="backup-2026.bin"')]
    span = asked.fields.get("range", "")
    if span.startswith("bytes="):
        first, _, last = span.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        name.append(("Content-Range", f"bytes {first}-{last}/{len(data)}"))
        return Reply(206, "application/octet-stream", part, name)
    return Reply(200, "application/octet-stream", data, [*name, ("Accept-Ranges", "bytes")])


def _hostile(asked: Asked) -> Reply:
    """Text that wants to steer the terminal it is shown on."""
    body = {
        "escape": "\x1b[31;5mred\x1b[0m \x1b]0;owned\x07",
        "bidi": "user\u202egpj.exe",
        "zero width": "pay\u200bpal",
        "markup": "[bold]not bold[/bold] <script>alert(1)</script>",
        "letters": "Ünïcödé 日本語 עברית 🦙",
    }
    fields = [
        ("X-Greeting", "grüße, 世界 [red]not red[/red]"),
        ("X-Override", "invoice\u202efdp.exe"),
        ("X-Long", "a" * 900),
    ]
    return Reply(200, "application/json", assets.dump(body, pretty=True), fields)


def _page(title: str) -> Route:
    return lambda asked: Reply(200, "text/html; charset=utf-8", assets.article(title).encode())


HOSTS: dict[str, dict[str, Route]] = {
    "shop.demo.test": {
        "/static/app.css": _static("text/css", assets.CSS.encode()),
        "/static/app.js": _static("text/javascript", assets.JS.encode()),
        "/static/logo.svg": _static("image/svg+xml", assets.LOGO.encode()),
        "/favicon.ico": lambda asked: Reply(404, "text/plain", b"no icon\n"),
        "/img/": _picture,
        "/api/cart": lambda asked: _json({"items": [7, 7, 12], "total": 9470}),
        "/account": _page("Your account"),
        "/avatar": lambda asked: Reply(204),
        "/": lambda asked: Reply(
            200, "text/html; charset=utf-8", assets.shop_page().encode(), [("Server", "demo/1.0")]
        ),
    },
    "auth.demo.test": {
        "/login": _login,
        "/token": lambda asked: _json(
            {"access_token": "demo.not-a-secret", "token_type": "Bearer", "expires_in": 3600}
        ),
        "/admin": lambda asked: Reply(
            401, body=b"sign in\n", fields=[("WWW-Authenticate", 'Bearer realm="demo"')]
        ),
        "/forbidden": lambda asked: _problem(403, "forbidden", "the token lacks scope admin"),
    },
    "api.demo.test": {
        "/v1/products": _products,
        "/v1/orders": _orders,
        "/v1/search": _preflight,
        "/v1/hostile": _hostile,
        "/v1/report": lambda asked: _problem(500, "it broke", "KeyError: 'total'"),
        "/v1/limited": lambda asked: Reply(
            429, body=b"slow down\n", fields=[("Retry-After", "30"), ("X-RateLimit-Remaining", "0")]
        ),
        "/v1/slow": lambda asked: Reply(200, "text/plain", b"at last\n", delay=1.2),
        "/graphql": lambda asked: _json({"data": {"shop": {"name": "Demo", "open": True}}}),
        "/mobile/sync": lambda asked: _json({"cursor": "b3A9", "changes": assets.products()[:3]}),
    },
    "cdn.demo.test": {
        "/img/": _picture,
        "/lib/app.js": lambda asked: _static("text/javascript", assets.library().encode())(asked),
    },
    "news.demo.test": {
        "/feed.xml": lambda asked: Reply(200, "application/atom+xml", assets.FEED.encode()),
        "/s": _page("Søk: 日本語"),
        "/old": lambda asked: Reply(301, fields=[("Location", "https://news.demo.test/feed.xml")]),
        "/": _page("Demo News"),
    },
    "rpc.demo.test": {calls.SERVICE: calls.call},
    "events.demo.test": {"/stream": _events, "/journal": _journal},
    "files.demo.test": {
        "/backup.bin": _download,
        "/cut.bin": lambda asked: Reply(
            200, "application/octet-stream", assets.noise(200_000), cut=60_000
        ),
        "/reset": lambda asked: Reply(reset=True),
        "/upload": lambda asked: _json({"bytes": len(asked.body)}, 201),
        "/maintenance": lambda asked: Reply(
            503, "text/html", b"<h1>Back soon</h1>\n", [("Retry-After", "120")]
        ),
    },
}
