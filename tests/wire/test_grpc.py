"""gRPC messages, fed in every way, and how calls end."""

from __future__ import annotations

import base64
import gzip
import time
import tracemalloc
import zlib

import brotli
import pytest
from backports import zstd

from rama_proxy.model.body import Body
from rama_proxy.model.grpc import (
    CODES,
    CONNECT,
    GRPC,
    GRPC_WEB,
    GRPC_WEB_TEXT,
    Framing,
    Result,
    code_name,
    codec_of,
    framing_of,
    has_messages,
    http_class,
)
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_proxy.model.websocket import INCOMPLETE, TRUNCATED, UNREAD
from rama_proxy.protocols.grpc import FREE, PREFIX, GrpcMessage, Splitter
from rama_proxy.protocols.grpc_result import MAX_FRAMES, result_of
from tests.support.check import check

LIMIT = 1 << 20
HELLO = b"\x00\x00\x00\x00\x07\x0a\x05hello"
EMPTY = b"\x00\x00\x00\x00\x00"
TRAILERS = b"\x80\x00\x00\x00\x10grpc-status: 0\r\n"

Seen = tuple[bytes, int, int, bool]


def seen(message: GrpcMessage) -> Seen:
    return message.data, message.size, message.flags, message.ends


def split(
    wire: bytes, *, step: int = 0, framing: Framing = GRPC, coding: str = "", limit: int = LIMIT
) -> tuple[list[Seen], str]:
    """The messages of a whole body, fed in pieces of `step` bytes, and the problem."""
    splitter = Splitter(framing, coding, limit)
    found: list[Seen] = []
    for start in range(0, len(wire), step or len(wire) or 1):
        piece = wire[start : start + (step or len(wire))]
        found += [seen(message) for message in splitter.feed(piece)]
    last = splitter.end()
    return found + ([seen(last)] if last is not None else []), splitter.problem


def first_of(buf: bytearray) -> tuple[Seen, int] | None:
    found = Splitter(GRPC, "gzip", LIMIT).feed(bytes(buf))
    return (seen(found[0]), PREFIX + found[0].packed) if found else None


PACKED = gzip.compress(b"hello" * 20, mtime=0)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (HELLO, (b"\x0a\x05hello", 7, 0, False)),
        (EMPTY, (b"", 0, 0, False)),
        (b"\x00\x00\x00\x01\x00" + b"x" * 256, (b"x" * 256, 256, 0, False)),
        (
            b"\x01" + len(PACKED).to_bytes(4, "big") + PACKED,
            (b"hello" * 20, 100, 0, False),
        ),
        (b"\x01\x00\x00\x00\x00", (b"", 0, 0, False)),  # compressed nothing
    ],
)
def test_a_message(wire: bytes, message: Seen) -> None:
    check(first_of, wire, message)


@pytest.mark.parametrize("wire", [b"", b"\x00\x00\x00\x00", HELLO[:-1]])
def test_a_message_that_needs_more(wire: bytes) -> None:
    check(first_of, wire, None)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 12, 13, 100])
def test_messages_however_they_are_cut(step: int) -> None:
    found, problem = split(HELLO + EMPTY + HELLO, step=step)
    hello = (b"\x0a\x05hello", 7, 0, False)
    assert (found, problem) == ([hello, (b"", 0, 0, False), hello], "")


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(b"a" * 500)),
        ("deflate", zlib.compress(b"a" * 500)),
        ("br", brotli.compress(b"a" * 500)),
        ("zstd", zstd.compress(b"a" * 500)),
    ],
)
def test_compression(coding: str, packed: bytes) -> None:
    wire = b"\x01" + len(packed).to_bytes(4, "big") + packed + HELLO
    found, problem = split(wire, step=3, coding=coding)
    assert found == [(b"a" * 500, 500, 0, False), (b"\x0a\x05hello", 7, 0, False)]
    assert problem == ""


@pytest.mark.parametrize(
    ("coding", "data", "problem"),
    [
        ("snappy", b"xyz", "unknown content coding 'snappy'"),
        ("", b"xyz", "compressed, though no compression was named"),
        ("identity", b"xyz", "compressed, though no compression was named"),
        ("gzip", b"xyz", "broken compressed data"),
    ],
)
def test_what_cannot_be_decompressed_is_kept_as_it_is(
    coding: str, data: bytes, problem: str
) -> None:
    splitter = Splitter(GRPC, coding, LIMIT)
    message, hello = splitter.feed(b"\x01\x00\x00\x00\x03" + data + HELLO)
    assert seen(message) == (b"xyz", 3, UNREAD, False)
    assert problem in message.problem
    assert seen(hello) == (b"\x0a\x05hello", 7, 0, False)
    assert splitter.problem == ""


def test_a_long_message_is_kept_up_to_the_limit() -> None:
    wire = b"\x00\x00\x01\x00\x00" + b"ab" * 32768
    for step in (1000, 65541):
        found, _ = split(wire + HELLO, step=step, limit=100)
        assert found[0] == (b"ab" * 50, 65536, TRUNCATED, False)
        assert found[1] == (b"\x0a\x05hello", 7, 0, False)


