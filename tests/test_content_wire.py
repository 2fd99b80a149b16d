"""A message as it was on the wire."""

from __future__ import annotations

from rama_proxy.content.wire import wire_bytes
from rama_proxy.model.body import Body
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1 import parse_request
from rama_proxy.protocols.http2_events import RequestHead
from rama_proxy.protocols.translate import request_of

HEAD = b"POST /a HTTP/1.1\r\nhost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_head_stays_as_received() -> None:
    parsed = parse_request(bytearray(HEAD))
    assert parsed is not None
    request = parsed[0]
    assert wire_bytes(request) == (HEAD, b"", "")
    request.body = Body(b"data")
    assert wire_bytes(request) == (HEAD, b"data", "without its transfer coding")


def test_a_message_made_here_is_written_out() -> None:
    head, body, note = wire_bytes(Response.make(204, reason="Nothing"))
    assert (head, body) == (b"HTTP/1.1 204 Nothing\r\n\r\n", b"")
    assert note == "made here, never received"
    head, body, _ = wire_bytes(Request.make("PUT", "http://a.test/x", b"1"))
    assert head == b"PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n"
    assert body == b"1"


def test_what_was_not_kept_is_noted() -> None:
    response = Response.make(200, b"first")
    response.raw = b"HTTP/1.1 200 OK\r\n\r\n"
    response.body.truncated = response.body.edited = True
    assert wire_bytes(response)[2] == "body edited, only the beginning of the body was kept"


def test_an_http2_head_is_written_out_in_its_order() -> None:
    pseudo = [
        (b":method", b"GET"),
        (b":path", b"/x?y"),
        (b":authority", b"a.test"),
        (b":scheme", b"https"),
    ]
    request = request_of(RequestHead(1, pseudo, Headers.of([(b"accept", b"*/*")]), True))
    head, _, note = wire_bytes(request)
    lines = b":method: GET\r\n:path: /x?y\r\n:authority: a.test\r\n:scheme: https\r\n"
    assert head == lines + b"accept: */*\r\n\r\n"
    assert note == "HTTP/2, its fields written out"
    response = Response(204, "", "HTTP/2", Headers.of([(b"server", b"x")]))
    assert wire_bytes(response)[0] == b":status: 204\r\nserver: x\r\n\r\n"
