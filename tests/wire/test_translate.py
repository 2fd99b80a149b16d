"""Messages from one HTTP version to the other."""

from __future__ import annotations

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Field, Headers
from rama_proxy.model.message import Request
from rama_proxy.protocols.http1 import (
    parse_request,
    parse_response,
    serialize_request,
    serialize_response,
)
from rama_proxy.protocols.http2_events import InformationalHead, RequestHead, ResponseHead
from rama_proxy.protocols.http2_fields import request_fault, response_fault
from rama_proxy.protocols.translate import (
    request_of,
    request_to_http1,
    request_to_http2,
    response_of,
    response_to_http1,
    response_to_http2,
    trailers_to_http2,
    websocket_accept,
)

GET: list[Field] = [
    (b":method", b"GET"),
    (b":authority", b"a.example"),
    (b":scheme", b"https"),
    (b":path", b"/x?y"),
]


def h2_request(pseudo: list[Field], fields: list[Field]) -> Request:
    return request_of(RequestHead(1, pseudo, Headers.of(fields), end_stream=True))


def h1_request(data: bytes) -> Request:
    found = parse_request(bytearray(data))
    assert found is not None
    request = found[0]
    request.scheme = request.scheme or "https"
    return request


def test_a_request_is_what_its_head_says() -> None:
    request = h2_request(GET, [(b"x", b"y")])
    assert (request.method, request.target, request.version) == ("GET", b"/x?y", "HTTP/2")
    assert (request.scheme, request.host, request.port) == ("https", "a.example", 443)
    assert (request.authority, request.pseudo_order) == ("a.example", "masp")
    assert request.url == "https://a.example/x?y"


def test_connect_goes_to_its_authority() -> None:
    request = h2_request([(b":method", b"CONNECT"), (b":authority", b"[::1]:8443")], [])
    assert (request.target, request.host, request.port) == (b"[::1]:8443", "::1", 8443)


