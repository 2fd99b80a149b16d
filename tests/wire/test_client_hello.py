"""ClientHello and ServerHello: every cut into records, what is refused, what the fields say."""

import ssl

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.protocols.client_hello import (
    ClientHello,
    ServerHello,
    parse_client_hello,
    parse_handshake,
    parse_server_hello,
)
from tests.support.check import check

RANDOM = bytes(range(32))

HELLO = (
    b"\x01\x00\x00\x9c\x03\x03" + RANDOM + b"\x04\xde\xad\xbe\xef"  # session id
    b"\x00\x06\x0a\x0a\x13\x01\xc0\x2b"  # GREASE, TLS_AES_128_GCM_SHA256, ECDHE-ECDSA
    b"\x01\x00"  # no compression
    b"\x00\x69"
    b"\xfa\xfa\x00\x00"  # GREASE
    b"\x00\x00\x00\x0e\x00\x0c\x00\x00\x09localhost"
    b"\x00\x0a\x00\x06\x00\x04\x1a\x1a\x00\x1d"
    b"\x00\x0b\x00\x02\x01\x00"
    b"\x00\x0d\x00\x06\x00\x04\x04\x03\x08\x04"
    b"\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1"
    b"\x00\x2a\x00\x00"
    b"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"
    b"\x00\x33\x00\x0d\x00\x0b\x1a\x1a\x00\x01\x00\x00\x1d\x00\x02\xab\xcd"
    b"\xfe\x0d\x00\x00"
    b"\x00\x29\x00\x01\x00"
)

SERVER_HELLO = (
    b"\x02\x00\x00\x32\x03\x03" + RANDOM + b"\x04\xde\xad\xbe\xef\x13\x02\x00"
    b"\x00\x06\x00\x2b\x00\x02\x03\x04"
)


def records(message: bytes, size: int) -> bytes:
    """`message` in handshake records of `size` bytes."""
    return b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (message[at : at + size] for at in range(0, len(message), size))
    )


def raw_of(hello: ClientHello | ServerHello) -> bytes:
    return hello.raw


@pytest.mark.parametrize("size", [16384, 100, 7, 1])
def test_a_hello_is_the_same_however_it_is_cut(size: int) -> None:
    check(parse_client_hello, records(HELLO, size), HELLO, view=raw_of)


def test_every_field_is_kept_in_wire_order_with_grease() -> None:
    hello = parse_handshake(HELLO)
    assert hello.legacy_version == 0x0303
    assert hello.random == RANDOM
    assert hello.session_id == b"\xde\xad\xbe\xef"
    assert hello.ciphers == hello.cipher_suites == (0x0A0A, 0x1301, 0xC02B)
    assert hello.compressions == (0,)
    assert [kind for kind, _ in hello.extensions] == [
        0xFAFA, 0, 10, 11, 13, 16, 42, 43, 51, 0xFE0D, 41,
    ]  # fmt: skip
    assert hello.sni == "localhost"
    assert hello.alpn == hello.alpn_protocols == (b"h2", b"http/1.1")
    assert hello.groups == (0x1A1A, 0x001D)
    assert hello.point_formats == (0,)
    assert hello.signature_algorithms == (0x0403, 0x0804)
    assert hello.supported_versions == (0x0304, 0x0303)
    assert hello.key_shares == ((0x1A1A, b"\x00"), (0x001D, b"\xab\xcd"))
    assert hello.has_early_data
    assert hello.has_pre_shared_key
    assert hello.has_encrypted_hello


def test_a_hello_without_extensions_is_one() -> None:
    old = b"\x01\x00\x00\x29\x03\x00" + RANDOM + b"\x00\x00\x02\x00\x2f\x01\x00"
    hello = check(parse_client_hello, records(old, 16384), old, view=raw_of)
    assert hello is not None
    assert hello.extensions == ()
    assert (hello.sni, hello.alpn, hello.groups, hello.supported_versions) == ("", (), (), ())
    assert not hello.has_early_data


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (0, b""),
        (0, b"\x00\x03\x01\x00\x00"),
        (10, b"\x00\x03\x00\x1d\x00"),
        (10, b"\x00\x09\x00\x1d"),
        (11, b""),
        (13, b"\x00"),
        (16, b"\x00\x03\x05h2"),
        (43, b"\x03\x03\x04\x03"),
        (51, b"\x00\x05\x00\x1d\x00\x09\xab"),
    ],
)
def test_a_malformed_extension_reads_as_empty(kind: int, content: bytes) -> None:
    hello = ClientHello(b"", 0x0303, RANDOM, b"", (), (), ((kind, content),))
    assert hello.sni == ""
    assert hello.alpn == ()
    assert hello.groups == hello.point_formats == ()
    assert hello.key_shares == ()
    assert hello.signature_algorithms == hello.supported_versions == ()


