"""What we, h11 and llhttp make of the same bytes, over a corpus of what attackers send.

Ideas from gunicorn's request corpus, the smuggling literature (CL.TE, TE.CL, TE.TE, CL.0, chunk
extensions) and RFC 9112 11. Wherever we differ, tests/support/http1_deviations.py says why.
"""

from __future__ import annotations

import re

import pytest

from rama_proxy.model.headers import Field
from tests.support.http1_deviations import (
    LENIENT,
    LENIENT_RESPONSE,
    STRICTER,
    STRICTER_RESPONSE,
    Deviation,
    agreement,
    check_forwarded,
    check_passed_on,
)
from tests.support.judges import (
    Reading,
    forwarded,
    h11_request,
    h11_response,
    llhttp_request,
    llhttp_response,
    our_request,
    our_response,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"

REQUESTS = [
    # First lines
    GET + b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\n" + GET + b"\r\n",
    b"\r\n\r\n" + GET + b"\r\n",
    b"\r" + GET + b"\r\n",
    b"\n" + GET + b"\r\n",
    b" " + GET + b"\r\n",
    b"GET /\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    b"GET / http/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
    b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GE\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?q=\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b'GET /"<>\\^`{|} HTTP/1.1\r\nHost: a\r\n\r\n',
    b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    # Targets and Host
    b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n",
    b"GET http://a:81/ HTTP/1.0\r\n\r\n",
    b"GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a:99999/ HTTP/1.1\r\nHost: a:99999\r\n\r\n",
    b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 5\r\n\r\nhello",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    # Lines and fields
    b"GET / HTTP/1.1\nHost: a\n\n",
    GET + b"X: y\n\r\n",
    GET + b"X: y\r\n\n",
    GET + b"X: y\nContent-Length: 33\r\n\r\n" + SMUGGLED,
    GET + b"X: y\rContent-Length: 33\r\n\r\n" + SMUGGLED,
    GET + b"X: y\r\r\n\r\n",
    GET + b"X: y\r\n z\r\n\r\n",
    GET + b"X: y\r\n\tz: 1\r\n\r\n",
    GET + b"X:\r\n \r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    GET + b"X : y\r\n\r\n",
    GET + b"X\t: y\r\n\r\n",
    GET + b"X y: z\r\n\r\n",
    GET + b"X\r\n\r\n",
    GET + b": y\r\n\r\n",
    GET + b"X\x00: y\r\n\r\n",
    GET + b"X\xe4: y\r\n\r\n",
    GET + b"(X): y\r\n\r\n",
    GET + b"X: a\x00b\r\n\r\n",
    GET + b"X: a\x01b\r\n\r\n",
    GET + b"X: a\x0bb\r\n\r\n",
    GET + b"X: a\x7fb\r\n\r\n",
    GET + b"X: \t y \t\r\n\r\n",
    GET + b"X:y\r\nX:\r\nx: \xe4\r\n\r\n",
    GET + b"!#$%&'*+-.^_`|~09azAZ: y\r\n\r\n",
    GET + b"Proxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n\r\n",
    GET + b"Connection: Host, X\r\nX: y\r\n\r\n",
    # One length, and more
    POST + b"Content-Length: 5\r\n\r\nhello" + SMUGGLED,
    POST + b"content-length:5 \r\n\r\nhello",
    POST + b"Content-Length: 005\r\n\r\nhello",
    POST + b"Content-Length: 0\r\n\r\n" + SMUGGLED,
    GET + b"Content-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 5\r\n\r\nhel",
    POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    POST + b"Content-Length: 5, 5\r\n\r\nhello",
    POST + b"Content-Length: 5,6\r\n\r\nhello!",
    POST + b"Content-Length: +5\r\n\r\nhello",
    POST + b"Content-Length: -5\r\n\r\nhello",
    POST + b"Content-Length: -0\r\n\r\n",
    POST + b"Content-Length: 0x5\r\n\r\nhello",
    POST + b"Content-Length: 5_0\r\n\r\nhello",
    POST + b"Content-Length: 5 5\r\n\r\nhello",
    POST + b"Content-Length:\r\n\r\n",
    POST + b"Content-Length: \x0b5\r\n\r\nhello",
    POST + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    POST + b"Content-Length: 184467440737095516\r\n\r\nhello",
    POST + b"Content-Length : 5\r\n\r\nhello",
    POST + b"Content_Length: 5\r\n\r\n",
    # Length and chunks: CL.TE, TE.CL
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 9999999999999999999\r\n\r\n0\r\n\r\n",
    POST + b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    # TE.TE
    POST + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding:\tchunked \r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: identity\r\n\r\n",
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n",
    POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding:\r\n\r\n",
    POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    # Chunks
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    CHUNKED + b"1E\r\nall your base are belong to us\r\n000\r\n\r\n",
    CHUNKED + b"5;a\r\nhello\r\n0;b=c\r\n\r\n",
    CHUNKED + b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n',
    CHUNKED + b"5; a; b=c\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5 ;a\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;=\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;a\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;a\x00\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5_0\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5\nhello\n0\n\n",
    CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    CHUNKED + b"5\r\nhello0\r\n\r\n",
    CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
    CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"6\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"00000000000000000005\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"0\r\n",
    CHUNKED + b"0\r\n\r",
    CHUNKED + b"0\r\nX: y\r\nZ:\r\n\r\n" + SMUGGLED,
    CHUNKED + b"0\r\nX : y\r\n\r\n",
    CHUNKED + b"0\r\n X: y\r\n\r\n",
    CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n",
    CHUNKED + b"0\r\nX: y\n\r\n",
    CHUNKED + b"0\r\nX: \x00\r\n\r\n",
    CHUNKED + b"0\r\nX\r\n\r\n",
    CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    CHUNKED + b"0\r\nHost: b\r\n\r\n",
    CHUNKED + b"0\r\ntransfer-encoding: x\r\n\r\n",
    CHUNKED + b"0\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"

RESPONSES = [
    OK + b"Content-Length: 5\r\n\r\nhello",
    OK + b"\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 N\xf6t\tFound\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 206 x\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 200\tOK\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 O\rK\r\n\r\n",
    b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"<html></html>",
    b"\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    OK + b"Content-Length: 5\n\r\nhello",
    OK + b"Content-Length: 5\r\n\nhello",
    OK + b"X: y\rContent-Length: 5\r\n\r\nhello",
    OK + b"X: y\x00\r\n\r\n",
    OK + b"X: \x01\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"X : y\r\nContent-Length : 5\r\n\r\nhello",
    OK + b"X: y\r\n z\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"X y: z\r\n\r\n",
    OK + b"X\r\n\r\n",
    OK + b" X: y\r\n\r\n",
    OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    OK + b"Content-Length: 5, 5\r\n\r\nhello",
    OK + b"Content-Length: 5,6\r\n\r\nhello!",
    OK + b"Content-Length: -5\r\n\r\nhello",
    OK + b"Content-Length: 9999999999999999999\r\n\r\nhello",
    b"HTTP/1.1 204 x\r\nContent-Length: 9999999999999999999\r\n\r\n",
    b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    b"\r" + OK + b"Content-Length: 0\r\n\r\n",
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"Transfer-Encoding: chunked\r\nContent-Length: 9999999999999999999\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: xchunked\r\n\r\nhello",
    OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    CHUNKS + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKS + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    CHUNKS + b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
    CHUNKS + b"5  \r\nhello\r\n0 \r\n\r\n",
    CHUNKS + b"5; a\r\nhello\r\n0\r\n\r\n",
    CHUNKS + b"5;\r\nhello\r\n0\r\n\r\n",
    CHUNKS + b"5;=\r\nhello\r\n0\r\n\r\n",
    CHUNKS + b"5\nhello\n0\n\n",
    CHUNKS + b"000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
    CHUNKS + b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    CHUNKS + b"5\r\nhel",
    CHUNKS + b"5\r\nhello\r\n",
    CHUNKS + b"0\r\nX: y\r\n z\r\n\r\n",
    CHUNKS + b"0\r\nContent-Length: 5\r\n\r\n",
    CHUNKS + b"0\r\nTransfer-Encoding: x\r\n\r\n",
]

REQUEST_JUDGES = {"h11": h11_request, "llhttp": llhttp_request}
RESPONSE_JUDGES = {"h11": h11_response, "llhttp": llhttp_response}


def number(data: bytes) -> str:
    """A short name for a test."""
    return re.sub(r"[^ -~]|\[|\]", "?", data.decode("latin-1"))[:60]


@pytest.mark.parametrize("data", REQUESTS, ids=number)
def test_requests_are_read_alike(data: bytes) -> None:
    for name, judge in REQUEST_JUDGES.items():
        agreement(our_request(data), judge(data), name)


@pytest.mark.parametrize("data", RESPONSES, ids=number)
def test_responses_are_read_alike(data: bytes) -> None:
    for name, judge in RESPONSE_JUDGES.items():
        agreement(our_response(data), judge(data), name, STRICTER_RESPONSE, LENIENT_RESPONSE)


def test_every_deviation_is_one() -> None:
    """A row that explains nothing for one of its judges is to be taken out."""
    used: set[tuple[str, Deviation | None]] = set()
    for name, judge in REQUEST_JUDGES.items():
        used |= {(name, agreement(our_request(data), judge(data), name)) for data in REQUESTS}
    for name, judge in RESPONSE_JUDGES.items():
        tables = (STRICTER_RESPONSE, LENIENT_RESPONSE)
        used |= {
            (name, agreement(our_response(data), judge(data), name, *tables)) for data in RESPONSES
        }
    rows = STRICTER + LENIENT + STRICTER_RESPONSE + LENIENT_RESPONSE
    assert [(name, row) for row in rows for name in row.judges if (name, row) not in used] == []


@pytest.mark.parametrize("data", REQUESTS, ids=number)
def test_what_is_forwarded_is_read_alike(data: bytes) -> None:
    check_forwarded(data)


@pytest.mark.parametrize("data", RESPONSES, ids=number)
def test_what_is_passed_on_is_read_alike(data: bytes) -> None:
    check_passed_on(data)


def test_smuggled_requests_are_never_part_of_a_body() -> None:
    """Of each message with a second one behind it, the second is left, or all is refused."""
    count = 0
    for data in REQUESTS:
        if data.endswith(SMUGGLED):
            sent = forwarded(data)
            assert sent is None or b"/admin" not in sent[0]
            count += sent is not None
    assert count == 5


def test_fields_are_what_the_judges_see() -> None:
    """The comparison itself compares: a field more, another value or another body are told."""
    data = GET + b"X: y\r\n\r\n"
    ours, theirs = our_request(data), h11_request(data)
    assert isinstance(ours, Reading)
    fields: list[Field] = [*ours.fields, (b"Z", b"")]
    for other in (
        ours._replace(fields=fields),
        ours._replace(fields=[(b"Host", b"a"), (b"X", b"Y")]),
        ours._replace(body=b"x"),
        ours._replace(start=(b"GET", b"/x", b"1.1")),
        ours._replace(trailers=fields),
        "refused for no listed reason",
    ):
        with pytest.raises(AssertionError):
            agreement(other, theirs, "h11")
