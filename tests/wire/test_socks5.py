"""SOCKS 4, 4a and 5: the bytes of RFC 1928 and of the SOCKS 4 memo."""

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.protocols.socks5 import (
    CONNECTION_REFUSED,
    NO_ACCEPTABLE_METHOD,
    SocksRequest,
    parse_greeting,
    parse_request,
    parse_socks4,
    select_method,
    serialize_method,
    serialize_reply,
)
from tests.support.check import check


@pytest.mark.parametrize(
    ("data", "methods"),
    [(b"\x05\x01\x00", (0,)), (b"\x05\x03\x00\x01\x02", (0, 1, 2)), (b"\x05\x00", ())],
)
def test_a_greeting_lists_methods(data: bytes, methods: tuple[int, ...]) -> None:
    check(parse_greeting, data, methods)


def test_a_method_is_selected_or_none_is() -> None:
    assert select_method((2, 0)) == 0
    assert select_method((2,)) == NO_ACCEPTABLE_METHOD
    assert select_method((0, 2), wanted=2) == 2
    assert serialize_method(0) == b"\x05\x00"
    assert serialize_method(NO_ACCEPTABLE_METHOD) == b"\x05\xff"


@pytest.mark.parametrize(
    ("data", "expect"),
    [
        (b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", SocksRequest(5, 1, "127.0.0.1", 80)),
        (b"\x05\x01\x00\x03\x09localhost\x01\xbb", SocksRequest(5, 1, "localhost", 443)),
        (b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x1f\x90", SocksRequest(5, 1, "::1", 8080)),
        (b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", SocksRequest(5, 3, "0.0.0.0", 0)),
        (
            b"\x05\x01\x00\x03\xff" + b"a" * 255 + b"\xff\xff",
            SocksRequest(5, 1, "a" * 255, 65535),
        ),
    ],
)
def test_a_request_of_version_5(data: bytes, expect: SocksRequest) -> None:
    check(parse_request, data, expect)


@pytest.mark.parametrize(
    ("data", "message", "code"),
    [
        (b"\x04\x01\x00\x01", "SOCKS version 4, not 5", 1),
        (b"\x05\x01\x00\x02", "SOCKS address type 2", 8),
        (b"\x05\x01\x00\x03\x00\x00\x50", "SOCKS host name b''", 1),
        (b"\x05\x01\x00\x03\x03a\nb\x00\x50", "SOCKS host name b'a\\nb'", 1),
        (b"\x05\x01\x00\x03\x02\xc3\xa9\x00\x50", "SOCKS host name", 1),
    ],
)
def test_a_request_that_is_refused_names_its_reply(data: bytes, message: str, code: int) -> None:
    check(parse_request, data, ProtocolError(message, status=code))


@pytest.mark.parametrize(
    ("data", "expect"),
    [
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", SocksRequest(4, 1, "127.0.0.1", 80)),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01me\x00", SocksRequest(4, 1, "127.0.0.1", 80, "me")),
        (
            b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00example.org\x00",
            SocksRequest(4, 1, "example.org", 443),
        ),
        (
            b"\x04\x01\x01\xbb\x00\x00\x00\xffme\x00example.org\x00",
            SocksRequest(4, 1, "example.org", 443, "me"),
        ),
        (b"\x04\x02\x00\x50\x00\x00\x00\x00\x00", SocksRequest(4, 2, "0.0.0.0", 80)),
    ],
)
def test_a_request_of_version_4(data: bytes, expect: SocksRequest) -> None:
    check(parse_socks4, data, expect)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x05\x01\x00", "SOCKS version 5, not 4"),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01" + b"u" * 256, "SOCKS 4 user id of more than 255"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + b"h" * 256, "host name of more than 255"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", "SOCKS host name b''"),
    ],
)
def test_a_request_of_version_4_that_is_refused(data: bytes, message: str) -> None:
    check(parse_socks4, data, ProtocolError(message, status=1))


def test_replies() -> None:
    assert serialize_reply(0) == b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    assert serialize_reply(0, "127.0.0.1", 443) == b"\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbb"
    assert serialize_reply(0, "::1", 80) == b"\x05\x00\x00\x04" + bytes(15) + b"\x01\x00\x50"
    assert serialize_reply(CONNECTION_REFUSED) == b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
    assert serialize_reply(0, version=4) == b"\x00\x5a\x00\x00\x00\x00\x00\x00"
    assert serialize_reply(CONNECTION_REFUSED, version=4) == b"\x00\x5b\x00\x00\x00\x00\x00\x00"
