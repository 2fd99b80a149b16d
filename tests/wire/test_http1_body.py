"""Bodies on the wire: passed on byte for byte, and never read beyond."""

from __future__ import annotations

import pytest

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Headers
from rama_proxy.protocols.http1 import LAST_CHUNK, BodyReader, Framing, body_reader, chunk
from rama_proxy.protocols.http1_body import MAX_CHUNK_LINE, MAX_TRAILERS

REQUEST = Framing("chunked")
RESPONSE = Framing("chunked", 0, 502)
NEXT = b"GET / HTTP/1.1\r\n"


def feed(reader: BodyReader, parts: list[bytes]) -> tuple[bytes, bytes, bytes]:
    """Wire bytes, payload, and what `reader` left in the buffer."""
    buf = bytearray()
    wire = payload = b""
    for part in parts:
        buf += part
        taken, data = reader.read(buf)
        wire += taken
        payload += data
    return wire, payload, bytes(buf)


def feed_slowly(reader: BodyReader, data: bytes, wire: bytearray) -> None:
    """Feed `data` byte by byte and add what is to be passed on to `wire`."""
    buf = bytearray()
    for byte in data:
        buf.append(byte)
        wire += reader.read(buf)[0]


def check_body(
    framing: Framing, data: bytes, payload: bytes, trailers: Headers | None = None
) -> None:
    """`data` is read to its end however it arrives, with the next message behind it or not."""
    whole, tail = [data], [data + NEXT]
    halves = [data[: len(data) // 2], data[len(data) // 2 :] + NEXT]
    single = [bytes([byte]) for byte in data + NEXT]
    for parts in (whole, tail, halves, single):
        reader = body_reader(framing)
        left = b"".join(parts)[len(data) :]
        assert feed(reader, parts) == (data, payload, left)
        assert reader.done
        assert reader.trailers == trailers
        reader.eof()
        assert reader.read(bytearray(NEXT)) == (b"", b"")
    for size in range(len(data)):
        reader = body_reader(framing)
        wire, _, left = feed(reader, [data[:size]])
        assert wire + left == data[:size]
        if not reader.done:
            with pytest.raises(ProtocolError, match="closed in the middle of the body") as caught:
                reader.eof()
            assert caught.value.status == framing.status


def check_refused(framing: Framing, data: bytes, message: str) -> None:
    """`data` is refused whole and byte by byte, and what came before is passed on unchanged."""
    with pytest.raises(ProtocolError) as caught:
        feed(body_reader(framing), [data + NEXT])
    assert message in str(caught.value)
    assert caught.value.status == framing.status
    reader, wire = body_reader(framing), bytearray()
    with pytest.raises(ProtocolError) as caught:
        feed_slowly(reader, data + NEXT, wire)
    assert caught.value.status == framing.status
    assert data.startswith(wire)
    assert not reader.done


class TestPlain:
    @pytest.mark.parametrize("kind", ["none", "tunnel"])
    def test_no_body(self, kind: str) -> None:
        check_body(Framing(kind), b"", b"")

    @pytest.mark.parametrize("data", [b"", b"h", b"hello\r\n\r\n\x00"])
    def test_length(self, data: bytes) -> None:
        check_body(Framing("length", len(data)), data, data)

    def test_length_says_what_is_missing(self) -> None:
        reader = body_reader(Framing("length", 5, 502))
        feed(reader, [b"he"])
        with pytest.raises(ProtocolError, match="3 of 5 bytes missing") as caught:
            reader.eof()
        assert caught.value.status == 502

    def test_close_takes_all_and_ends_with_the_connection(self) -> None:
        reader = body_reader(Framing("close", 0, 502))
        assert feed(reader, [b"a", b"", b"bc\r\n"]) == (b"abc\r\n", b"abc\r\n", b"")
        assert not reader.done
        reader.eof()
        assert reader.done

    def test_payload_is_the_wire_itself(self) -> None:
        """One copy of a large body, not two."""
        for framing in (Framing("length", 9), Framing("close")):
            wire, payload = body_reader(framing).read(bytearray(b"12345"))
            assert wire is payload


class TestChunked:
    @pytest.mark.parametrize(
        ("data", "payload"),
        [
            (b"0\r\n\r\n", b""),
            (b"000\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5\r\nhello\r\n1\r\n \r\n05\r\nworld\r\n0\r\n\r\n", b"hello world"),
            (b"A\r\n\r\n0\r\n\r\nxyz\r\n0\r\n\r\n", b"\r\n0\r\n\r\nxyz"),
            (b"a;x\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
            (b'5;a=b;c;d="e;\\"\xe4"\r\nhello\r\n0;z\r\n\r\n', b"hello"),
            (b"5; a = b ; c\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"00000000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
        ],
    )
    def test_payload(self, data: bytes, payload: bytes) -> None:
        check_body(RESPONSE, data, payload)
        if b" ;" not in data:
            check_body(REQUEST, data, payload)

    def test_trailers(self) -> None:
        check_body(
            REQUEST,
            b"1\r\nx\r\n0\r\nX:  y \r\nx:\r\n\r\n",
            b"x",
            Headers([("X", "y"), ("x", "")]),
        )

    def test_padded_sizes_of_servers(self) -> None:
        check_body(RESPONSE, b"5  \r\nhello\r\n0\t;x \r\n\r\n", b"hello")

    def test_a_part_of_a_chunk_is_passed_on_at_once(self) -> None:
        buf = bytearray(b"5\r\nhe")
        assert body_reader(REQUEST).read(buf) == (b"5\r\nhe", b"he")
        assert not buf

    def test_what_chunk_makes_is_read_back(self) -> None:
        data = chunk(b"hello") + chunk(b"") + chunk(b"x" * 300) + LAST_CHUNK
        check_body(REQUEST, data, b"hello" + b"x" * 300)
        assert chunk(b"") == b""

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"\r\n", "bad chunk size b'' (RFC 9112 7.1)"),
            (b"g\r\n", "bad chunk size b'g"),
            (b"5g\r\n", "bad chunk size b'5g"),
            (b" 5\r\n", "bad chunk size b' 5"),
            (b"+5\r\n", "bad chunk size"),
            (b"-5\r\n", "bad chunk size"),
            (b"0x5\r\n", "bad chunk size"),
            (b"5_0\r\n", "bad chunk size"),
            (b"5.\r\n", "bad chunk size"),
            (b"5,5\r\n", "bad chunk size"),
            (b"5 5\r\n", "bad chunk size"),
            (b"\xd9\xa5\r\n", "bad chunk size"),
            (b"5;\r\n", "bad chunk size b'5;'"),
            (b"5;=x\r\n", "bad chunk size"),
            (b"5;a=\r\n", "bad chunk size"),
            (b"5;a b\r\n", "bad chunk size"),
            (b'5;a="b\r\n', "bad chunk size"),
            (b"5;a\x00\r\n", "bad chunk size"),
            (b"5;a\rb\r\n", "bad chunk size"),
            (b"5\r\r\n", "bad chunk size"),
            (b"5\n", "bare LF in chunk size b'5\\n'"),
            (b"5;a\nb\r\n", "bare LF in chunk size"),
            (b"000000000000000000005\r\n", "bad chunk size"),
            (b"8000000000000000\r\n", "is too large"),
            (b"FFFFFFFFFFFFFFFF5\r\n", "is too large"),
            (b"5\r\nhelloX\r\n", "b'X\\r' where a chunk should end (RFC 9112 7.1)"),
            (b"5\r\nhello\n0\r\n", "b'\\n0' where a chunk should end"),
            (b"5\r\nhello0\r\n\r\n", "b'0\\r' where a chunk should end"),
            (b"5\r\nhello\r0\r\n", "b'\\r0' where a chunk should end"),
        ],
    )
    def test_refused(self, line: bytes, message: str) -> None:
        check_refused(REQUEST, line, message)
        check_refused(RESPONSE, line, message)

    @pytest.mark.parametrize("line", [b"5 \r\n", b"5 ;a\r\n", b"5;a \r\n", b"0\t\r\n"])
    def test_blanks_are_refused_in_requests(self, line: bytes) -> None:
        check_refused(REQUEST, line, "bad chunk size")

    @pytest.mark.parametrize(
        ("trailers", "message"),
        [
            (b"X : y\r\n\r\n", "whitespace between name and colon"),
            (b"X: y\r\n z\r\n\r\n", "folded header line"),
            (b" X: y\r\n\r\n", "blank before the first header field"),
            (b"X: y\n\r\n", "bare LF in line"),
            (b"X: y\r\n\n", "bare LF in line"),
            (b"X: a\rb\r\n\r\n", "bare CR in line"),
            (b"X: \x00\r\n\r\n", "NUL in header line"),
            (b"X\r\n\r\n", "header line without a colon"),
            (b"\n", "bare LF in line"),
            (b"\rX\r\n\r\n", "bare CR in line"),
            (b"Content-Length: 5\r\n\r\n", "b'Content-Length' as a trailer (RFC 9110 6.5.1)"),
            (b"X: y\r\ntransfer-encoding: chunked\r\n\r\n", "b'transfer-encoding' as a trailer"),
            (b"HOST: b\r\n\r\n", "b'HOST' as a trailer"),
        ],
    )
    def test_trailers_refused(self, trailers: bytes, message: str) -> None:
        check_refused(REQUEST, b"1\r\nx\r\n0\r\n" + trailers, message)
        check_refused(RESPONSE, b"1\r\nx\r\n0\r\n" + trailers, message)

    @pytest.mark.parametrize("end", [b"", b"\r\n"])
    def test_limits(self, end: bytes) -> None:
        for data, message in (
            (b"5;" + b"x" * MAX_CHUNK_LINE + end, "chunk size line over 4096 bytes"),
            (b"0\r\nX: " + b"y" * MAX_TRAILERS + end + end, "trailers of more than 16384 bytes"),
            (b"0\r\n" + b"X: y\r\n" * 257 + b"\r\n", "257 trailer fields, 256 allowed"),
        ):
            check_refused(REQUEST, data, message)


@pytest.mark.parametrize("framing", [Framing("length", 1 << 24), REQUEST, Framing("close")])
def test_a_large_body_in_small_parts_is_linear(framing: Framing) -> None:
    """16 MiB from a buffer that is always full: quadratic work would take minutes."""
    reader, buf, seen = body_reader(framing), bytearray(), 0
    part = b"1000\r\n" + b"x" * 4096 + b"\r\n" if framing is REQUEST else b"x" * 4104
    while seen < 1 << 24:
        buf += part * 16
        seen += len(reader.read(buf)[1])
    assert not buf or reader.done


def test_many_tiny_chunks_at_once_are_linear() -> None:
    buf = bytearray(b"1\r\nx\r\n" * 200_000 + LAST_CHUNK)
    reader = body_reader(REQUEST)
    taken = []
    while not reader.done:  # some at a time, so that they hold nobody up
        taken.append(reader.read(buf))
    assert len(taken) > 100
    assert sum(len(wire) for wire, _ in taken) == 1_200_005
    assert b"".join(payload for _, payload in taken) == b"x" * 200_000
