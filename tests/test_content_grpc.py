"""How bodies with messages inside are shown: gRPC, plain Protocol Buffers, server-sent events."""

from __future__ import annotations

import base64
import gzip
import time

import brotli
import pytest

from rama_proxy.content.grpc import MAX_MESSAGES, MAX_SHOWN
from rama_proxy.content.protobuf_schema import parse_descriptors
from rama_proxy.content.views import View, view_body
from rama_proxy.model.body import Body
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Message, Request, Response
from tests.support.descriptors import SHOP

ITEM = b"\x0a\x04ball\x20\x02"  # name: "ball" kind: TOY
WIRE = b"\x00\x00\x00\x00\x08" + ITEM
SCHEMA = parse_descriptors(SHOP)
GET = "/shop.v1.Shop/Get"


def response(data: bytes, media_type: str, *fields: tuple[str, str]) -> Response:
    made = Response(200, "OK", "HTTP/2", Headers([("Content-Type", media_type), *fields]))
    made.body = Body(data)
    return made


def shown(message: Message, **about: object) -> tuple[str, str]:
    view = view_body(message, **about)  # type: ignore[arg-type]  # path and schema
    assert view.name == "gRPC"
    return view.data.decode(), view.note


def test_each_message_of_a_body() -> None:
    packed = gzip.compress(ITEM, mtime=0)
    wire = WIRE + b"\x01" + len(packed).to_bytes(4, "big") + packed + b"\x00\x00\x00\x00\x00"
    text, note = shown(response(wire, "application/grpc", ("grpc-encoding", "gzip")))
    assert note == ""
    assert text.split("\n\n") == [
        '# message 1, 8 B\n1: "ball"\n4: 2',
        f'# message 2, 8 B, gzip from {len(packed)} B\n1: "ball"\n4: 2',
        "# message 3, 0 B",
    ]


def test_messages_by_the_type_of_the_method() -> None:
    answer = response(WIRE, "application/grpc+proto")
    text, _ = shown(answer, path=GET, schema=SCHEMA)
    assert text == '# message 1, 8 B, shop.v1.Item\nname: "ball"\nkind: TOY  # 2'
    request = Request("POST", GET.encode(), "HTTP/2", answer.headers)
    request.body = Body(b"\x00\x00\x00\x00\x04\x0a\x02i7")
    text, _ = shown(request, path=GET, schema=SCHEMA)
    assert text == '# message 1, 4 B, shop.v1.GetItem\nid: "i7"'


def test_a_web_stream_ends_in_its_trailers() -> None:
    wire = WIRE + b"\x80\x00\x00\x00\x1fgrpc-status: 5\r\ngrpc-message: x"
    expected = (
        '# message 1, 8 B\n1: "ball"\n4: 2\n\n'
        "# end of the stream, 31 B\ngrpc-status: 5\ngrpc-message: x"
    )
    assert shown(response(wire, "application/grpc-web+proto")) == (expected, "")
    text = base64.b64encode(wire[:13]) + base64.b64encode(wire[13:])
    assert shown(response(text, "application/grpc-web-text")) == (expected, "")
    zipped = response(gzip.compress(wire), "application/grpc-web", ("content-encoding", "gzip"))
    assert shown(zipped) == (expected, "")


def test_messages_in_json_and_in_other_codecs() -> None:
    wire = b'\x00\x00\x00\x00\x09{"a":[1]}\x02\x00\x00\x00\x02{}'
    text, note = shown(response(wire, "application/connect+json"))
    assert text.startswith('# message 1, 9 B\n{\n  "a": [\n    1\n  ]\n}\n\n# end of the stream')
    assert note == ""
    text, _ = shown(response(b"\x00\x00\x00\x00\x02hi", "application/grpc+thrift"))
    assert text == "# message 1, 2 B\nhi"
    text, _ = shown(response(b"\x00\x00\x00\x00\x02\xff\x00", "application/grpc+json"))
    assert text.startswith("# message 1, 2 B\n00000000  ff 00 ")


