"""How far messages reach, by RFC 9112 6.3."""

from __future__ import annotations

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1 import (
    Framing,
    keeps_alive,
    parse_request,
    parse_response,
    request_framing,
    response_framing,
)


def request(data: bytes) -> Request:
    """The request that `data` is."""
    answer = parse_request(bytearray(data))
    assert answer is not None
    return answer[0]


def response(data: bytes) -> Response:
    """The response that `data` is."""
    answer = parse_response(bytearray(data))
    assert answer is not None
    return answer[0]


class TestRequest:
    @pytest.mark.parametrize(
        ("fields", "expect"),
        [
            (b"", Framing("none")),
            (b"Content-Length: 0\r\n", Framing("length", 0)),
            (b"cOnTeNt-LeNgTh:   12 \r\n", Framing("length", 12)),
            (b"Content-Length: 007\r\n", Framing("length", 7)),
            (b"Content-Length: 999999999999999999\r\n", Framing("length", 10**18 - 1)),
            (b"Transfer-Encoding: chunked\r\n", Framing("chunked")),
            (b"TRANSFER-ENCODING:\tChunked \r\n", Framing("chunked")),
            (b"Transfer_Encoding: gzip\r\nContent_Length: -1\r\n", Framing("none")),
            (b"X: Content-Length: 5\r\n", Framing("none")),
            (b"Upgrade: x\r\nConnection: upgrade\r\n", Framing("none")),
        ],
    )
    def test_framing(self, fields: bytes, expect: Framing) -> None:
        data = b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"
        assert request_framing(request(data)) == expect

    @pytest.mark.parametrize(
        ("fields", "message", "status"),
        [
            (
                b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "both Content-Length and Transfer-Encoding (RFC 9112 6.3)",
                400,
            ),
            (
                b"Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 5\r\n",
                "both Content-Length and Transfer-Encoding",
                400,
            ),
            (b"Transfer-Encoding: x\r\nContent-Length: 5\r\n", "both", 400),
            (
                b"Content-Length: 5\r\nContent-Length: 6\r\n",
                "repeated Content-Length (RFC 9110 8.6)",
                400,
            ),
            (b"Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n", "repeated", 400),
            (b"Content-Length: 5, 5\r\n", "bad Content-Length b'5, 5' (RFC 9110 8.6)", 400),
            (b"Content-Length: 5,6\r\n", "bad Content-Length", 400),
            (b"Content-Length:\r\n", "bad Content-Length b''", 400),
            (b"Content-Length: +5\r\n", "bad Content-Length", 400),
            (b"Content-Length: -5\r\n", "bad Content-Length", 400),
            (b"Content-Length: 0x5\r\n", "bad Content-Length", 400),
            (b"Content-Length: 5_0\r\n", "bad Content-Length", 400),
            (b"Content-Length: 5 0\r\n", "bad Content-Length", 400),
            (b"Content-Length: 5.0\r\n", "bad Content-Length", 400),
            (b"Content-Length: 1e3\r\n", "bad Content-Length", 400),
            (b"Content-Length: \xb2\r\n", "bad Content-Length", 400),
            (b"Content-Length: \xd9\xa5\r\n", "bad Content-Length", 400),
            (b"Content-Length: 9999999999999999999\r\n", "is too large", 400),
            (
                b"Transfer-Encoding: gzip\r\n",
                "Transfer-Encoding b'gzip' does not end in chunked, once (RFC 9112 6.3)",
                400,
            ),
            (b"Transfer-Encoding: identity\r\n", "does not end in chunked", 400),
            (b"Transfer-Encoding: chunked, identity\r\n", "does not end in chunked", 400),
            (b"Transfer-Encoding: chunked, chunked\r\n", "does not end in chunked, once", 400),
            (
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "does not end in chunked, once",
                400,
            ),
            (
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
                "does not end in chunked",
                400,
            ),
            (b"Transfer-Encoding: xchunked\r\n", "does not end in chunked", 400),
            (b"Transfer-Encoding: chunkedx\r\n", "does not end in chunked", 400),
            (b"Transfer-Encoding: chunked;x=y\r\n", "does not end in chunked", 400),
            (b'Transfer-Encoding: "chunked"\r\n', "does not end in chunked", 400),
            (b"Transfer-Encoding: \xa0chunked\r\n", "does not end in chunked", 400),
            (b"Transfer-Encoding:\r\n", "empty name in Transfer-Encoding", 400),
            (b"Transfer-Encoding: ,chunked\r\n", "empty name in Transfer-Encoding", 400),
            (b"Transfer-Encoding: chunked,\r\n", "empty name in Transfer-Encoding", 400),
            (
                b"Transfer-Encoding: gzip, chunked\r\n",
                "transfer coding b'gzip' in a request",
                501,
            ),
            (b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", "transfer coding", 501),
        ],
    )
    def test_refused(self, fields: bytes, message: str, status: int) -> None:
        found = request(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        with pytest.raises(ProtocolError) as caught:
            request_framing(found)
        assert message in str(caught.value)
        assert caught.value.status == status

    def test_no_chunks_in_the_old_version(self) -> None:
        found = request(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ProtocolError, match=r"on HTTP/1\.0 \(RFC 9112 6\.1\)"):
            request_framing(found)

    @pytest.mark.parametrize(
        ("field", "message"),
        [
            (b"Content-Length: 1", r"CONNECT with Content-Length 1 \(RFC 9110 9\.3\.6\)"),
            (b"Transfer-Encoding: chunked", "CONNECT with Transfer-Encoding"),
        ],
    )
    def test_no_body_of_connect(self, field: bytes, message: str) -> None:
        found = request(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" + field + b"\r\n\r\n")
        with pytest.raises(ProtocolError, match=message):
            request_framing(found)

    def test_connect_may_say_that_it_has_none(self) -> None:
        found = request(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n")
        assert request_framing(found) == Framing("length", 0)

    def test_an_edited_request_is_judged_by_its_fields(self) -> None:
        found = request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        found.headers.set("Content-Length", "7")
        assert request_framing(found) == Framing("length", 7)
        found.headers.add("Content-Length", "7")
        with pytest.raises(ProtocolError, match="repeated"):
            request_framing(found)


class TestResponse:
    @pytest.mark.parametrize(
        ("head", "method", "kind", "length"),
        [
            (b"HTTP/1.1 200 OK\r\n", "GET", "close", 0),
            (b"HTTP/1.0 200 OK\r\n", "GET", "close", 0),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "GET", "length", 5),
            (b"HTTP/1.1 206 x\r\nContent-Length: 5\r\n", "GET", "length", 5),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "GET", "length", 0),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n", "GET", "chunked", 0),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "GET", "chunked", 0),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", "GET", "close", 0),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n", "GET", "close", 0),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HEAD", "none", 0),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", "HEAD", "none", 0),
            (b"HTTP/1.1 404 x\r\n", "HEAD", "none", 0),
            (b"HTTP/1.1 100 Continue\r\n", "POST", "none", 0),
            (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n", "GET", "none", 0),
            (b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n", "GET", "none", 0),
            (b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n", "GET", "none", 0),
            (b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n", "GET", "none", 0),
            (b"HTTP/1.1 205 x\r\nContent-Length: 0\r\n", "GET", "length", 0),
            (b"HTTP/1.1 101 x\r\nUpgrade: x\r\n", "GET", "tunnel", 0),
            (b"HTTP/1.1 200 x\r\n", "CONNECT", "tunnel", 0),
            (b"HTTP/1.1 200 x\r\nContent-Length: 5\r\n", "CONNECT", "tunnel", 0),
            (b"HTTP/1.1 299 x\r\nTransfer-Encoding: x\r\n", "CONNECT", "tunnel", 0),
            (b"HTTP/1.1 407 x\r\nContent-Length: 5\r\n", "CONNECT", "length", 5),
            (b"HTTP/1.1 502 x\r\n", "CONNECT", "close", 0),
        ],
    )
    def test_framing(self, head: bytes, method: str, kind: str, length: int) -> None:
        assert response_framing(response(head + b"\r\n"), method) == Framing(kind, length, 502)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            (b"Content-Length: 5\r\nContent-Length: 6\r\n", "repeated Content-Length"),
            (b"Content-Length: 5, 6\r\n", "bad Content-Length b'5, 6'"),
            (b"Content-Length: -1\r\n", "bad Content-Length"),
            (b"Content-Length: 9999999999999999999\r\n", "is too large"),
            (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "both Content-Length and"),
            (b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "both Content-Length and"),
            (b"Transfer-Encoding:\r\n", "empty name in Transfer-Encoding"),
        ],
    )
    @pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 x\r\n"])
    def test_refused_even_without_a_body(self, line: bytes, fields: bytes, message: str) -> None:
        for method in ("GET", "HEAD"):
            with pytest.raises(ProtocolError) as caught:
                response_framing(response(line + fields + b"\r\n"), method)
            assert message in str(caught.value)
            assert caught.value.status == 502

    @pytest.mark.parametrize(
        ("head", "message"),
        [
            (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", r"on HTTP/1\.0"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n", "coding b'chunked' in"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n", "coding b'chunked'"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;x\r\n", "coding b'chunked;x' in the"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x, chunked\r\n", "coding b'x' in the"),
        ],
    )
    def test_refused(self, head: bytes, message: str) -> None:
        with pytest.raises(ProtocolError, match=message) as caught:
            response_framing(response(head + b"\r\n"), "GET")
        assert caught.value.status == 502


class TestKeepsAlive:
    @pytest.mark.parametrize(
        ("fields", "new", "old"),
        [
            (b"", True, False),
            (b"Connection: close\r\n", False, False),
            (b"Connection: CLOSE\r\n", False, False),
            (b"Connection: x , Close,y\r\n", False, False),
            (b"Connection: x\r\nconnection: close\r\n", False, False),
            (b"Connection: keep-alive\r\n", True, True),
            (b"Connection: x\r\nConnection: Keep-Alive\r\n", True, True),
            (b"Connection: keep-alive, close\r\n", False, False),
            (b"Connection: closed\r\n", True, False),
            (b"Connection:\r\n", True, False),
            (b"Proxy-Connection: close\r\n", True, False),
            (b"Keep-Alive: timeout=5\r\n", True, False),
        ],
    )
    def test_by_version_and_options(self, fields: bytes, new: bool, old: bool) -> None:
        end = fields + b"\r\n"
        assert keeps_alive(request(b"GET / HTTP/1.1\r\nHost: a\r\n" + end)) is new
        assert keeps_alive(request(b"GET / HTTP/1.0\r\n" + end)) is old
        assert keeps_alive(response(b"HTTP/1.1 200 OK\r\n" + end)) is new
        assert keeps_alive(response(b"HTTP/1.0 200 OK\r\n" + end)) is old

    def test_not_for_the_old_version_at_a_proxy(self) -> None:
        end = b"Connection: keep-alive\r\n\r\n"
        assert not keeps_alive(request(b"GET http://a/ HTTP/1.0\r\n" + end))
        assert keeps_alive(request(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n" + end))
