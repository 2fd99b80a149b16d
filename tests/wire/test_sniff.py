"""The first bytes of each protocol, and of what is none of them."""

import pytest

from rama_proxy.protocols.sniff import Protocol, sniff, starts_http2
from tests.support.check import check


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "tls"),
        (b"\x16\x03\x03\x02\x00\x01", "tls"),
        (b"\x16\x02\x00", "raw"),
        (b"\x05\x01\x00", "socks5"),
        (b"\x05\x00", "raw"),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "socks4"),
        (b"\x04\x02\x00\x50\x7f\x00\x00\x01\x00", "socks4"),
        (b"\x04\x09", "raw"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "h2"),
        (b"PRI /tickets HTTP/1.1\r\n", "http1"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http1"),
        (b"GET nonsense", "http1"),  # refused with 400, and shown why
        (b"CONNECT example.org:443 HTTP/1.1\r\n", "http1"),
        (b"\r\n\r\nGET / HTTP/1.1\r\n", "http1"),
        (b"M-SEARCH * HTTP/1.1\r\n", "http1"),
        (b"PROPFIND /a b HTTP/1.0\n", "http1"),
        (b"get / HTTP/1.1\r\n", "http1"),
        (b"$!~ \xff\xfe HTTP/1.1\r\n", "http1"),
        (b"NICK rama\r\nUSER HTTP/1.1\r\n", "raw"),
        (b"EHLO example.org\r\n", "raw"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "raw"),
        (b"*1\r\n$4\r\nPING\r\n", "raw"),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "raw"),
        (b"\x80\x2e\x01\x03\x01", "raw"),  # SSL 2
        (b"GET(", "raw"),
        (b" GET / HTTP/1.1\r\n", "raw"),
        (b"\rGET", "raw"),
        (b"\n", "raw"),
        (b"\r\n" * 5, "raw"),
        (b"\r\n\x16\x03\x01", "raw"),
        (b"A" * 65, "raw"),
        (b"A" * 64 + b" / HTTP/1.1\r\n", "http1"),
        pytest.param(b"FOO " + b"a" * (64 * 1024), "raw", id="line above the largest head"),
    ],
)
def test_protocols_are_told_by_their_first_bytes(data: bytes, protocol: Protocol) -> None:
    for tail in (b"", b"\x00", b"\r\n", b"rest HTTP/1.1\r\n"):
        assert sniff(bytearray(data + tail)) == (protocol, 0)
    seen = {sniff(bytearray(data[:size])) for size in range(min(len(data), 300))}
    assert seen <= {None, (protocol, 0)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16",
        b"\x05",
        b"\x04",
        b"\r",
        b"\r\n",
        b"\r\n\r",
        b"GET",
        b"PRI * HTTP/2.0\r",
        b"M-SEARCH * HTTP/1.1\r",
        b"LOGIN a b c",
        b"A" * 64,
    ],
)
def test_more_is_needed_while_it_can_be_more_than_one(data: bytes) -> None:
    check(sniff, data, None)


@pytest.mark.parametrize(
    ("data", "expect"),
    [
        (b"", False),
        (b"\x00", True),
        (b"\x00\x00\x12\x04\x00\x00", True),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", True),
        (b"\x00\x00\x12\x04\x01\x00\x00\x00\x00", False),  # an ACK
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x01", False),  # on a stream
        (b"220 smtp.example ESMTP", False),
    ],
)
def test_a_server_of_http2_may_speak_first(data: bytes, expect: bool) -> None:
    assert starts_http2(bytearray(data)) is expect
