"""Heads written: byte for byte but for what the hop demands, or from the fields."""

from __future__ import annotations

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1 import (
    hop_request,
    parse_request,
    parse_response,
    serialize_request,
    serialize_response,
    set_host,
)


def request(data: bytes) -> Request:
    """The request that `data` is."""
    answer = parse_request(bytearray(data))
    assert answer is not None
    return answer[0]


class TestHop:
    @pytest.mark.parametrize("absolute", [False, True])
    def test_nothing_else_is_touched(self, absolute: bool) -> None:
        data = (
            b"PURGE /\xe4?a#b HTTP/1.0\r\nx-B:   c \t\r\nHOST:a\r\nConnection: x-b, close\r\n"
            b"Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: y\r\nX-Proxy-Connection: z\r\n\r\n"
        )
        assert hop_request(request(data), absolute=absolute) == (data, [])

    @pytest.mark.parametrize(
        ("target", "path"),
        [
            (b"http://a/", b"/"),
            (b"http://a", b"/"),
            (b"HTTP://A:80/b?c=d#e", b"/b?c=d#e"),
            (b"http://a:80?x=/", b"/?x=/"),
            (b"http://a:80#x", b"/#x"),
            (b"http://a//b", b"//b"),
            (b"http://a/http://b/", b"/http://b/"),
        ],
    )
    def test_absolute_target_becomes_a_path(self, target: bytes, path: bytes) -> None:
        end = b" HTTP/1.1\r\nHost: a:80\r\nX: http://a/\r\n\r\n"
        found = request(b"GET " + target + end)
        head, notes = hop_request(found, absolute=False)
        assert head == b"GET " + path + end
        assert notes == ["absolute target sent as a path"]
        assert hop_request(found, absolute=True) == (found.raw, [])

    def test_options_of_a_whole_server(self) -> None:
        found = request(b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n")
        assert hop_request(found, absolute=False)[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
        found = request(b"OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert hop_request(found, absolute=False)[0].startswith(b"OPTIONS / HTTP/1.1\r\n")

    def test_host_is_added_where_only_the_target_named_it(self) -> None:
        found = request(b"GET http://a:81/x HTTP/1.0\r\nX: y\r\n\r\n")
        assert hop_request(found, absolute=False) == (
            b"GET /x HTTP/1.0\r\nHost: a:81\r\nX: y\r\n\r\n",
            ["absolute target sent as a path", "Host added from the target"],
        )

    @pytest.mark.parametrize("absolute", [False, True])
    def test_fields_for_this_proxy_are_dropped(self, absolute: bool) -> None:
        found = request(
            b"GET / HTTP/1.1\r\nproxy-connection: keep-alive\r\nHost: a\r\n"
            b"Proxy-Authorization: Basic x\r\nProxy-Authenticate:\r\nProxy-Status: s\r\n"
            b"X: y\r\nProxy-Connection: close\r\n\r\n"
        )
        assert hop_request(found, absolute=absolute) == (
            b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Status: s\r\nX: y\r\n\r\n",
            [
                "proxy-connection dropped",
                "Proxy-Authorization dropped",
                "Proxy-Authenticate dropped",
                "Proxy-Connection dropped",
            ],
        )

    @pytest.mark.parametrize(
        ("asked", "left"),
        [
            (
                b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
                b"",
            ),
            (
                b"connection: keep-alive, Upgrade, HTTP2-Settings\r\nupgrade: websocket, H2C\r\n",
                b"connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n",
            ),
            (b"Upgrade: h2c\r\n", b""),
        ],
    )
    def test_an_upgrade_to_http2_is_not_passed_on(self, asked: bytes, left: bytes) -> None:
        line, end = b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: h2c\r\n\r\n"
        head, notes = hop_request(request(line + asked + end), absolute=False)
        assert head == line + left + end
        assert notes == ["Upgrade: h2c not passed on, answered as HTTP/1.1 (RFC 9113 3.1)"]

    def test_connect_to_the_next_proxy_keeps_its_target(self) -> None:
        found = request(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nProxy-Connection: x\r\n\r\n")
        assert hop_request(found, absolute=False) == (
            b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            ["Proxy-Connection dropped"],
        )

    def test_a_request_made_here_is_written_first(self) -> None:
        made = Request.make("GET", "http://a:81/x", headers={"Proxy-Connection": "close"})
        made.target = b"http://a:81/x"
        assert hop_request(made, absolute=False) == (
            b"GET /x HTTP/1.1\r\nHost: a:81\r\n\r\n",
            ["absolute target sent as a path", "Proxy-Connection dropped"],
        )

    def test_the_request_itself_is_not_changed(self) -> None:
        found = request(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Connection: x\r\n\r\n")
        hop_request(found, absolute=False)
        assert found.target == b"http://a/"
        assert "proxy-connection" in found.headers
        assert found.raw.startswith(b"GET http://a/ HTTP/1.1\r\n")


class TestSetHost:
    def test_in_its_place_and_case(self) -> None:
        found = request(b"GET / HTTP/1.1\r\nX: Host: a\r\nhOST:\ta \r\nY: z\r\n\r\n")
        assert set_host(found, "b:81") == "Host a sent as b:81"
        assert found.raw == b"GET / HTTP/1.1\r\nX: Host: a\r\nhOST:\tb:81\r\nY: z\r\n\r\n"
        assert found.headers.fields == [(b"X", b"Host: a"), (b"hOST", b"b:81"), (b"Y", b"z")]
        assert request(found.raw).headers == found.headers

    def test_added_first_where_there_was_none(self) -> None:
        found = request(b"GET / HTTP/1.0\r\nX: y\r\n\r\n")
        assert set_host(found, "b") == "Host b added"
        assert found.raw == b"GET / HTTP/1.0\r\nHost: b\r\nX: y\r\n\r\n"
        assert request(found.raw).headers == found.headers

    def test_the_same_is_no_change(self) -> None:
        found = request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert set_host(found, "a") == ""

    def test_of_a_request_made_here(self) -> None:
        made = Request.make("GET", "http://a/")
        assert set_host(made, "b") == "Host a sent as b"
        assert made.raw == b""
        assert made.headers.get("host") == "b"


class TestSerialize:
    def test_request(self) -> None:
        data = b"POST /\xe4 HTTP/1.1\r\nhOsT: a\r\nX: \xe4\r\nx: \r\n\r\n"
        assert serialize_request(request(data)) == data

    def test_response(self) -> None:
        data = b"HTTP/1.0 404 N\xf6\r\nX: y\r\nX: \x01\r\n\r\n"
        answer = parse_response(bytearray(data))
        assert answer is not None
        assert serialize_response(answer[0]) == data

    def test_response_without_a_reason(self) -> None:
        assert (
            serialize_response(Response(299, "", "HTTP/1.1", Headers())) == b"HTTP/1.1 299 \r\n\r\n"
        )

    @pytest.mark.parametrize(
        ("method", "target", "version"),
        [
            ("G T", b"/", "HTTP/1.1"),
            ("", b"/", "HTTP/1.1"),
            ("GET", b"/ b", "HTTP/1.1"),
            ("GET", b"", "HTTP/1.1"),
            ("GET", b"/\r\nX: y", "HTTP/1.1"),
            ("GET", b"/", "HTTP/2.0"),
            ("GET", b"/", "HTTP/1.1\r\nX: y"),
            ("G\u0130T", b"/", "HTTP/1.1"),
        ],
    )
    def test_no_request_line(self, method: str, target: bytes, version: str) -> None:
        made = Request(method, target, version, Headers([("Host", "a")]))
        with pytest.raises(ProtocolError, match=r"request line b'.*' cannot be sent") as caught:
            serialize_request(made)
        assert caught.value.status == 500

    @pytest.mark.parametrize(
        ("status", "reason", "version"),
        [
            (99, "x", "HTTP/1.1"),
            (1000, "x", "HTTP/1.1"),
            (200, "a\r\nX: y", "HTTP/1.1"),
            (200, "a\x00", "HTTP/1.1"),
            (200, "OK", "HTTP/2"),
        ],
    )
    def test_no_status_line(self, status: int, reason: str, version: str) -> None:
        with pytest.raises(ProtocolError, match=r"status line b'.*' cannot be sent") as caught:
            serialize_response(Response(status, reason, version, Headers()))
        assert caught.value.status == 500

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X", "a\r\nY: b"),
            ("X", "a\nb"),
            ("X", "a\r"),
            ("X", "\x00"),
            ("X\r\nY", "z"),
            ("X:", "y"),
            ("", "y"),
            ("X y", "z"),
            (" X", "y"),
            ("\xe4", "y"),
        ],
    )
    def test_no_field(self, name: str, value: str) -> None:
        """An addon cannot split a message by what it sets."""
        fields = Headers([("Host", "a"), (name, value)])
        with pytest.raises(
            ProtocolError, match=r"header field b'.*' b'.*' cannot be sent"
        ) as caught:
            serialize_request(Request("GET", b"/", "HTTP/1.1", fields))
        assert caught.value.status == 500
        with pytest.raises(ProtocolError, match="cannot be sent"):
            serialize_response(Response(200, "OK", "HTTP/1.1", fields))
