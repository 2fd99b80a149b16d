"""A message as it was on the wire."""

from __future__ import annotations

from rama_proxy.content.wire import wire_bytes
from rama_proxy.model.message import Body, Request, Response
from rama_proxy.protocols.http1 import parse_request

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
