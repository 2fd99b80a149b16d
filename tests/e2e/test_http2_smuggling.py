"""A second request hidden in each part of an HTTP/2 request, on its way to a server of HTTP/1.

What reaches the server is read there by h11, and from the same bytes by llhttp: it is one request,
the one that was asked, or none and a reset.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from rama_proxy.protocols.http2_events import Code
from tests.support.abuse import on_uvloop
from tests.support.engine import Engine
from tests.support.http2_frames import (
    CONTINUATION,
    DATA,
    HEADERS,
    PREFACE,
    SETTINGS,
    code_of,
    field,
    frame,
    head,
    say,
)
from tests.support.recorder import Recorder, llhttp_requests

ADMIN = b"GET /admin HTTP/1.1\r\nHost: a.test\r\n\r\n"
SPLIT = b"x\r\n\r\n" + ADMIN

Asked = tuple[bytes, bytes]  # method and body of the request that arrives
Attempt = tuple[Asked | None, bytes]  # None for a reset; the frames


def request(*fields: tuple[bytes, bytes], body: bytes | None = None, **pseudo: bytes) -> bytes:
    """The frames of a request."""
    block = head(**pseudo) + b"".join([field(*one) for one in fields])
    if body is None:
        return frame(HEADERS, 5, 1, block)
    return frame(HEADERS, 4, 1, block) + frame(DATA, 1, 1, body)


def trailers(*fields: tuple[bytes, bytes]) -> bytes:
    """The frames of a request with a body and trailers."""
    block = b"".join([field(*one) for one in fields])
    start = frame(HEADERS, 4, 1, head(method=b"POST")) + frame(DATA, 0, 1, b"hello")
    return start + frame(HEADERS, 5, 1, block)


GET, POST = (b"GET", b""), (b"POST", b"hello")
CHUNKS = b"0\r\n\r\n" + ADMIN

PSEUDO: list[Attempt] = [
    (None, request(method=b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET")),
    (None, request(method=b"GET /admin HTTP/1.1\r\nx:")),
    (None, request(method=b"GET /admin")),
    (None, request(method=b"")),
    (None, request(path=b"/ HTTP/1.1\r\nHost: a.test\r\n\r\nGET /admin")),
    (None, request(path=b"/ HTTP/1.1")),
    (None, request(path=b"/\r/admin")),
    (None, request(path=b"/\n/admin")),
    (None, request(path=b"/\0/admin")),
    (None, request(path=b"/\t/admin")),
    (None, request(path=b"")),
    (None, request(path=b"*")),
    (None, request(path=b"http://b.test/admin")),
    (None, request(authority=b"a.test\r\n\r\n" + ADMIN)),
    (None, request(authority=b"a.test\r\ncontent-length: 5")),
    (None, request(authority=b"a.test b.test")),
    (GET, request(authority=b"a.test,b.test")),
    (None, request(authority=b"b.test@a.test")),
    (None, request(authority=b"a.test/admin?")),
    (None, request(authority=b"")),
    (None, request((b":path", b"/admin"))),
    (None, request((b":scheme", b"http\r\nx: y"))),
    (GET, request(path=b"/%0d%0a%0d%0aGET%20/admin")),
]
FIELDS: list[Attempt] = [
    (None, request((b"x", SPLIT))),
    (None, request((b"x", b"y\nhost: b.test"))),
    (None, request((b"x", b"y\rhost: b.test"))),
    (None, request((b"x", b"y\0z"))),
    (None, request((b"x", b"y\r\n transfer-encoding: chunked"))),
    (None, request((b"x: y\r\nhost", b"b.test"))),
    (None, request((b"x\n", b"y"))),
    (None, request((b"x:", b"y"))),
    (None, request((b" x", b"y"))),
    (None, request((b"transfer-encoding ", b"chunked"))),
    (None, request((b"Host", b"b.test"))),
    (None, request((b"host", b"b.test"))),
    (None, request((b"host", b"a.test"), (b"host", b"a.test"))),
    (None, request((b"connection", b"transfer-encoding"))),
    (None, request((b"upgrade", b"h2c"))),
    (None, request((b"cookie", SPLIT))),
    (None, request((b"cookie", b"a=1"), (b"cookie", b"b=2\r\n\r\n" + ADMIN))),
    (GET, request((b"host", b"a.test"), (b"cookie", b"a"), (b"cookie", b"b: c; d"))),
    (GET, request((b"x", b"GET /admin HTTP/1.1"))),
    (GET, request((b"content-length", b"0"))),
    (GET, request((b"http2-settings", b"AAMAAABkAAQAoAAAAAIAAAAA"))),
]
BODIES: list[Attempt] = [
    (None, request((b"transfer-encoding", b"chunked"), method=b"POST", body=CHUNKS)),
    (None, request((b"transfer-encoding", b"identity"), method=b"POST", body=CHUNKS)),
    (None, request((b"content-length", b"0"), method=b"POST", body=ADMIN)),
    (None, request((b"content-length", b"5"), method=b"POST", body=b"hello" + ADMIN)),
    (None, request((b"content-length", b"99"), method=b"POST", body=b"hello")),
    (None, request((b"content-length", b"5, 5"), method=b"POST", body=b"hello")),
    (None, request((b"content-length", b"+5"), method=b"POST", body=b"hello")),
    (None, request((b"content-length", b"5 "), method=b"POST", body=b"hello")),
    (None, request((b"content-length", b"5\r\nx: y"), method=b"POST", body=b"hello")),
    (None, request(*[(b"content-length", b"5")] * 2, method=b"POST", body=b"hello")),
    ((b"POST", CHUNKS), request(method=b"POST", body=CHUNKS)),
    ((b"GET", ADMIN), request(body=ADMIN)),
    ((b"POST", ADMIN), request((b"content-length", b"37"), method=b"POST", body=ADMIN)),
    (POST, request((b"transfer_encoding", b"chunked"), method=b"POST", body=b"hello")),
    (POST, request((b"te", b"trailers"), method=b"POST", body=b"hello")),
    (None, request((b"te", b"chunked"), method=b"POST", body=b"hello")),
    (POST, trailers((b"x-sum", b"1"))),
    (None, trailers((b"x", SPLIT))),
    (None, trailers((b"content-length", b"5"))),
    (None, trailers((b"transfer-encoding", b"chunked"))),
    (None, trailers((b"host", b"b.test"))),
    (None, trailers((b":path", b"/admin"))),
    (None, trailers((b"x\r\ny", b"z"))),
]
SPLIT_BLOCK = field(b"x", SPLIT)
FRAMES: list[Attempt] = [
    (
        None,
        frame(HEADERS, 1, 1, head() + SPLIT_BLOCK[:8]) + frame(CONTINUATION, 4, 1, SPLIT_BLOCK[8:]),
    ),
    (GET, frame(HEADERS, 0x0D, 1, b"\x25" + head() + ADMIN[:37])),  # the padding says GET /admin
]
ATTEMPTS = PSEUDO + FIELDS + BODIES + FRAMES


@on_uvloop
async def test_one_request_arrives_or_none(tmp_path: Path) -> None:
    async with Recorder() as server:
        mode = f"--mode=reverse:http://127.0.0.1:{server.port}"
        with Engine(tmp_path, mode, "--keep-host", "--upstream-http=1.1") as engine:
            for asked, frames in ATTEMPTS:
                server.seen.clear()
                answer = await say(engine.port, PREFACE + SETTINGS + frames, until=1)
                seen = list(server.seen.values())
                arrived = [(one[0], one[2]) for each in seen for one in each.requests]
                assert [each.refused for each in seen if each.refused] == [], frames
                assert arrived == ([asked] if asked else []), frames
                for each in seen:
                    if not asked:  # a body that turned out wrong: its request was never whole
                        assert b"/admin HTTP" not in bytes(each.received).split(b"hello")[0], frames
                    else:
                        assert llhttp_requests(bytes(each.received)) == each.requests, frames
                code = code_of(answer, 1)
                assert code == (None if asked else Code.PROTOCOL_ERROR), frames
            flows = await asyncio.to_thread(engine.flows, len(ATTEMPTS))
    assert [bool(flow.error) for flow in flows] == [asked is None for asked, _ in ATTEMPTS]