def test_what_is_wrong_is_said() -> None:
    text, note = shown(response(WIRE + WIRE[:9], "application/grpc"))
    heading, dump = text.splitlines()[-2:]
    assert heading == (
        "# message 2, 8 B, broken off, cannot be decoded: it was cut off in its first field"
    )
    assert dump.startswith("00000000  0a 04 62 61  ")
    assert note == ""
    text, note = shown(response(WIRE + b"HTTP/1", "application/grpc"))
    assert note == "bad gRPC message flags 0x48"
    text, _ = shown(response(b"\x01\x00\x00\x00\x01x", "application/grpc"))
    assert "# message 1, 1 B, compressed from 1 B, not decompressed\n00000000  78" in text
    text, _ = shown(response(b"\x00\x00\x00\x00\x01x", "application/grpc"))
    assert text.startswith("# message 1, 1 B, cannot be decoded: the bytes are no message\n0000")


@pytest.mark.parametrize("data", [b"\xff\x00\x01\x02\x03", b"<html>oops</html>"])
def test_a_body_that_is_no_grpc_is_shown_as_it_is(data: bytes) -> None:
    view = view_body(response(data, "application/grpc"))
    assert view.data == data
    assert view.name == ("text" if data[:1] == b"<" else "hex")
    assert view.note.startswith("cannot be shown as gRPC: bad gRPC message flags 0x")


def test_as_sent_and_as_bytes() -> None:
    answer = response(WIRE, "application/grpc")
    assert view_body(answer, "raw").data == WIRE
    assert view_body(answer, "hex") == View("hex", WIRE)


def test_bodies_of_many_messages_are_shown_in_part() -> None:
    text, note = shown(response(b"\x00\x00\x00\x00\x00" * (MAX_MESSAGES + 1), "application/grpc"))
    assert text.count("# message") == MAX_MESSAGES
    assert note == "only the first 1,000 messages"
    packed = brotli.compress(b"\x0a\x80\x80\x40" + b"a" * (1 << 20))
    wire = (b"\x01" + len(packed).to_bytes(4, "big") + packed) * 50_000
    began = time.process_time()
    text, note = shown(response(wire, "application/grpc", ("grpc-encoding", "br")))
    assert time.process_time() - began < 4
    assert len(text) < 2 * MAX_SHOWN
    assert note.startswith("only the first ")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/x-protobuf",
        "application/protobuf",
        "application/proto",
        "application/vnd.google.protobuf",
        "application/vnd.acme+proto",
        "application/x-protobuf; messageType=other.Type",
    ],
)
def test_a_body_that_is_one_message(media_type: str) -> None:
    view = view_body(response(ITEM, media_type))
    assert (view.name, view.data, view.note) == ("protobuf", b'1: "ball"\n4: 2', "")
    view = view_body(response(ITEM, media_type), path="/twirp" + GET, schema=SCHEMA)
    assert view.data == b'name: "ball"\nkind: TOY  # 2'


def test_content_type_may_name_the_type_of_a_message() -> None:
    answer = response(b"\x08\xcf\x0f", 'application/x-protobuf; proto="shop.v1.Item.Price"')
    assert view_body(answer, path="/", schema=SCHEMA).data == b"cents: 1999"


def test_what_is_no_protobuf_is_shown_as_bytes() -> None:
    view = view_body(response(b"\x00\x01\xff\xfe", "application/x-protobuf"))
    assert view == View(
        "hex", b"\x00\x01\xff\xfe", note="cannot be shown as protobuf: the bytes are no message"
    )


def test_an_event_stream() -> None:
    stream = (
        b'\xef\xbb\xbf: hello\n\nevent: up\nid: 7\ndata: {"a":\ndata: [1]}\n\n'
        b": why\r\ndata: one\r\ndata:  two\r\n\r\nretry: 50\rdata: {no json\r\rdata: cut"
    )
    view = view_body(response(stream, "text/event-stream"))
    assert (view.name, view.note) == ("events", "")
    assert view.data.decode().split("\n\n") == [
        'event: up\nid: 7\ndata: {\n  "a": [\n    1\n  ]\n}',
        ": why\ndata: one\ndata:  two",
        "retry: 50\ndata: {no json",
        "data: cut\n: broken off",
    ]


def test_event_streams_that_are_too_long_are_shown_in_part() -> None:
    view = view_body(response(b"data: 1\n\n" * 20_001, "text/event-stream"))
    assert view.data.count(b"data: 1") == 20_000
    assert view.note == "only the first 20,000 of 20,001 events"
