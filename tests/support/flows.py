"""Flows and stores to show and to search: varied, and the same for the same number every time."""

from __future__ import annotations

import json
import random
from base64 import b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path

from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import DONE, FAILED, Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request
from rama_proxy.store.rows import request_head, response_head
from rama_proxy.store.writer import Writer
from tests.support.exchanges import KINDS

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

# What fingerprint.py makes of that hello.
JA3 = "26f189b187cf57352e89d1bd8c60a4f8"
JA4 = "t13d1811h2_85036bcba153_1f22a2ca17c4"

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


def make_flow(number: int) -> Flow:
    """Flow `number`, which is its id: a pure function of the number."""
    chance = random.Random(number)
    kind = chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
    connection = (number - 1) // FLOWS_PER_CONNECTION * 2 + 1
    shared = random.Random(-connection)  # by all flows of the connection
    secure, host = shared.random() < 0.7, shared.choice(HOSTS)
    client = _client(connection, host if secure else "")
    flow = Flow(client, _request(chance, "GET", host, secure, "/"))
    flow.id = number
    flow.server = _server(connection + 1, host, secure)
    flow.timing.started = START + number * STEP
    flow.timing.begin = 1000.0 + number * STEP
    KINDS[kind][1](chance, flow)
    _finish(chance, flow)
    return flow


def make_flows(count: int, first: int = 1) -> Iterator[Flow]:
    """Flows `first` to `first + count - 1`."""
    return map(make_flow, range(first, first + count))


def make_store(path: Path, flows: int | Iterable[Flow]) -> Path:
    """A finished store of these flows, or the first so many, with a log and an engine's meta."""
    problems: list[str] = []
    writer = Writer(path, budget=1 << 30, on_problem=problems.append)
    writer.open()
    writer.start()
    for flow in make_flows(flows) if isinstance(flows, int) else flows:
        writer.put_connection(flow.client)
        if flow.server is not None:
            writer.put_connection(flow.server)
        writer.put_flow(flow)
    writer.set_meta("listen", json.dumps(["127.0.0.1:8080"]))
    writer.set_meta("ended_at", str(START + 3600))
    writer.log("info", "engine", "listening on 127.0.0.1:8080", START)
    writer.log("warning", "fingerprint", "no cipher of a client is known", START + 1)
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