@pytest.mark.parametrize("size", [16384, 5])
def test_a_hello_above_2_kib_arrives_in_several_segments(size: int) -> None:
    padded = HELLO.replace(b"\x01\x00\x00\x9c", b"\x01\x00\x09\x48").replace(
        b"\x00\x69\xfa\xfa", b"\x09\x15\xfa\xfa"
    )
    padded += b"\x00\x15\x08\xa8" + bytes(2216)
    data = records(padded, size)
    for cut in (1, 5, 1460, len(data) - 1):
        assert parse_client_hello(bytearray(data[:cut])) is None
    found = parse_client_hello(bytearray(data + b"rest"))
    assert found is not None
    assert (found[0].raw, found[1]) == (padded, len(data))


def test_a_message_behind_the_hello_in_its_record_is_used_with_it() -> None:
    both = SERVER_HELLO + b"\x0e\x00\x00\x00"
    check(parse_server_hello, records(both, 16384), SERVER_HELLO, view=raw_of)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GET / HTTP/1.1\r\n", "TLS record of type 71"),
        (b"\x80\x2e\x01\x03\x01", "TLS record of type 128"),
        (b"\x16\x02\x00\x00\x01", "TLS record of version 2"),
        (b"\x16\x03\x01\x00\x00", "record of 0 bytes"),
        (b"\x16\x03\x01\x40\x01", "record of 16385 bytes"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "message of type 2, not 1"),
        (b"\x16\x03\x01\x00\x04\x01\x00\xff\xfd", "hello of 65537 bytes"),
        (b"\x16\x03\x01\x00\x02\x01\x00\x17\x03\x03\x00\x01\x00", "record of type 23"),
        (b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", "cut off at byte 6"),
        (records(HELLO[:-1].replace(b"\x9c", b"\x9b", 1), 64), "extensions end at byte 160 of 159"),
        (records(HELLO.replace(b"\x00\x06\x0a\x0a", b"\x00\x05\x0a\x0a"), 99), "odd length"),
    ],
)
def test_what_is_no_hello_is_refused(data: bytes, message: str) -> None:
    check(parse_client_hello, data, ProtocolError(message))


def test_a_hello_in_too_many_records_is_refused() -> None:
    data = records(b"\x01\x00\xff\xfc" + bytes(4093), 1)
    assert parse_client_hello(bytearray(data[:-6])) is None
    with pytest.raises(ProtocolError, match="more than 4096 TLS records"):
        parse_client_hello(bytearray(data))


def test_part_of_a_hello_needs_more() -> None:
    check(parse_client_hello, records(HELLO, 60)[:-1], None)


def test_a_stored_message_must_be_whole() -> None:
    with pytest.raises(ProtocolError, match="no TLS handshake message of type 1"):
        parse_handshake(HELLO[:-1])
    with pytest.raises(ProtocolError, match="no TLS handshake message of type 1"):
        parse_handshake(b"")


@pytest.mark.parametrize("size", [16384, 9])
def test_a_server_hello_says_what_was_chosen(size: int) -> None:
    hello = check(parse_server_hello, records(SERVER_HELLO, size), SERVER_HELLO, view=raw_of)
    assert hello is not None
    assert (hello.legacy_version, hello.version, hello.cipher) == (0x0303, 0x0304, 0x1302)
    assert hello.session_id == b"\xde\xad\xbe\xef"
    assert not hello.is_retry_request


def test_a_retry_request_is_known_by_its_random() -> None:
    retry = SERVER_HELLO.replace(
        RANDOM, bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    )
    assert ServerHello.from_bytes(retry).is_retry_request


def test_an_old_server_hello_has_its_legacy_version() -> None:
    old = b"\x02\x00\x00\x26\x03\x01" + RANDOM + b"\x00\x00\x2f\x00"
    assert ServerHello.from_bytes(old).version == 0x0301


def test_the_hello_of_this_python() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    client = context.wrap_bio(incoming, outgoing, server_hostname="rama.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    data = outgoing.read()
    hello = check(parse_client_hello, data, data[5:], view=raw_of)
    assert hello is not None
    assert (hello.sni, hello.alpn) == ("rama.example", (b"http/1.1",))
    assert 0x0304 in hello.supported_versions
