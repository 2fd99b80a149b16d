"""The kinds of exchange that `flows` draws from, each a function that fills a bare flow."""

from __future__ import annotations

import gzip
import json
import random
from base64 import b64decode
from collections.abc import Callable

from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import REASONS, Request, Response

PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

Make = Callable[[random.Random, Flow], None]


def answer(
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
    answer(flow, 200, "application/json", _people(chance, chance.randrange(1, 40)))


def _gzip_json(chance: random.Random, flow: Flow) -> None:
    flow.request.target = f"/v2/orders/{chance.randrange(10**5)}".encode()
    data = gzip.compress(_people(chance, 20), mtime=0)
    answer(flow, 200, "application/json; charset=utf-8", data, ("Content-Encoding", "gzip"))


def _create(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/v2/people"
    _post(flow, "application/json", _people(chance, 1))
    location = ("Location", f"/v2/people/{chance.randrange(10**5)}")
    answer(flow, 201, "application/json", b'{"ok":true}', location)


def _form(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/login"
    _post(flow, "application/x-www-form-urlencoded", b"user=ada&password=hunter2&next=%2Fhome")
    answer(flow, 302, "text/plain", b"", ("Location", "/home"), ("Set-Cookie", "session=1; Path=/"))


def _page(chance: random.Random, flow: Flow) -> None:
    number = chance.randrange(500)
    flow.request.target = f"/products/{number}".encode()
    items = "".join(f"<li>Item {chance.randrange(999)}</li>" for _ in range(chance.randrange(40)))
    text = f"<!doctype html><title>Product {number}</title><h1>Product</h1><ul>{items}</ul>"
    answer(flow, 200, "text/html; charset=utf-8", text.encode())


def _asset(chance: random.Random, flow: Flow) -> None:
    name, media_type, data = chance.choice(
        (
            ("app.js", "text/javascript", b"export const answer = () => 42;\n" * 30),
            ("site.css", "text/css", b"body { color: #222; margin: 0 }\n" * 20),
            ("logo.png", "image/png", PNG),
        )
    )
    flow.request.target = f"/static/{chance.randrange(9)}/{name}".encode()
    answer(flow, 200, media_type, data, ("Cache-Control", "max-age=31536000"))


def _not_modified(chance: random.Random, flow: Flow) -> None:
    flow.request.target = f"/static/{chance.randrange(9)}/app.js".encode()
    flow.request.headers.add("If-None-Match", '"5f3a"')
    response = answer(flow, 304, "text/javascript", b"")
    response.headers.remove("content-length")


def _missing(chance: random.Random, flow: Flow) -> None:
    flow.request.target = f"/v2/people/{chance.randrange(10**6)}".encode()
    flow.request.method = chance.choice(("GET", "DELETE", "HEAD"))
    answer(flow, 404, "application/problem+json", b'{"title":"No such person"}')


def _broken(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/v2/report"
    answer(flow, chance.choice((500, 502, 503)), "text/plain", b"upstream timed out\n")


def _refused(chance: random.Random, flow: Flow) -> None:
    flow.request.target = b"/health"
    flow.server = None
    flow.error = f"connection refused by {flow.request.host}"
    response = answer(flow, 502, "text/plain; charset=utf-8", flow.error.encode())
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
    response = answer(flow, 200, "text/plain", data, ("X-Colour", "\x1b[31mred"))
    response.reason = "O\x1bK"


KINDS: dict[str, tuple[int, Make]] = {
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