class TestRequestToHttp1:
    @pytest.mark.parametrize(
        ("fields", "has_body", "sent", "notes"),
        [
            (
                [(b"accept", b"*/*")],
                False,
                b"GET /x?y HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n",
                ["Host made from :authority"],
            ),
            (
                [(b"x", b"1"), (b"host", b"a.example")],
                False,
                b"GET /x?y HTTP/1.1\r\nx: 1\r\nhost: a.example\r\n\r\n",
                [],
            ),
            (
                [(b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2"), (b"host", b"a.example")],
                False,
                b"GET /x?y HTTP/1.1\r\ncookie: a=1; b=2\r\nx: 1\r\nhost: a.example\r\n\r\n",
                ["2 cookie fields joined"],
            ),
            (
                [(b"host", b"a.example"), (b"te", b"trailers")],
                True,
                b"GET /x?y HTTP/1.1\r\nhost: a.example\r\nte: trailers\r\nconnection: TE\r\n"
                b"transfer-encoding: chunked\r\n\r\n",
                ["body sent in chunks"],
            ),
            (
                [(b"host", b"a.example"), (b"content-length", b"5")],
                True,
                b"GET /x?y HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\n",
                [],
            ),
            (
                [(b"host", b"a.example"), (b"proxy-authorization", b"Basic eA==")],
                False,
                b"GET /x?y HTTP/1.1\r\nhost: a.example\r\n\r\n",
                ["proxy-authorization dropped"],
            ),
        ],
    )
    def test_head(self, fields: list[Field], has_body: bool, sent: bytes, notes: list[str]) -> None:
        request = h2_request(GET, fields)
        before = request.headers.fields.copy()
        made, said = request_to_http1(request, has_body=has_body)
        assert serialize_request(made) == sent
        assert said == notes
        assert request.headers.fields == before
        assert parse_request(bytearray(sent)) is not None

    def test_connect(self) -> None:
        request = h2_request([(b":method", b"CONNECT"), (b":authority", b"a:443")], [])
        made, _ = request_to_http1(request, has_body=True)
        assert serialize_request(made) == b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"

    def test_websocket(self) -> None:
        pseudo = [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"websocket")]
        request = h2_request(pseudo, [(b"sec-websocket-version", b"13")])
        made, notes = request_to_http1(
            request, has_body=True, websocket_key="dGhlIHNhbXBsZSBub25jZQ=="
        )
        assert serialize_request(made) == (
            b"GET /x?y HTTP/1.1\r\nhost: a.example\r\nsec-websocket-version: 13\r\n"
            b"upgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert "extended CONNECT sent as Upgrade: websocket" in notes

    def test_another_protocol_has_no_form(self) -> None:
        pseudo = [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"connect-udp")]
        with pytest.raises(ProtocolError, match="connect-udp"):
            request_to_http1(h2_request(pseudo, []), has_body=False)


class TestRequestToHttp2:
    @pytest.mark.parametrize(
        ("head", "pseudo", "fields", "notes"),
        [
            (
                b"GET /x HTTP/1.1\r\nHost: a\r\nX-Y: Z\r\n\r\n",
                [
                    (b":method", b"GET"),
                    (b":authority", b"a"),
                    (b":scheme", b"https"),
                    (b":path", b"/x"),
                ],
                [(b"x-y", b"Z")],
                [
                    "field names sent in lower case",
                    "Host sent as :authority",
                ],
            ),
            (
                b"POST / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, x\r\nkeep-alive: 5\r\n"
                b"transfer-encoding: chunked\r\nx: 1\r\nproxy-connection: x\r\nupgrade: h2c\r\n"
                b"http2-settings: AA\r\nproxy-authorization: b\r\n\r\n",
                [
                    (b":method", b"POST"),
                    (b":authority", b"a"),
                    (b":scheme", b"https"),
                    (b":path", b"/"),
                ],
                [(b"x", b"1")],
                [
                    "connection dropped",
                    "keep-alive dropped",
                    "transfer-encoding dropped",
                    "proxy-connection dropped",
                    "upgrade dropped",
                    "http2-settings dropped",
                    "proxy-authorization dropped",
                    "Host sent as :authority",
                ],
            ),
            (
                b"OPTIONS * HTTP/1.1\r\nhost: a\r\nte: gzip;q=1, trailers\r\n\r\n",
                [
                    (b":method", b"OPTIONS"),
                    (b":authority", b"a"),
                    (b":scheme", b"https"),
                    (b":path", b"*"),
                ],
                [(b"te", b"trailers")],
                [
                    "TE: gzip;q=1, trailers sent as trailers",
                    "Host sent as :authority",
                ],
            ),
            (
                b"CONNECT a:443 HTTP/1.1\r\nhost: b\r\n\r\n",
                [(b":method", b"CONNECT"), (b":authority", b"a:443")],
                [],
                [
                    "Host sent as :authority",
                ],
            ),
            (
                b"GET http://a:81/x HTTP/1.1\r\nhost: a:81\r\ncookie: a=1; b=2\r\n\r\n",
                [
                    (b":method", b"GET"),
                    (b":authority", b"a:81"),
                    (b":scheme", b"http"),
                    (b":path", b"/x"),
                ],
                [(b"cookie", b"a=1; b=2")],
                [
                    "Host sent as :authority",
                ],
            ),
        ],
    )
    def test_head(
        self, head: bytes, pseudo: list[Field], fields: list[Field], notes: list[str]
    ) -> None:
        got_pseudo, headers, said = request_to_http2(h1_request(head))
        assert got_pseudo == pseudo
        assert headers.fields == fields
        assert said == notes
        assert request_fault(got_pseudo + headers.fields, connect_protocol=True) == ""

    def test_http2_stays_as_it_is(self) -> None:
        fields: list[Field] = [(b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"te", b"trailers")]
        pseudo = [GET[0], GET[3], GET[2], GET[1]]
        assert request_to_http2(h2_request(pseudo, fields)) == (pseudo, Headers.of(fields), [])

    def test_http2_that_named_only_host_does_so_again(self) -> None:
        pseudo, fields = [GET[0], GET[2], GET[3]], [(b"host", b"a.example")]
        assert request_to_http2(h2_request(pseudo, fields)) == (pseudo, Headers.of(fields), [])

    def test_websocket(self) -> None:
        request = h1_request(
            b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        pseudo, headers, _ = request_to_http2(request, protocol="websocket")
        assert pseudo == [
            (b":method", b"CONNECT"),
            (b":authority", b"a"),
            (b":scheme", b"https"),
            (b":path", b"/x"),
            (b":protocol", b"websocket"),
        ]
        assert headers.fields == [(b"sec-websocket-version", b"13")]


class TestResponseToHttp1:
    @pytest.mark.parametrize(
        ("method", "version", "status", "fields", "has_body", "sent"),
        [
            (
                "GET",
                "1.1",
                200,
                [(b"x", b"y")],
                True,
                b"200 OK\r\nx: y\r\ntransfer-encoding: chunked",
            ),
            ("GET", "1.0", 200, [(b"x", b"y")], True, b"200 OK\r\nx: y\r\nconnection: close"),
            (
                "GET",
                "1.1",
                404,
                [(b"x", b"y")],
                False,
                b"404 Not Found\r\nx: y\r\ncontent-length: 0",
            ),
            ("GET", "1.1", 200, [(b"content-length", b"3")], True, b"200 OK\r\ncontent-length: 3"),
            ("HEAD", "1.1", 200, [(b"x", b"y")], False, b"200 OK\r\nx: y"),
            ("GET", "1.1", 304, [(b"etag", b"1")], False, b"304 Not Modified\r\netag: 1"),
            ("GET", "1.1", 204, [(b"x", b"y")], False, b"204 No Content\r\nx: y"),
            ("GET", "1.1", 103, [(b"link", b"y")], False, b"103 Early Hints\r\nlink: y"),
            ("CONNECT", "1.1", 200, [(b"x", b"y")], True, b"200 OK\r\nx: y"),
            ("GET", "1.1", 599, [(b"content-length", b"0")], False, b"599 \r\ncontent-length: 0"),
        ],
    )
    def test_head(
        self,
        method: str,
        version: str,
        status: int,
        fields: list[Field],
        has_body: bool,
        sent: bytes,
    ) -> None:
        target = b"a:1" if method == "CONNECT" else b"/"
        request = Request(method, target, f"HTTP/{version}", Headers())
        if status < 200:
            response = response_of(InformationalHead(1, status, Headers.of(fields)))
        else:
            response = response_of(ResponseHead(1, status, Headers.of(fields), not has_body))
        made, _ = response_to_http1(response, request, has_body=has_body)
        head = serialize_response(made)
        assert head == b"HTTP/1.1 " + sent + b"\r\n\r\n"
        assert parse_response(bytearray(head)) is not None

    def test_websocket(self) -> None:
        request = Request("GET", b"/", "HTTP/1.1", Headers())
        response = response_of(ResponseHead(1, 200, Headers(), end_stream=False))
        made, notes = response_to_http1(
            response, request, has_body=True, websocket_key="dGhlIHNhbXBsZSBub25jZQ=="
        )
        assert serialize_response(made) == (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        assert notes == ["status 200 sent as 101"]


class TestResponseToHttp2:
    def test_head(self) -> None:
        data = (
            b"HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nset-cookie: b\r\nConnection: close\r\n"
            b"Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nProxy-Authenticate: x\r\n\r\n"
        )
        found = parse_response(bytearray(data))
        assert found is not None
        status, headers, notes = response_to_http2(found[0])
        assert (status, headers.fields) == (200, [(b"set-cookie", b"a"), (b"set-cookie", b"b")])
        assert notes == [
            "Connection dropped",
            "Keep-Alive dropped",
            "Transfer-Encoding dropped",
            "Proxy-Authenticate dropped",
            "field names sent in lower case",
        ]
        assert response_fault([(b":status", b"200"), *headers.fields]) == ""

    def test_101_answers_websockets_only(self) -> None:
        found = parse_response(
            bytearray(
                b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
            )
        )
        assert found is not None
        status, headers, _ = response_to_http2(found[0], websocket=True)
        assert (status, headers.fields) == (200, [(b"sec-websocket-protocol", b"chat")])
        with pytest.raises(ProtocolError, match="101"):
            response_to_http2(found[0])


def test_trailers_lose_what_is_no_trailer() -> None:
    trailers = Headers([("Grpc-Status", "0"), ("Content-Length", "5"), ("Connection", "x")])
    assert trailers_to_http2(trailers).fields == [(b"grpc-status", b"0")]


def test_accept_of_rfc_6455() -> None:
    assert websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_announced_trailers_are_sent_in_chunks() -> None:
    pseudo: list[Field] = [(b":method", b"PUT"), *GET[1:]]
    request = h2_request(pseudo, [(b"content-length", b"4"), (b"trailer", b"x-sum")])
    made, notes = request_to_http1(request, has_body=True)
    assert serialize_request(made) == (
        b"PUT /x?y HTTP/1.1\r\nhost: a.example\r\ntrailer: x-sum\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    assert "content-length dropped" in notes


def test_a_path_goes_on_byte_for_byte() -> None:
    path = b"/caf\xc3\xa9\xff"
    pseudo, _, _ = request_to_http2(h2_request([*GET[:3], (b":path", path)], []))
    assert (b":path", path) in pseudo