def test_a_compressed_message_is_kept_up_to_the_limit() -> None:
    packed = gzip.compress(b"a" * 5000)
    wire = b"\x01" + len(packed).to_bytes(4, "big") + packed
    found, _ = split(wire, coding="gzip", limit=1000)
    assert found == [(b"a" * 1000, 1000, TRUNCATED, False)]
    found, _ = split(wire[:-4] + HELLO[:4], coding="gzip", limit=len(packed) - 4)
    assert found[0][2] & TRUNCATED


def test_a_length_of_4_gib_takes_no_memory() -> None:
    splitter = Splitter(GRPC, "", 1000)
    piece = bytes(65536)
    tracemalloc.start()
    assert splitter.feed(b"\x00\xff\xff\xff\xff") == []
    for _ in range(200):
        assert splitter.feed(piece) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    message = splitter.end()
    assert message is not None
    assert (len(message.data), message.size) == (1000, (1 << 32) - 1)
    assert message.flags == TRUNCATED | INCOMPLETE
    assert peak < 300_000


def test_tiny_bombs_are_followed_up_to_a_point_only() -> None:
    packed = brotli.compress(bytes(LIMIT))
    wire = (b"\x01" + len(packed).to_bytes(4, "big") + packed) * 2000
    began = time.process_time()
    splitter = Splitter(GRPC, "br", LIMIT)
    messages = splitter.feed(wire)
    assert time.process_time() - began < 5
    grown = sum(len(message.data) for message in messages if not message.flags & UNREAD)
    assert FREE <= grown <= FREE + 100 * len(wire)
    assert messages[-1].problem == "compressed more than can be followed"
    assert messages[-1].data == packed


@pytest.mark.parametrize(
    ("wire", "flags", "data"),
    [
        (HELLO + HELLO[:-1], INCOMPLETE, b"\x0a\x05hell"),
        (HELLO + b"\x00\x00\x00\x00\x07", INCOMPLETE, b""),
    ],
)
def test_a_message_that_is_broken_off(wire: bytes, flags: int, data: bytes) -> None:
    for step in (0, 1):
        found, problem = split(wire, step=step)
        assert found[1] == (data, 7, flags, False)
        assert problem == ""


@pytest.mark.parametrize(
    ("wire", "framing", "problem"),
    [
        (b"HTTP/1.1 200", GRPC, "bad gRPC message flags 0x48"),
        (b"\x80\x00\x00\x00\x00", GRPC, "bad gRPC message flags 0x80"),
        (b"\x02\x00\x00\x00\x00", GRPC_WEB, "bad gRPC-Web message flags 0x02"),
        (b"\x80\x00\x00\x00\x00", CONNECT, "bad Connect message flags 0x80"),
        (TRAILERS + HELLO, GRPC_WEB, "bytes behind the frame that ends the stream"),
        (HELLO[:3], GRPC, "it ends inside the 5 bytes before a message"),
        (b"AAA*", GRPC_WEB_TEXT, "bad base64"),
    ],
)
def test_a_broken_framing_is_told_and_read_no_further(
    wire: bytes, framing: Framing, problem: str
) -> None:
    for step in (0, 1):
        found, told = split(HELLO + wire if framing is GRPC else wire, step=step, framing=framing)
        assert told == problem
        assert all(message[2] == 0 for message in found)
    splitter = Splitter(framing, "", LIMIT)
    splitter.feed(wire)
    splitter.end()
    assert splitter.feed(HELLO) == []


def test_trailers_of_the_web() -> None:
    found, problem = split(HELLO + TRAILERS, step=4, framing=GRPC_WEB)
    assert found[1] == (b"grpc-status: 0\r\n", 16, 0, True)
    assert problem == ""


@pytest.mark.parametrize("step", [1, 3, 4, 5, 1000])
def test_base64_of_the_web_has_padding_where_a_piece_ended(step: int) -> None:
    two = b"\x00\x00\x00\x00\x02ab"
    pieces = [base64.b64encode(wire) for wire in (HELLO, EMPTY, two, TRAILERS)]
    text = b"\r\n".join(pieces)
    assert [piece.count(b"=") for piece in pieces] == [0, 1, 2, 0]
    found, problem = split(text, step=step, framing=GRPC_WEB_TEXT)
    assert [message[0] for message in found] == [
        b"\x0a\x05hello",
        b"",
        b"ab",
        b"grpc-status: 0\r\n",
    ]
    assert problem == ""


def test_the_end_of_a_connect_stream() -> None:
    wire = b'\x00\x00\x00\x00\x02{}\x02\x00\x00\x00\x0d{"error": {}}'
    found, problem = split(wire, step=2, framing=CONNECT)
    assert found == [(b"{}", 2, 0, False), (b'{"error": {}}', 13, 0, True)]
    assert problem == ""


