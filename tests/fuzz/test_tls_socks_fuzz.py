"""Any bytes at all: these parsers answer, need more or refuse, and agree with themselves."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from rama_proxy.errors import ProtocolError
from rama_proxy.protocols.client_hello import ClientHello, parse_client_hello, parse_server_hello
from rama_proxy.protocols.sniff import sniff
from rama_proxy.protocols.socks5 import parse_greeting, parse_request, parse_socks4

Parse = Callable[[bytearray], tuple[object, int] | None]
PARSERS: tuple[Parse, ...] = (
    parse_client_hello,
    parse_server_hello,
    parse_greeting,
    parse_request,
    parse_socks4,
    sniff,
)

STARTS = st.sampled_from(
    [
        b"",
        b"\x16\x03\x01\x00",
        b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03",
        b"\x05",
        b"\x04\x01",
    ]
)
U16 = st.integers(0, 0xFFFF)


def answer_of(parse: Parse, data: bytes) -> object:
    """What `parse` says to `data`, in a form that can be compared."""
    try:
        found = parse(bytearray(data))
    except ProtocolError:
        return "refused"
    if found is None:
        return None
    value, used = found
    return getattr(value, "raw", value), used


@given(STARTS, st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_answered_the_same_with_more_behind_them(start: bytes, rest: bytes) -> None:
    data = start + rest
    for parse in PARSERS:
        whole = answer_of(parse, data)
        for cut in (len(data) // 2, len(data) - 1):
            part = answer_of(parse, data[: max(cut, 0)])
            assert part is None or part == whole, (parse, part, whole)
        if isinstance(whole, tuple):
            assert whole[1] <= len(data)


def vector(content: bytes, size: int) -> bytes:
    return len(content).to_bytes(size, "big") + content


@given(
    version=U16,
    session_id=st.binary(max_size=32),
    ciphers=st.lists(U16, max_size=40),
    extensions=st.lists(st.tuples(U16, st.binary(max_size=60)), max_size=20),
    size=st.integers(1, 300),
)
@settings(max_examples=200, deadline=None)
def test_a_hello_reads_back_as_it_was_written(
    version: int,
    session_id: bytes,
    ciphers: list[int],
    extensions: list[tuple[int, bytes]],
    size: int,
) -> None:
    body = version.to_bytes(2, "big") + bytes(32) + vector(session_id, 1)
    body += vector(b"".join(cipher.to_bytes(2, "big") for cipher in ciphers), 2) + b"\x01\x00"
    if extensions:
        written = (kind.to_bytes(2, "big") + vector(content, 2) for kind, content in extensions)
        body += vector(b"".join(written), 2)
    message = b"\x01" + vector(body, 3)
    parts = (message[at : at + size] for at in range(0, len(message), size))
    data = b"".join(b"\x16\x03\x01" + vector(part, 2) for part in parts)
    found = parse_client_hello(bytearray(data))
    assert found is not None
    hello, used = found
    assert (hello.raw, used) == (message, len(data))
    assert (hello.legacy_version, hello.session_id) == (version, session_id)
    assert hello.ciphers == tuple(ciphers)
    assert hello.extensions == tuple(extensions)
    read_every_property(hello)


@given(st.lists(st.tuples(st.sampled_from([0, 10, 11, 13, 16, 43, 51]), st.binary(max_size=40))))
@settings(max_examples=300, deadline=None)
def test_no_content_of_an_extension_breaks_its_property(
    extensions: list[tuple[int, bytes]],
) -> None:
    read_every_property(ClientHello(b"", 0x0303, bytes(32), b"", (), (), tuple(extensions)))


def read_every_property(hello: ClientHello) -> None:
    names = [name for name, value in vars(ClientHello).items() if isinstance(value, property)]
    assert "sni" in names
    for name in names:
        getattr(hello, name)
