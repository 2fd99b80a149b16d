"""Request and response heads: what is read, what is refused, and what is said about it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1 import (
    MAX_TARGET,
    parse_request,
    parse_response,
    request_framing,
    response_framing,
)
from tests.support.check import check


def refused_request(data: bytes, message: str, status: int = 400) -> None:
    """A head that parse_request refuses however it arrives."""
    check(parse_request, data, ProtocolError(message, status))


def refused_response(data: bytes, message: str) -> None:
    """A head that parse_response refuses however it arrives."""
    check(parse_response, data, ProtocolError(message, 502))


def where(request: Request) -> tuple[str, str, int, str]:
    """Where a request goes by its target."""
    return request.scheme, request.host, request.port, request.authority


class TestRequest:
    def test_every_part_is_as_on_the_wire(self) -> None:
        data = (
            b"POST /a?b=c HTTP/1.1\r\nhOsT: a:80\r\nX:  y z\t \r\nX:\r\n_~!#$%&'*+-.^`|: \xe4\r\n"
        )
        data += b"\r\n"
        request = check(
            parse_request,
            data,
            ("POST", b"/a?b=c", "HTTP/1.1", data),
            view=lambda found: (found.method, found.target, found.version, found.raw),
        )
        assert request is not None
        assert request.headers.fields == [
            (b"hOsT", b"a:80"),
            (b"X", b"y z"),
            (b"X", b""),
            (b"_~!#$%&'*+-.^`|", b"\xe4"),
        ]
        assert where(request) == ("", "", 0, "")

    def test_old_version_without_any_field(self) -> None:
        check(parse_request, b"GET / HTTP/1.0\r\n\r\n", "HTTP/1.0", view=lambda r: r.version)

    @pytest.mark.parametrize(
        "method", [b"PURGE", b"get", b"M-SEARCH", b"-", pytest.param(b"X" * 64, id="64")]
    )
    def test_unknown_methods_are_let_be(self, method: bytes) -> None:
        data = method + b" / HTTP/1.1\r\nHost: a\r\n\r\n"
        check(parse_request, data, method.decode(), view=lambda r: r.method)

    @pytest.mark.parametrize(
        "target",
        [
            b"/\xc3\xa4\xff",
            b'/"<>\\^`{|}',
            b"/#fragment",
            b"//a",
            b"/%zz",
            pytest.param(b"/" + b"a" * 8000, id="8k"),
        ],
    )
    def test_odd_targets_are_let_be(self, target: bytes) -> None:
        data = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        check(parse_request, data, target, view=lambda r: r.target)

    def test_an_empty_line_before_is_used_but_not_kept(self) -> None:
        head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        check(parse_request, b"\r\n" + head, head, view=lambda r: r.raw)

    def test_the_second_of_two_is_left(self) -> None:
        first = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        buf = bytearray(first + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = parse_request(buf)
        assert answer is not None
        assert answer[1] == len(first)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\r",
            b"\r\n",
            b"G",
            b"GET",
            b"GET /",
            b"GET / H",
            b"GET / HTTP/1.1",
            b"GET / HTTP/1.1\r",
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r",
            pytest.param(b"GET /" + b"a" * 300 + b" ", id="300"),
        ],
    )
    def test_a_beginning_needs_more(self, data: bytes) -> None:
        check(parse_request, data, None)


class TestTarget:
    @pytest.mark.parametrize(
        ("target", "host", "expect"),
        [
            (b"http://a/", b"a", ("http", "a", 80, "a")),
            (b"http://a/", b"A:80", ("http", "a", 80, "a")),
            (b"http://A:80", b"a", ("http", "A", 80, "A:80")),
            (b"HTTPS://a/x", b"a:443", ("https", "a", 443, "a")),
            (b"http://a:/x", b"a", ("http", "a", 80, "a:")),
            (b"http://a:8080?x", b"a:8080", ("http", "a", 8080, "a:8080")),
            (b"http://[::1]:81/", b"[::1]:81", ("http", "::1", 81, "[::1]:81")),
            (b"http://a_b.%41/", b"a_b.%41", ("http", "a_b.%41", 80, "a_b.%41")),
        ],
    )
    def test_absolute_form(
        self, target: bytes, host: bytes, expect: tuple[str, str, int, str]
    ) -> None:
        data = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
        check(parse_request, data, expect, view=where)

    def test_absolute_form_of_the_old_version_needs_no_host(self) -> None:
        check(
            parse_request,
            b"GET http://a:81/ HTTP/1.0\r\n\r\n",
            ("http", "a", 81, "a:81"),
            view=where,
        )

    @pytest.mark.parametrize(
        ("target", "expect"),
        [
            (b"a:443", ("", "a", 443, "a:443")),
            (b"[2001:db8::1]:8443", ("", "2001:db8::1", 8443, "[2001:db8::1]:8443")),
            (b"127.0.0.1:1", ("", "127.0.0.1", 1, "127.0.0.1:1")),
        ],
    )
    def test_connect(self, target: bytes, expect: tuple[str, str, int, str]) -> None:
        data = b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n"
        check(parse_request, data, expect, view=where)

    def test_connect_may_name_the_proxy_in_host(self) -> None:
        data = b"CONNECT a:443 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
        check(parse_request, data, ("", "a", 443, "a:443"), view=where)

    def test_asterisk_is_for_options(self) -> None:
        data = b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
        check(parse_request, data, b"*", view=lambda r: r.target)

    @pytest.mark.parametrize("target", [b"a", b"a/b", b"a:443", b"*", b"http:/a", b"://a", b"?x"])
    def test_neither_path_nor_url(self, target: bytes) -> None:
        data = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        refused_request(data, "is neither a path nor a URL (RFC 9112 3.2)")

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            (b"/", "bad CONNECT target b'/'"),
            (b"http://a/", "bad CONNECT target b'http://a/'"),
            (b"a", "is not host:port"),
            (b"a:", "is not host:port"),
            (b":443", "is not host:port"),
            (b"*", "is not host:port"),
            (b"::1:443", "bad CONNECT target"),
            (b"[::1:443", "bad CONNECT target"),
            (b"a:0", "bad port"),
            (b"a:65536", "bad port"),
            (b"a:x", "bad CONNECT target"),
            (b"a:4_3", "bad CONNECT target"),
            (b"a:443/", "bad CONNECT target"),
            (b"u@a:443", "bad CONNECT target"),
            (b"\xe4:443", "bad CONNECT target"),
        ],
    )
    def test_bad_connect(self, target: bytes, message: str) -> None:
        refused_request(b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n", message)

    @pytest.mark.parametrize(
        ("target", "message", "status"),
        [
            (b"ftp://a/", "scheme 'ftp' in target b'ftp://a/'", 501),
            (b"http:///x", "no host in target b'http:///x'", 400),
            (b"http://:80/", "no host in target", 400),
            (b"http://u:p@a/", "bad target's authority b'u:p@a'", 400),
            (b"http://a\\b/", "bad target's authority", 400),
            (b"http://a:99999/", "bad port in target's authority b'a:99999'", 400),
            (b"http://a:0/", "bad port", 400),
            (b"http://\xc3\xa4/", "bad target's authority", 400),
            (b"http://a%2/", "bad target's authority", 400),
            (b"http://::1/", "bad target's authority", 400),
        ],
    )
    def test_bad_absolute_form(self, target: bytes, message: str, status: int) -> None:
        data = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        refused_request(data, message, status)


class TestHost:
    def test_missing(self) -> None:
        refused_request(b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", "no Host header (RFC 9112 3.2)")

    @pytest.mark.parametrize("version", [b"1.0", b"1.1"])
    def test_repeated(self, version: bytes) -> None:
        data = b"GET / HTTP/" + version + b"\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n"
        refused_request(data, "more than one Host header (RFC 9112 3.2)")

    @pytest.mark.parametrize(
        "host",
        [b"a b", b"a@b", b"a/b", b"http://a", b"a,b c", b"a:x", b"[::1", b"a:999999", b"a?"],
    )
    def test_bad(self, host: bytes) -> None:
        refused_request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", "bad Host b'")

    def test_longer_than_any_name(self) -> None:
        refused_request(b"GET / HTTP/1.1\r\nHost: " + b"a" * 300 + b"\r\n\r\n", "bad Host b'aaa")

    def test_empty_says_that_there_is_no_authority(self) -> None:
        data = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
        check(parse_request, data, [(b"Host", b"")], view=lambda r: r.headers.fields)

    @pytest.mark.parametrize("host", [b"b", b"a:81", b"", b"a.", b"xa"])
    def test_contradicts_the_absolute_target(self, host: bytes) -> None:
        refused_request(
            b"GET http://a/ HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
            f"Host {host!r} contradicts target b'http://a/' (RFC 9112 3.2.2)",
        )


class TestRequestRefused:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"\x16\x03\x01\x02\x00", "not an HTTP request: b'\\x16"),
            (b" GET / HTTP/1.1", "not an HTTP request: b' "),
            (b"GET\t/ HTTP/1.1", "not an HTTP request: b'GET\\t"),
            (b"G\x00T / HTTP/1.1", "not an HTTP request"),
            (b"GET: / HTTP/1.1", "not an HTTP request"),
            (b"G\xc3\x84T / HTTP/1.1", "not an HTTP request"),
            (b"\rGET / HTTP/1.1", "not an HTTP request"),
            (b"\r\n\r\nGET / HTTP/1.1", "an empty line where a request should begin"),
            (b"GET  / HTTP/1.1", "one space between (RFC 9112 3)"),
            (b"GET /  HTTP/1.1", "one space between"),
            (b"GET /\x00 HTTP/1.1", "NUL in request line b'GET /\\x00"),
            (b"GET /\tHTTP/1.1", "tab in request line b'GET /\\t"),
            (b"GET /\x7f HTTP/1.1", "control character in request line b'GET /\\x7f"),
            (b"GET /\r HTTP/1.1", "bare CR in request line b'GET /\\r"),
            (b"GET / http/1.1", "bad version b'h"),
            (b"GET / FTP/1.1", "bad version b'F"),
            (b"GET / HTTP/1.1X", "bad version b'HTTP/1.1X"),
            (b"GET / HTTP/1.10", "bad version b'HTTP/1.10"),
            (b"GET / HTTP/\xe41", "bad version b'HTTP/\\xe4"),
        ],
    )
    def test_request_line(self, line: bytes, message: str) -> None:
        refused_request(line + b"\r\nHost: a\r\n\r\n", message)

    @pytest.mark.parametrize(
        ("line", "message", "status"),
        [
            (b"GET /", "one space between", 400),
            (b"GET", "one space between", 400),
            (b"GET / HTTP/1.1 ", "one space between", 400),
            (b"GET /a b HTTP/1.1", "one space between", 400),
            (b"GET / ", "bad version b''", 400),
            (b"GET / HTTP/", "bad version b'HTTP/'", 400),
            (b"GET / HTTP/2.0", "version b'HTTP/2.0' (RFC 9112 2.3)", 505),
            (b"GET / HTTP/1.2", "version b'HTTP/1.2'", 505),
            (b"PRI * HTTP/2.0", "version b'HTTP/2.0'", 505),
        ],
    )
    def test_request_line_that_is_whole(self, line: bytes, message: str, status: int) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse_request(bytearray(line + b"\r\n"))
        assert message in str(caught.value)
        assert caught.value.status == status

    def test_method_beyond_reason(self) -> None:
        refused_request(b"X" * 65 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", "over 64 bytes", 501)

    @pytest.mark.parametrize("end", [b"", b" HTTP/1.1\r\nHost: a\r\n\r\n"])
    def test_target_beyond_reason(self, end: bytes) -> None:
        data = b"GET /" + b"a" * (MAX_TARGET + 100) + end
        with pytest.raises(ProtocolError) as caught:
            parse_request(bytearray(data))
        assert caught.value.status == 414

    def test_fields_beyond_the_limit(self) -> None:
        data = bytearray(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n\r\n")
        assert parse_request(data, max_fields=3) is not None
        with pytest.raises(ProtocolError, match="3 header fields, 2 allowed") as caught:
            parse_request(data, max_fields=2)
        assert caught.value.status == 431

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"X : y\r\n", "whitespace between name and colon in header line b'X : y'"),
            (b"X\t: y\r\n", "whitespace between name and colon"),
            (b"X: a\x00b\r\n", "NUL in header line b'X: a\\x00b' (RFC 9110 5.5)"),
            (b"\x00X: y\r\n", "NUL in header line"),
            (b"X: a\rb\r\n", "bare CR in line b'X: a\\rb' (RFC 9112 2.2)"),
            (b"X: a\r\r\n", "bare CR in line"),
            (b"X: a\nY: b\r\n", "bare LF in line b'X: a"),
            (b"X: y\r\n z\r\n", "folded header line b'X: y', b' z' (RFC 9112 5.2)"),
            (b"X: y\r\n\tz: 1\r\n", "folded header line"),
            (b"X: y\r\n \r\n", "folded header line"),
            (b"X\r\n", "header line without a colon: b'X'"),
            (b": y\r\n", "header line without a name"),
            (b"X y: z\r\n", "bad character in header name b'X y'"),
            (b"X\xe4: z\r\n", "bad character in header name"),
            (b"X(: z\r\n", "bad character in header name"),
            (b"X: \x01\r\n", "control character b'\\x01' in the value of header b'X'"),
            (b"X: \x0b\r\n", "control character b'\\x0b'"),
            (b"X: \x7f\r\n", "control character b'\\x7f'"),
        ],
    )
    def test_field(self, line: bytes, message: str) -> None:
        refused_request(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"Y: z\r\n\r\n", message)

    def test_blank_before_the_first_field(self) -> None:
        data = b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"
        refused_request(data, "blank before the first header field: b' Host: a'")

    @pytest.mark.parametrize(
        "data",
        [
            b"GET / HTTP/1.1\nHost: a\n\n",
            b"GET / HTTP/1.1\r\nHost: a\n\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\n\nbody\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\r",
            b"GET / HTTP/1.1\r\nHost: a\r\r\n",
            b"GET / HTTP/1.1\rHost: a\r\r",
            b"GET\n",
            b"\n",
            b"\r\n\n",
            b"GET / HTTP/1.1X",
            b"\x80",
            b"<html>",
            b"{}",
        ],
    )
    def test_nothing_waits_for_an_end_that_cannot_come(self, data: bytes) -> None:
        with pytest.raises(ProtocolError):
            parse_request(bytearray(data))

    def test_a_long_line_is_shown_in_part(self) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse_request(bytearray(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x" * 9999 + b"\r\n\r\n"))
        assert len(str(caught.value)) < 200


class TestResponse:
    def test_every_part_is_as_on_the_wire(self) -> None:
        data = b"HTTP/1.1 404 N\xf6t Found\r\nX: y\r\nx:  \x01 \r\n\r\n"
        response = check(
            parse_response,
            data,
            (404, "N\xf6t Found", "HTTP/1.1", data),
            view=lambda found: (found.status, found.reason, found.version, found.raw),
        )
        assert response is not None
        assert response.headers.fields == [(b"X", b"y"), (b"x", b"\x01")]

    @pytest.mark.parametrize(
        ("line", "expect"),
        [
            (b"HTTP/1.0 200 OK", (200, "OK")),
            (b"HTTP/1.1 200", (200, "")),
            (b"HTTP/1.1 200 ", (200, "")),
            (b"HTTP/1.1 200  OK", (200, " OK")),
            (b"HTTP/1.1 999 ?", (999, "?")),
            (b"HTTP/1.1 103 Early Hints", (103, "Early Hints")),
        ],
    )
    def test_status_line(self, line: bytes, expect: tuple[int, str]) -> None:
        check(parse_response, line + b"\r\n\r\n", expect, view=lambda r: (r.status, r.reason))

    @pytest.mark.parametrize(
        "data", [b"", b"H", b"HTTP/1.1", b"HTTP/1.1 2", b"HTTP/1.1 200 O", b"HTTP/1.1 200\r"]
    )
    def test_a_beginning_needs_more(self, data: bytes) -> None:
        check(parse_response, data, None)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"HTTP/2.0 200 OK\r\n\r\n", "not an HTTP/1 response: b'H"),
            (b"<html>\r\n\r\n", "not an HTTP/1 response: b'<"),
            (b"ICY 200 OK\r\n\r\n", "not an HTTP/1 response"),
            (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "not an HTTP/1 response"),
            (b"\x15\x03\x01\x00\x02\x02", "not an HTTP/1 response"),
            (b"HTTP/1.2 200 OK\r\n\r\n", "bad status line b'HTTP/1.2"),
            (b"HTTP/1.1  200 OK\r\n\r\n", "bad status line b'HTTP/1.1  "),
            (b"HTTP/1.1 099 OK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 20 OK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 200\tOK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 200 O\x00K\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 200 O\rK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 OK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 200 OK\nX: y\n\n", "bare LF in line b'HTTP/1.1 200 OK\\n'"),
            (b"HTTP/1.1 200 OK\r\nX: y\n\n", "bare LF in line"),
            (b"HTTP/1.1 200 OK\r\nX: y\r\n\n", "bare LF in line"),
            (b"HTTP/1.1 200 OK\r\nX: y\n\r\n", "bare LF in line"),
            (b"HTTP/1.1 200 OK\r\nX: a\x00\r\n\r\n", "NUL in header line"),
            (b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "bare CR in line"),
            (b"HTTP/1.1 200 OK\r\nX: \x0b\r\n\r\n", "control character b'\\x0b'"),
            (b"HTTP/1.1 200 OK\r\nX: \x0c\r\n\r\n", "control character b'\\x0c'"),
            (b"HTTP/1.1 200 OK\r\nX\r\n\r\n", "header line without a colon"),
            (b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "blank before the first header field"),
            (b"HTTP/1.1 200 OK\r\nX y: z\r\n\r\n", "bad character in header name"),
        ],
    )
    def test_refused(self, data: bytes, message: str) -> None:
        refused_response(data, message)

    def test_fields_beyond_the_limit(self) -> None:
        with pytest.raises(ProtocolError, match="2 header fields in the response") as caught:
            parse_response(bytearray(b"HTTP/1.1 200 OK\r\nX: 1\r\nX: 2\r\n\r\n"), max_fields=1)
        assert caught.value.status == 502


class TestMended:
    """What a proxy may mend in a response is mended in `raw`, and all bytes count as used."""

    @pytest.mark.parametrize(
        ("block", "mended"),
        [
            (b"X: a\r\n b\r\n", b"X: a   b\r\n"),
            (b"X: a\r\n\tb\r\n  c\r\nY: d\r\n", b"X: a  \tb    c\r\nY: d\r\n"),
            (b"X:\r\n a\r\n", b"X:   a\r\n"),
            (b"X : a\r\nY\t : b : c\r\n", b"X: a\r\nY: b : c\r\n"),
            (
                b"Content-Length: 5\r\nX: y\r\ncontent-length:5 \r\n",
                b"Content-Length: 5\r\nX: y\r\n",
            ),
            (b"Content-Length : 5\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\n"),
        ],
    )
    def test_mended(self, block: bytes, mended: bytes) -> None:
        line = b"HTTP/1.1 200 OK\r\n"
        response = check(
            parse_response, line + block + b"\r\n", line + mended + b"\r\n", view=lambda r: r.raw
        )
        assert response is not None
        again = parse_response(bytearray(response.raw))
        assert again is not None
        assert again[0].headers == response.headers
        assert again[0].raw == response.raw

    def test_differing_lengths_are_not(self) -> None:
        answer = parse_response(
            bytearray(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")
        )
        assert answer is not None
        with pytest.raises(ProtocolError, match="repeated Content-Length"):
            response_framing(answer[0], "GET")

    def test_a_hidden_coding_counts(self) -> None:
        answer = parse_response(
            bytearray(b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n")
        )
        assert answer is not None
        assert response_framing(answer[0], "GET").kind == "chunked"


def test_time_is_linear_in_size() -> None:
    """Patterns that backtrack would take minutes for these; 120 s is the limit of a test."""
    blanks = b" " * 60_000
    for head in (
        b"GET / HTTP/1.1\r\nX:" + blanks + b"\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nX" + blanks + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 60_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a" * 60_000 + b"/\r\n\r\n",
        b"GET http://" + b"%41" * 10_000 + b"@ HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        with pytest.raises(ProtocolError):
            parse_request(bytearray(head))
    answer = parse_response(
        bytearray(
            b"HTTP/1.1 200 OK\r\n"
            + b"X" * 99
            + blanks
            + b":"
            + (b"\r\n" + b" " * 300) * 200
            + b"\r\n\r\n"
        )
    )
    assert answer is not None


def test_every_cut_of_a_keep_alive_conversation() -> None:
    """Two requests and their framings, cut in three at every pair of places near each other."""
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n"
    cuts = range(0, len(data) + 1, 7)
    for first, second in pairwise(cuts):
        buf, seen = bytearray(), []
        for part in (data[:first], data[first:second], data[second:]):
            buf += part
            while answer := parse_request(buf):
                del buf[: answer[1]]
                seen.append((answer[0].target, request_framing(answer[0]).kind))
        assert seen == [(b"/", "length"), (b"/2", "none")]
        assert not buf


def test_the_parsed_head_does_not_hold_the_buffer() -> None:
    buf = bytearray(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    request = parse_request(buf)
    response = parse_response(bytearray(b"HTTP/1.1 200 OK\r\n\r\n"))
    assert request is not None
    assert response is not None
    assert isinstance(response[0], Response)
    buf[:3] = b"PUT"  # a bytearray with an exported view cannot be resized
    buf.clear()
    assert request[0].raw.startswith(b"GET")