@pytest.mark.parametrize(
    ("media_type", "framing", "codec"),
    [
        ("application/grpc", GRPC, "proto"),
        ("application/grpc+proto", GRPC, "proto"),
        ("application/grpc+json", GRPC, "json"),
        ("application/grpc-web", GRPC_WEB, "proto"),
        ("application/grpc-web+thrift", GRPC_WEB, "thrift"),
        ("application/grpc-web-text+proto", GRPC_WEB_TEXT, "proto"),
        ("application/connect+json", CONNECT, "json"),
        ("application/connect", None, "proto"),
        ("application/grpcish", None, "proto"),
        ("application/json", None, "proto"),
        ("text/event-stream", None, "proto"),
        ("", None, "proto"),
    ],
)
def test_media_types(media_type: str, framing: Framing | None, codec: str) -> None:
    assert framing_of(media_type) is framing
    assert codec_of(media_type) == codec
    assert has_messages(media_type) is (framing is not None or media_type == "text/event-stream")


def response(
    media_type: str, *fields: tuple[str, str], body: bytes = b"", trailers: Headers | None = None
) -> Response:
    made = Response(200, "OK", "HTTP/2", Headers([("Content-Type", media_type), *fields]))
    made.body = Body(body)
    made.trailers = trailers
    return made


def test_the_result_of_a_call_stands_in_its_trailers() -> None:
    ended = Headers([("Grpc-Status", "5"), ("grpc-message", "no%20such thing: %E2%82%AC%ff")])
    answer = response("application/grpc; charset=x", ("grpc-status", "3"), trailers=ended)
    assert result_of(answer) == Result(5, "no such thing: €\ufffd")
    assert str(result_of(answer)) == "5 NOT_FOUND: no such thing: €\ufffd"


def test_a_response_of_trailers_only_has_it_in_its_head() -> None:
    answer = response("application/grpc+proto", ("grpc-status", "12"))
    assert str(result_of(answer)) == "12 UNIMPLEMENTED"
    answer.trailers = Headers()
    assert result_of(answer) == Result(12)


@pytest.mark.parametrize(
    ("media_type", "body", "fields", "result"),
    [
        ("application/grpc-web+proto", HELLO + TRAILERS, (), Result(0)),
        (
            "application/grpc-web",
            b"\x80\x00\x00\x00\x25grpc-status:16\r\ngrpc-message:no%20key",
            (),
            Result(16, "no key"),
        ),
        (
            "application/grpc-web",
            b"\x81\x00\x00\x00\x2c" + gzip.compress(b"GRPC-Status: 9\n", mtime=0) + bytes(9),
            (("grpc-encoding", "gzip"),),
            Result(9),
        ),
        (
            "application/grpc-web-text",
            base64.b64encode(HELLO) + base64.b64encode(TRAILERS),
            (),
            Result(0),
        ),
        (
            "application/grpc-web",
            gzip.compress(HELLO + TRAILERS),
            (("content-encoding", "gzip"),),
            Result(0),
        ),
        ("application/grpc-web", gzip.compress(HELLO), (("content-encoding", "br"),), None),
        ("application/grpc-web", HELLO + TRAILERS[:-3], (), None),
        ("application/grpc-web", HELLO, (), None),
        ("application/grpc-web", b"", (), None),
        ("application/grpc-web", EMPTY * MAX_FRAMES + TRAILERS, (), None),
        ("application/connect+json", b"\x02\x00\x00\x00\x02{}", (), Result(0)),
        (
            "application/connect+proto",
            b'\x02\x00\x00\x00\x36{"error": {"code": "canceled", "message": "too late"}}',
            (),
            Result(1, "too late"),
        ),
        ("application/connect+proto", b"\x02\x00\x00\x00\x02[]", (), None),
        ("application/connect+proto", b"\x02\x00\x00\x00\x02{!", (), None),
        ("application/connect+json", b'\x02\x00\x00\x00\x0e{"error": {}} ', (), Result(2)),
    ],
)
def test_the_result_at_the_end_of_a_body(
    media_type: str, body: bytes, fields: tuple[tuple[str, str], ...], result: Result | None
) -> None:
    assert result_of(response(media_type, *fields, body=body)) == result


@pytest.mark.parametrize("status", ["", "x", "-1", "٣", "1" * 10, "1.0"])
def test_a_status_that_is_no_number_is_none(status: str) -> None:
    assert result_of(response("application/grpc", ("grpc-status", status))) is None


def test_only_grpc_has_a_result() -> None:
    assert result_of(None) is None
    assert result_of(response("application/json", ("grpc-status", "5"))) is None
    assert result_of(response("application/grpc")) is None


def test_codes() -> None:
    assert len(CODES) == 17
    assert [code_name(code) for code in (0, 1, 16, 17, 99)] == [
        "OK", "CANCELLED", "UNAUTHENTICATED", "", "",
    ]  # fmt: skip
    assert [http_class(code) for code in (0, 3, 5, 13, 14, 42)] == [2, 4, 4, 5, 5, 5]
    assert str(Result(42, "odd")) == "42: odd"
