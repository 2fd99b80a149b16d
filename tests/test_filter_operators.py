"""Each operator against a flow that it is for and one that it is not for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime

import pytest

from rama_proxy.filters import OPERATORS, parse_filter
from rama_proxy.model.connection import TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.websocket import TEXT, WebSocketData, WebSocketMessage
from tests.support.filtered import STARTED, exchange

NOW = STARTED + 600

Change = Callable[[Flow], object]


def kind(name: str) -> Change:
    return lambda flow: setattr(flow, "kind", name)


def attribute(name: str, value: object) -> Change:
    return lambda flow: setattr(flow, name, value)


def no_answer(flow: Flow) -> None:
    flow.response = None


def answer(flow: Flow, *fields: tuple[str, str], body: bytes = b"") -> None:
    assert flow.response is not None
    for name, value in fields:
        flow.response.headers.set(name, value)
    flow.response.body.add(body, 1 << 20)


def ask(flow: Flow, *fields: tuple[str, str], body: bytes = b"", target: bytes = b"/a") -> None:
    for name, value in fields:
        flow.request.headers.add(name, value)
    flow.request.body.add(body, 1 << 20)
    flow.request.target = target


def both_bodies(flow: Flow) -> None:
    ask(flow, body=b"x")
    answer(flow, body=b"yy")


def gzipped(flow: Flow) -> None:
    answer(flow, ("Content-Encoding", "gzip"), body=gzip.compress(b"first\nsecond"))


def chat(flow: Flow) -> None:
    flow.kind, flow.websocket = "websocket", WebSocketData()
    flow.websocket.messages.append(WebSocketMessage(TEXT, True, b"hello\nyou", 1.0))
    flow.websocket.messages.append(WebSocketMessage(TEXT, False, b"welcome", 2.0))


def took(response_begin: float, end: float) -> Change:
    def change(flow: Flow) -> None:
        flow.timing.response_begin = flow.timing.begin + response_begin
        flow.timing.end = flow.timing.begin + end

    return change


def secure(flow: Flow) -> None:
    flow.request.scheme, flow.request.version = "https", "HTTP/2"
    flow.client.tls = TlsInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519", "h2", sni="a.test")
    assert flow.server is not None
    flow.server.tls = TlsInfo(
        "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", "", "http/1.1", sni="b.test"
    )


def noted(flow: Flow) -> None:
    flow.client.annotations = {"ja3": "26f189", "ja4": "t13d", "h2fp": "52d8", "h2fp_text": "1:6|m"}


def upstream(flow: Flow) -> None:
    assert flow.server is not None
    flow.server.via, flow.server.peer = "http://proxy.test:3128", ("2001:db8::9", 3128)


def called(code: str) -> Change:
    def change(flow: Flow) -> None:
        answer(flow, ("Content-Type", "application/grpc"))
        assert flow.response is not None
        flow.response.trailers = Headers([("grpc-status", code)])

    return change


def plain(flow: Flow) -> None:
    flow.timing.started = STARTED


CLOCK = datetime.fromtimestamp(STARTED)  # local, as what people type is
MINUTE, DAY = f"{CLOCK:%H:%M}", f"{CLOCK:%Y-%m-%d}"

# The operator's code: what is done to a flow, what fits it then, and what does not.
CASES: dict[str, list[tuple[Change, str, str]]] = {
    "all": [(plain, "~all", "!~all")],
    "http": [(plain, "~http", "!~http"), (chat, "~http", ""), (kind("dns"), "", "~http")],
    "websocket": [(chat, "~websocket", ""), (plain, "", "~websocket")],
    "tcp": [(kind("tcp"), "~tcp", "~udp"), (plain, "", "~tcp")],
    "udp": [(kind("udp"), "~udp", "~tcp"), (plain, "", "~udp")],
    "dns": [(kind("dns"), "~dns", "~udp"), (plain, "", "~dns")],
    "e": [(attribute("error", "refused"), "~e", ""), (plain, "", "~e")],
    "q": [(no_answer, "~q", "~s"), (plain, "", "~q"), (kind("tcp"), "", "~q")],
    "s": [(plain, "~s", ""), (no_answer, "", "~s")],
    "a": [
        (plain, "~a", ""),  # text/css
        (lambda flow: answer(flow, ("Content-Type", "image/png")), "~a", ""),
        (lambda flow: answer(flow, ("Content-Type", "font/woff2")), "~a", ""),
        (lambda flow: answer(flow, ("Content-Type", "application/x-javascript")), "~a", ""),
        (lambda flow: answer(flow, ("Content-Type", "text/html")), "", "~a"),
    ],
    "marked": [(attribute("mark", ":star:"), "~marked", ""), (plain, "", "~marked")],
    "marker": [
        (attribute("mark", ":star:"), "~marker star", "~marker bug"),
        (plain, "~marker ^$", "~marker ."),
    ],
    "comment": [
        (attribute("comment", "one\nTwo"), "~comment ^two$", "~comment one.two"),
        (plain, "~comment ^$", "~comment ."),
    ],
    "replay": [(attribute("parent_id", 3), "~replay", ""), (plain, "", "~replay")],
    "replayq": [(attribute("parent_id", 3), "~replayq", ""), (plain, "", "~replayq")],
    "replays": [(attribute("parent_id", 3), "", "~replays")],
    "meta": [
        (attribute("metadata", {"rule": 7, "on": True}),
         "~meta 'rule: 7' ~meta on:.true", "~meta x"),
        (plain, "", "~meta ."),
    ],
    "c": [
        (plain, "~c 200", "~c 20"),
        (plain, "~c 2xx", "~c 4xx"),
        (plain, "~c 200-299", "~c 201-299"),
        (plain, "~c >=200", "~c >200"), (plain, "~c <201", "~c <200"), (plain, "~c =200", "~c 0"),
        (plain, "~c <=2XX", "~c >2xx"), (plain, "~c 1xx-2xx", "~c 3xx-5xx"),
        (no_answer, "", "~c <1000"),
    ],
    "grpc": [
        (called("5"), "~grpc 5", "~grpc 0"), (called("5"), "~grpc NOT_FOUND", "~grpc ok"),
        (called("14"), "~grpc >0", "~grpc 1-13"), (plain, "", "~grpc >=0"),
    ],
    "m": [(plain, "~m get", "~m ^et")],
    "d": [(plain, "~d EXAMPLE", "~d 8080")],
    "u": [(plain, "~u ^http://example.com:8080/a$", "~u ^example")],
    "qs": [
        (lambda flow: ask(flow, target=b"/a?page=31&q=a+b%3D&e"), "~qs page ~qs page=3", "~qs pag"),
        (lambda flow: ask(flow, target=b"/a?page=31&q=a+b%3D&e"),
         "~qs 'q=^a b=$' ~qs e", "~qs e=."),
    ],
    "h": [
        (plain, "~h '^host: ex' ~h '^content-type: text/css; charset=utf-8$'", "~h x-none"),
    ],
    "hq": [(plain, "~hq host:", "~hq content-type:")],
    "hs": [(plain, "~hs content-type:", "~hs host:")],
    "hdr": [
        (plain, "~hdr HOST=ex ~hdr content-type=css", "~hdr host=css"),
        (plain, "~hdr content-.+=^text", "~hdr content"),
    ],
    "ck": [
        (lambda flow: ask(flow, ("Cookie", "a=1; session=x=y")),
         "~ck session=^x=y$", "~ck session=1"),
        (lambda flow: ask(flow, ("Cookie", "a=1; b=2")), "~ck a ~ck b", "~ck c"),
        (lambda flow: answer(flow, ("Set-Cookie", "id=9; Path=/")), "~ck id=9", "~ck path"),
    ],
    "t": [(plain, "~t css", "~t html")],
    "tq": [
        (lambda flow: ask(flow, ("Content-Type", "text/x-q")), "~tq x-q", "~tq css"),
        (plain, "", "~tq ."),
    ],
    "ts": [(plain, "~ts charset=UTF-8", ""), (no_answer, "", "~ts .")],
    "b": [
        (gzipped, "~b first.second", "~b third"), (chat, "~b hello.you ~b welcome", "~b bye"),
        (lambda flow: ask(flow, body=b"a=1"), "~b a=1", "~b a=2"),
    ],
    "bq": [
        (lambda flow: ask(flow, body=b"a=1"), "~bq a=1", "~bs a=1"),
        (chat, "~bq hello", "~bq welc"),
    ],
    "bs": [(gzipped, "~bs ^first", "~bq first"), (chat, "~bs WELCOME", "~bs hello")],
    "size": [
        (lambda flow: ask(flow, body=b"x" * 1024), "~size 1k", "~size >1k"),
        (both_bodies, "~size 3", "~size <=2"),
        (lambda flow: ask(flow, body=b"x" * 1500), "~size 1k-1.5k", "~size 2k-3m"),
        (no_answer, "~size 0", "~size >0"),
    ],
    "dur": [
        (took(0.1, 0.5), "~dur >400ms", "~dur >500ms"),
        (took(0.1, 90), "~dur 1m-2m", "~dur <1m30s"),
        (plain, "", "~dur >=0"),
    ],
    "ttfb": [(took(0.25, 9), "~ttfb 200ms-300ms", "~ttfb >1"), (plain, "", "~ttfb >=0")],
    "since": [
        (plain, "~since 10m", "~since 9m59s"), (plain, f"~since {DAY}", "~since 2027-01-01"),
        (plain, f"~since {MINUTE}", f"~since {CLOCK.hour}:{CLOCK.minute + 1}"),
    ],
    "at": [
        (plain, f"~at {DAY}", "~at 2026-09-01"), (plain, f"~at {MINUTE}", "~at >2026-09-30"),
        (plain, f"~at {DAY}T{CLOCK:%H:%M:%S}", f"~at >{DAY}T{CLOCK:%H:%M:%S}"),
        (plain, f"~at '>={DAY} {MINUTE}'", f"~at <{DAY}T{MINUTE}"),
        (plain, f"~at {DAY}-{DAY}", "~at 2026-09-01-2026-09-02"),
        (plain, f"~at 0:00-{MINUTE}", f"~at >{MINUTE}"),
    ],
    "src": [(plain, "~src ^192.0.2.7:4711$", "~src example")],
    "dst": [
        (plain, "~dst ^example.com:8080$", "~dst 192"), (attribute("server", None), "", "~dst ."),
    ],
    "ip": [
        (plain, "~ip 192.0.2.7", "~ip 192.0.2.8"), (plain, "~ip 192.0.2.0/24", "~ip 10.0.0.0/8"),
        (upstream, "~ip 2001:db8::/32", "~ip ::/64"), (attribute("server", None), "", "~ip ::1"),
    ],
    "up": [(upstream, "~up proxy.test", "~up none"), (plain, "", "~up .")],
    "proto": [
        (plain, "~proto ^http/1.1$", "~proto https"), (secure, "~proto https/2", "~proto /1"),
        (chat, "~proto ^ws$", "~proto wss"), (kind("tcp"), "~proto tcp", "~proto http"),
    ],
    "ver": [(plain, "~ver ^http/1.1$", "~ver 2"), (secure, "~ver HTTP/2 ~ver 1.1", "~ver 3")],
    "tls": [
        (secure, "~tls 1.3 ~tls 1.2 ~tls ^X25519 ~tls ECDHE", "~tls 1.1"), (plain, "", "~tls ."),
    ],
    "sni": [(secure, "~sni ^a.test$", "~sni b.test"), (plain, "", "~sni .")],
    "alpn": [(secure, "~alpn ^h2$ ~alpn http/1.1", "~alpn h3"), (plain, "", "~alpn .")],
    "ja3": [(noted, "~ja3 ^26f", "~ja3 t13d"), (plain, "", "~ja3 .")],
    "ja4": [(noted, "~ja4 ^T13D", "~ja4 26f"), (plain, "", "~ja4 .")],
    "h2fp": [(noted, "~h2fp ^52d8 ~h2fp ^1:6", "~h2fp t13d"), (plain, "", "~h2fp .")],
    "id": [
        (attribute("id", 77), "~id 77 ~id 70-80 ~id >76", "~id 7"),
        (attribute("id", 7), "", "~id 77"),
    ],
    "tag": [
        (attribute("tags", {"slow", "api call"}), "~tag ^slow$ ~tag api", "~tag ^call"),
        (plain, "", "~tag ."),
    ],
}  # fmt: skip

MITMPROXY = (
    "all http tcp udp dns websocket q s e a marked replay replayq replays b bq bs h hq hs t tq ts d"
    " u src dst m meta marker comment c"
)


def test_every_operator_is_here_and_mitmproxys_are_all_there() -> None:
    assert set(CASES) == set(OPERATORS)
    assert set(MITMPROXY.split()) <= set(OPERATORS)


@pytest.mark.parametrize(
    ("change", "fits", "fits_not"),
    [
        pytest.param(*case, id=f"{code}-{number}")
        for code, cases in CASES.items()
        for number, case in enumerate(cases)
    ],
)
def test_operator(change: Change, fits: str, fits_not: str) -> None:
    flow = exchange()
    plain(flow)
    change(flow)
    if fits:
        assert parse_filter(fits, now=NOW).matches(flow), fits
    if fits_not:
        assert not parse_filter(fits_not, now=NOW).matches(flow), fits_not


def test_now_is_that_of_the_caller() -> None:
    flow = exchange()
    flow.timing.started = STARTED
    assert parse_filter("~since 1s", now=STARTED + 1).matches(flow)
    assert not parse_filter("~since 1s", now=STARTED + 1.001).matches(flow)
