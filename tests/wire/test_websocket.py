"""WebSocket frames and messages, fed in every way and beside wsproto."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from rama_proxy.errors import ProtocolError
from rama_proxy.model.websocket import (
    BINARY,
    CLOSE,
    INCOMPLETE,
    PING,
    TEXT,
    TRUNCATED,
    UNREAD,
)
from rama_proxy.protocols.websocket import (
    FrameHeader,
    is_websocket,
    mask_bytes,
    parse_close,
    parse_frame_header,
    serialize_frame,
)
from rama_proxy.protocols.websocket_deflate import (
    MAX_INFLATED,
    Deflate,
    Extension,
    Inflater,
    agreed_deflate,
    deflate_message,
    parse_extensions,
)
from rama_proxy.protocols.websocket_reader import Message, MessageReader
from tests.support.check import check

LIMIT = 1 << 20
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"  # RFC 7692 7.2.3.1
HELLO_AGAIN = b"\xf2\x00\x11\x00\x00"  # 7.2.3.2, out of the window
STORED_HELLO = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"  # 7.2.3.3, not compressed
FINAL_HELLO = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"  # 7.2.3.4, with a last block
TWO_BLOCKS = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"  # 7.2.3.5


@pytest.mark.parametrize(
    ("wire", "header"),
    [
        (b"\x81\x05", FrameHeader(True, 0, TEXT, b"", 5)),
        (b"\x81\x85\x37\xfa\x21\x3d", FrameHeader(True, 0, TEXT, b"\x37\xfa\x21\x3d", 5)),
        (b"\x02\x7d", FrameHeader(False, 0, BINARY, b"", 125)),
        (b"\x82\x7e\x01\x00", FrameHeader(True, 0, BINARY, b"", 256)),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", FrameHeader(True, 0, BINARY, b"", 65536)),
        (
            b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff1234",
            FrameHeader(True, 0, BINARY, b"1234", (1 << 63) - 1),
        ),
        (b"\xf9\x00", FrameHeader(True, 7, PING, b"", 0)),
        (b"\x8f\x00", FrameHeader(True, 0, 15, b"", 0)),
    ],
)
def test_a_header(wire: bytes, header: FrameHeader) -> None:
    check(parse_frame_header, wire, header)


@pytest.mark.parametrize("wire", [b"", b"\x81", b"\x81\x7e\x00", b"\x81\x7f" + b"\x00" * 7])
def test_a_header_that_needs_more(wire: bytes) -> None:
    check(parse_frame_header, wire, None)


@pytest.mark.parametrize(
    "wire",
    [
        b"\x82\x7e\x00\x7d",  # 125 fits in seven bits
        b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
        b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00",
    ],
)
def test_a_length_that_is_not_allowed(wire: bytes) -> None:
    check(parse_frame_header, wire, ProtocolError("bad frame length"))


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 65535, 65536, 70001])
@pytest.mark.parametrize("mask", [b"", b"\x37\xfa\x21\x3d", b"\x00\x00\x00\x00"])
def test_a_frame_comes_back(size: int, mask: bytes) -> None:
    payload = bytes(index % 251 for index in range(size))
    wire = serialize_frame(BINARY, payload, mask=mask)
    found = parse_frame_header(wire)
    assert found is not None
    header, used = found
    assert (header.length, header.mask, len(wire)) == (size, mask, used + size)
    assert (mask_bytes(wire[used:], mask) if mask else wire[used:]) == payload
    (frame,) = wsproto_frames(wire, masked=bool(mask))
    assert frame == (int(BINARY), payload, True)


def wsproto_frames(wire: bytes, *, masked: bool) -> list[tuple[int, bytes, bool]]:
    """What wsproto reads: opcode, payload and whether it ends a message; raises as it does."""
    protocol = FrameProtocol(client=not masked, extensions=[])
    protocol.receive_bytes(wire)
    found = []
    for frame in protocol.received_frames():
        payload = frame.payload
        if isinstance(payload, tuple):  # of a close frame: code and reason
            payload = payload[0].to_bytes(2, "big") + payload[1].encode()
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        found.append((int(frame.opcode), data, frame.message_finished))
    return found


def read(
    wire: bytes,
    *,
    masked: bool = False,
    limit: int = LIMIT,
    deflate: Deflate | None = None,
    step: int = 0,
) -> tuple[list[Message], str]:
    """The messages of `wire`, given whole or `step` bytes at a time, and what is wrong."""
    reader = MessageReader(masked=masked, limit=limit, deflate=deflate)
    passed, messages = b"", []
    for start in range(0, len(wire), step or len(wire)):
        for part in reader.feed(wire[start : start + (step or len(wire))]):
            passed += part.wire
            if part.message is not None:
                messages.append(part.message)
    assert passed + reader.take_partial() == wire
    unfinished = reader.unfinished()
    return messages + ([unfinished] if unfinished is not None else []), reader.problem


def shown(messages: list[Message]) -> list[tuple[int, bytes, int, int]]:
    return [(item.opcode, item.data, item.size, item.flags) for item in messages]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(
    ("wire", "expect"),
    [
        (b"\x81\x05Hello", [(TEXT, b"Hello", 5, 0)]),
        (b"\x01\x03Hel\x80\x02lo", [(TEXT, b"Hello", 5, 0)]),
        (b"\x82\x00\x81\x01a", [(BINARY, b"", 0, 0), (TEXT, b"a", 1, 0)]),
        (b"\x01\x01a\x89\x01p\x00\x00\x80\x01b", [(PING, b"p", 1, 0), (TEXT, b"ab", 2, 0)]),
        (b"\x01\x02\xc3\xa4\x80\x01a", [(TEXT, b"\xc3\xa4a", 3, 0)]),
        (b"\x01\x01\xc3\x80\x01\xa4", [(TEXT, b"\xc3\xa4", 2, 0)]),  # a letter in two frames
        (b"\x82\x05ab", [(BINARY, b"ab", 2, INCOMPLETE)]),
        (b"\x88\x02\x03\xe8\x81\x00", [(CLOSE, b"\x03\xe8", 2, 0), (TEXT, b"", 0, 0)]),
    ],
)
def test_messages(wire: bytes, expect: list[object], step: int) -> None:
    messages, problem = read(wire, step=step)
    assert (shown(messages), problem) == (expect, "")
    assert [message.problem for message in messages] == [""] * len(messages)


@pytest.mark.parametrize("step", [0, 1, 5])
def test_masked_fragments(step: int) -> None:
    wire = serialize_frame(TEXT, b"mask", mask=b"\x01\x02\x03\x04", fin=False)
    wire += serialize_frame(PING, b"between", mask=b"\xff\x00\xff\x00")
    wire += serialize_frame(0, b"ed again", mask=b"\x09\x08\x07\x06")
    messages, problem = read(wire, masked=True, step=step)
    assert shown(messages) == [(PING, b"between", 7, 0), (TEXT, b"masked again", 12, 0)]
    assert problem == ""


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        (b"\x83\x00", "reserved opcode 3"),
        (b"\x8b\x00", "reserved opcode 11"),
        (b"\xc1\x00", "reserved bits 100"),
        (b"\x91\x00", "reserved bits 001"),
        (b"\x81\x80\x01\x02\x03\x04", "frame that is masked"),
        (b"\x89\x7e\x00\x7e", "control frame of 126 bytes"),
        (b"\x09\x00", "control frame in fragments"),
        (b"\x80\x00", "continuation of no message"),
        (b"\x01\x00\x81\x00", "a message begins inside another"),
        (b"\x81\x7e\x00\x01", "bad frame length 1 in 2 bytes"),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_what_breaks_the_protocol_is_named_and_comes_back(
    wire: bytes, problem: str, step: int
) -> None:
    messages, found = read(b"\x82\x01a" + wire + b"\x82\x01b", step=step)
    assert problem in found
    assert shown(messages)[0] == (BINARY, b"a", 1, 0)
    assert (BINARY, b"b", 1, 0) not in shown(messages)


def test_a_frame_without_mask_from_a_client() -> None:
    assert read(b"\x81\x00", masked=True) == ([], "frame that is not masked (RFC 6455 5.1)")


@pytest.mark.parametrize(
    ("payload", "is_text"),
    [
        (b"\xce\xba\xe1\xbd\xb9", True),
        (b"\xed\xa0\x80", False),  # a surrogate
        (b"\xf4\x90\x80\x80", False),  # beyond Unicode
        (b"\xc0\xaf", False),
        (b"\xce", False),
    ],
)
def test_text_has_to_be_utf8(payload: bytes, is_text: bool) -> None:
    (message,), problem = read(serialize_frame(TEXT, payload))
    assert problem == ""
    assert bool(message.problem) is not is_text
    (message,), problem = read(serialize_frame(BINARY, payload))
    assert message.problem == ""


def test_text_that_is_cut_within_a_letter_is_text() -> None:
    (message,), _ = read(serialize_frame(TEXT, b"\xc3\xa4" * 4), limit=3)
    assert shown([message]) == [(TEXT, b"\xc3\xa4\xc3", 8, TRUNCATED)]
    assert message.problem == ""


def test_what_is_beyond_the_limit_is_counted_only() -> None:
    payload = bytes(range(256)) * 64
    for step in (0, 1000):
        (message,), _ = read(
            serialize_frame(BINARY, payload, mask=b"abcd"), masked=True, limit=1001, step=step
        )
        assert shown([message]) == [(BINARY, payload[:1001], len(payload), TRUNCATED)]


def test_a_giant_length_allocates_nothing() -> None:
    reader = MessageReader(masked=False, limit=LIMIT)
    (part,) = reader.feed(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffab")
    assert part.wire.endswith(b"ab")
    message = reader.unfinished()
    assert message is not None
    assert (message.size, message.data) == (2, b"ab")


def test_a_flood_of_empty_fragments_leaves_nothing_behind() -> None:
    reader = MessageReader(masked=False, limit=LIMIT)
    reader.feed(b"\x01\x00")
    tracemalloc.start()
    try:
        for _ in range(100):
            assert len(reader.feed(b"\x00\x00" * 1000)) == 1000
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()
    (part,) = reader.feed(b"\x80\x00")
    assert part.message is not None
    assert shown([part.message]) == [(TEXT, b"", 0, 0)]


def test_idle_is_between_messages() -> None:
    reader = MessageReader(masked=False, limit=LIMIT)
    seen = []
    for byte in b"\x01\x01a\x89\x00\x80\x00":
        reader.feed(bytes((byte,)))
        seen.append(reader.idle)
    assert seen == [False] * 6 + [True]


class TestDeflate:
    @pytest.mark.parametrize("wire", [HELLO, STORED_HELLO, FINAL_HELLO, TWO_BLOCKS])
    @pytest.mark.parametrize("step", [0, 1])
    def test_the_examples_of_the_rfc(self, wire: bytes, step: int) -> None:
        frame = serialize_frame(TEXT, wire, rsv=4)
        messages, problem = read(frame, deflate=Deflate(True, 15), step=step)
        assert (shown(messages), problem) == ([(TEXT, b"Hello", 5, 0)], "")

    def test_the_window_outlives_a_message(self) -> None:
        wire = serialize_frame(TEXT, HELLO, rsv=4) + serialize_frame(TEXT, HELLO_AGAIN, rsv=4)
        messages, _ = read(wire, deflate=Deflate(True, 15))
        assert [message.data for message in messages] == [b"Hello", b"Hello"]
        messages, _ = read(wire, deflate=Deflate(False, 15))
        assert messages[0].problem == ""
        assert "broken compressed message" in messages[1].problem

    def test_fragments_are_one_stream(self) -> None:
        wire = serialize_frame(TEXT, HELLO[:3], rsv=4, fin=False)
        wire += serialize_frame(PING, b"") + serialize_frame(0, HELLO[3:])
        messages, _ = read(wire, deflate=Deflate(True, 15))
        assert shown(messages) == [(PING, b"", 0, 0), (TEXT, b"Hello", 5, 0)]

    def test_a_message_that_is_not_compressed_is_left_alone(self) -> None:
        wire = serialize_frame(TEXT, b"plain") + serialize_frame(TEXT, HELLO, rsv=4)
        messages, _ = read(wire, deflate=Deflate(True, 15))
        assert [message.compressed for message in messages] == [False, True]

    @pytest.mark.parametrize("wire", [b"\x40\x00", b"\xc9\x00", b"\xe1\x00"])
    def test_bits_where_they_do_not_belong(self, wire: bytes) -> None:
        first = b"\x01\x00" if wire[0] & 15 == 0 else b""
        assert "reserved bits" in read(first + wire, deflate=Deflate(True, 15))[1]

    @pytest.mark.parametrize("takeover", [True, False])
    def test_a_bomb_is_cut(self, takeover: bool) -> None:
        bomb = deflate_message(bytes(MAX_INFLATED + 1), 15)
        assert bomb is not None
        wire = serialize_frame(BINARY, bomb, rsv=4) + serialize_frame(TEXT, HELLO, rsv=4)
        (message, after), problem = read(wire, deflate=Deflate(takeover, 15), limit=1000, step=1000)
        assert problem == ""
        assert (message.data, message.flags) == (bytes(1000), TRUNCATED)
        assert message.problem.startswith(f"more than {MAX_INFLATED} bytes decompressed")
        assert (after.data, after.flags) == ((HELLO, UNREAD) if takeover else (b"Hello", 0))

    def test_the_limit_of_what_is_kept_is_no_bomb(self) -> None:
        wire = serialize_frame(TEXT, HELLO, rsv=4) + serialize_frame(TEXT, HELLO_AGAIN, rsv=4)
        messages, _ = read(wire, deflate=Deflate(True, 15), limit=2)
        assert shown(messages) == [(TEXT, b"He", 5, TRUNCATED)] * 2

    @pytest.mark.parametrize("bits", range(9, 16))
    def test_what_we_compress_is_read_within_its_window(self, bits: int) -> None:
        data = bytes(index * index % 253 for index in range(100_000))
        packed = deflate_message(data, bits)
        assert packed is not None
        inflater = Inflater(Deflate(False, bits))
        assert inflater.inflate(packed, LIMIT) + inflater.end(LIMIT) == data

    def test_an_empty_message_and_a_window_that_zlib_cannot(self) -> None:
        assert deflate_message(b"", 15) == b"\x00"  # RFC 7692 7.2.3.6
        assert deflate_message(b"a", 8) is None

    @pytest.mark.parametrize("ours", ["client", "server"])
    @pytest.mark.parametrize("takeover", [True, False])
    def test_wsproto_compresses_and_we_read(self, ours: str, takeover: bool) -> None:
        extension = (
            PerMessageDeflate(client_no_context_takeover=not takeover, client_max_window_bits=10)
            if ours == "client"
            else PerMessageDeflate(
                server_no_context_takeover=not takeover, server_max_window_bits=10
            )
        )
        extension._enabled = True
        sender = FrameProtocol(client=ours == "client", extensions=[extension])
        texts = ["once more " * 20, "", "once more " * 20, "ä" * 5000]
        wire = b"".join([sender.send_data(text, fin=True) for text in texts])
        messages, problem = read(
            wire, masked=ours == "client", deflate=Deflate(takeover, 10), step=11
        )
        assert problem == ""
        assert [message.data.decode() for message in messages] == texts


@pytest.mark.parametrize(
    ("field", "expect"),
    [
        (None, []),
        ("", []),
        ("x-a", [("x-a", {})]),
        ("X-A ; B = 1 ,x-b", [("x-a", {"b": "1"}), ("x-b", {})]),
        ('a; b="c, d; e"; f', [("a", {"b": "c, d; e", "f": ""})]),
        ("permessage-deflate;client_max_window_bits=12",
         [("permessage-deflate", {"client_max_window_bits": "12"})]),
    ],
)  # fmt: skip
def test_extensions(field: str | None, expect: list[tuple[str, dict[str, str]]]) -> None:
    assert [tuple(extension) for extension in parse_extensions(field)] == expect


@pytest.mark.parametrize("field", ["a b", "=", "a; =1", 'a; b="'])
def test_extensions_that_have_no_such_form(field: str) -> None:
    with pytest.raises(ProtocolError, match="bad Sec-WebSocket-Extensions"):
        parse_extensions(field)


def test_parameters_of_deflate() -> None:
    agreed = agreed_deflate(Extension("permessage-deflate", {}))
    assert agreed == (Deflate(True, 15), Deflate(True, 15))
    params = {"server_no_context_takeover": "", "client_max_window_bits": "9"}
    agreed = agreed_deflate(Extension("permessage-deflate", params))
    assert agreed == (Deflate(True, 9), Deflate(False, 15))
    for wrong in (
        {"client_max_window_bits": "7"},
        {"client_max_window_bits": ""},
        {"server_no_context_takeover": "1"},
        {"level": "9"},
    ):
        with pytest.raises(ProtocolError, match="permessage-deflate"):
            agreed_deflate(Extension("permessage-deflate", wrong))


def test_close_payloads() -> None:
    assert parse_close(b"") == (1005, "")
    assert parse_close(b"\x03\xe8") == (1000, "")
    assert parse_close(b"\x0b\xb8bye \xe2\x9c\x93") == (3000, "bye ✓")
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
        with pytest.raises(ProtocolError, match=f"close code {code}"):
            parse_close(code.to_bytes(2, "big"))
    for wrong in (b"\x03", b"\x03\xe8\xff"):
        with pytest.raises(ProtocolError, match=r"RFC 6455 5\.5\.1"):
            parse_close(wrong)


@pytest.mark.parametrize(
    ("field", "expect"),
    [("websocket", True), ("WebSocket", True), ("h2c, websocket", True), ("h2c", False),
     ("websockets", False), (None, False)],
)  # fmt: skip
def test_who_asks_for_a_websocket(field: str | None, expect: bool) -> None:
    assert is_websocket(field) is expect


def test_masking_a_mebibyte_takes_no_loop() -> None:
    data = zlib.compress(b"x") * (1 << 16)
    once = mask_bytes(data, b"\x01\x80\xff\x7f")
    assert once[:4] == bytes(a ^ b for a, b in zip(data, b"\x01\x80\xff\x7f", strict=False))
    assert mask_bytes(once, b"\x01\x80\xff\x7f") == data
