"""Messages inside bodies become rows of a store while the bodies pass."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import brotli
import pytest
from backports import zstd

from rama_proxy.model.flow import DONE, Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_proxy.model.websocket import BINARY, INCOMPLETE, TEXT, TRUNCATED, UNREAD
from rama_proxy.relay.body_messages import MAX_MESSAGE, BodyMessages, messages_of
from rama_proxy.store.reader import MessageRow, Reader
from rama_proxy.store.writer import Writer
from tests.support.flows import make_flow

HELLO = b"\x00\x00\x00\x00\x07\x0a\x05hello"
SSE = "text/event-stream; charset=utf-8"


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    yield writer
    writer.close()


def call(media_type: str = "application/grpc", coding: str = "") -> Flow:
    """A flow of a gRPC call whose response is to come."""
    flow = make_flow(1)
    flow.request.method = "POST"
    flow.request.target = b"/shop.v1.Shop/Get"
    flow.request.headers = Headers([("Content-Type", media_type)])
    if coding:
        flow.request.headers.add("grpc-encoding", coding)
    flow.response, flow.notes, flow.state = None, [], DONE
    return flow


def answer(flow: Flow, media_type: str, **fields: str) -> None:
    flow.response = Response(200, "OK", "HTTP/2", Headers([("content-type", media_type)]))
    for name, value in fields.items():
        flow.response.headers.add(name.replace("_", "-"), value)


def rows_of(path: Path, flow: Flow) -> list[tuple[int, bool, int, bytes, int, int]]:
    with Reader(path) as reader:
        return [seen(row) for row in reader.messages(flow.id)]


def seen(row: MessageRow) -> tuple[int, bool, int, bytes, int, int]:
    return row.seq, row.from_client, row.opcode, row.data, row.size, row.flags


def ready(flow: Flow, writer: Writer, limit: int = 1 << 20) -> BodyMessages:
    messages = messages_of(flow, writer, limit)
    assert messages is not None
    return messages


def test_both_directions_of_a_call_while_they_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = call("application/grpc+proto", "gzip")
    packed = gzip.compress(b"\x0a\x04ping")
    with writing(path) as writer:
        messages = ready(flow, writer)
        for byte in b"\x01\x00\x00\x00" + bytes([len(packed)]) + packed + HELLO:
            messages.feed(True, bytes([byte]))
        assert writer.flush(10)
        assert len(rows_of(path, flow)) == 2  # before there is a response
        answer(flow, "application/grpc")
        messages.feed(False, HELLO + b"\x00\x00\x00\x00\x02\x08")
        messages.feed(True, HELLO)
        messages.feed(False, b"")
        messages.end()
        messages.end()
        messages.feed(False, HELLO)
    assert rows_of(path, flow) == [
        (1, True, BINARY, b"\x0a\x04ping", 6, 0),
        (2, True, BINARY, b"\x0a\x05hello", 7, 0),
        (3, False, BINARY, b"\x0a\x05hello", 7, 0),
        (4, True, BINARY, b"\x0a\x05hello", 7, 0),
        (5, False, BINARY, b"\x08", 2, INCOMPLETE),
    ]
    assert flow.notes == []


def test_the_frame_that_ends_a_web_stream_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = call("application/grpc-web+proto")
    with writing(path) as writer:
        messages = ready(flow, writer)
        messages.feed(True, HELLO)
        answer(flow, "application/grpc-web+proto")
        messages.feed(False, HELLO + b"\x80\x00\x00\x00\x0egrpc-status: 0")
        messages.end()
    assert rows_of(path, flow)[2] == (3, False, TEXT, b"grpc-status: 0", 14, 0)


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "deflate", "br", "zstd"])
def test_events_behind_a_content_coding(coding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = make_flow(1)
    flow.notes = []
    answer(flow, SSE, **({"content_encoding": coding} if coding else {}))
    stream = b"event: up\ndata: 1\n\n: ping\n\nid: 7\ndata: {}\r\n\r\ndata: cut"
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress,
            "zstd": zstd.compress}  # fmt: skip
    wire = pack.get(coding, bytes)(stream)
    with writing(path) as writer:
        messages = ready(flow, writer)
        messages.feed(True, b"data: not of the server\n\n")
        for start in range(0, len(wire), 5):
            messages.feed(False, wire[start : start + 5])
        messages.end()
    assert rows_of(path, flow) == [
        (1, False, TEXT, b"event: up\ndata: 1", 17, 0),
        (2, False, TEXT, b"id: 7\ndata: {}", 14, 0),
        (3, False, TEXT, b"data: cut", 9, INCOMPLETE),
    ]
    assert flow.notes == []


def test_events_are_written_as_soon_as_they_end(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = make_flow(1)
    answer(flow, SSE, content_encoding="gzip")
    packer = zlib.compressobj(wbits=31)
    with writing(path) as writer:
        messages = ready(flow, writer)
        messages.feed(False, packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH))
        assert writer.flush(10)
        assert [row[3] for row in rows_of(path, flow)] == [b"data: 1"]


@pytest.mark.parametrize(
    ("fields", "wire", "note"),
    [
        ({"content_encoding": "lzma"}, b"data: 1\n\n", "content coding 'lzma' cannot be undone"),
        ({"content_encoding": "gzip, br"}, b"data: 1\n\n", "'gzip, br' cannot be undone"),
        ({"content_encoding": "gzip"}, b"data: 1\n\n", "broken compressed data"),
        ({"content_encoding": "br"}, b"data: 1\n\n", "broken compressed data"),
        ({"content_encoding": "zstd"}, b"data: 1\n\n", "broken compressed data"),
        (
            {"content_encoding": "br"},
            brotli.compress(bytes(MAX_MESSAGE + 1)),
            "bytes that grow to more than 4194304; none is read behind it",
        ),
    ],
)
def test_a_stream_that_cannot_be_read_has_one_note(
    fields: dict[str, str], wire: bytes, note: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.db"
    flow = make_flow(1)
    flow.notes = []
    answer(flow, SSE, **fields)
    with writing(path) as writer:
        messages = ready(flow, writer)
        for _ in range(3):
            messages.feed(False, wire)
        messages.end()
    assert rows_of(path, flow) == []
    assert len(flow.notes) == 1
    assert flow.notes[0].startswith("messages of the server: ")
    assert note in flow.notes[0]


def test_a_broken_framing_ends_one_direction_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = call()
    answer(flow, "application/grpc")
    with writing(path) as writer:
        messages = ready(flow := call(), writer)
        answer(flow, "application/grpc")
        messages.feed(True, HELLO + b"GET / HTTP/1.1\r\n")
        messages.feed(True, HELLO)
        messages.feed(False, HELLO)
        messages.end()
    assert [row[:2] for row in rows_of(path, flow)] == [(1, True), (2, False)]
    assert flow.notes == [
        "messages of the client: bad gRPC message flags 0x47; none is read behind it"
    ]


def test_a_message_that_cannot_be_decompressed_is_noted_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = call(coding="snappy")
    with writing(path) as writer:
        messages = ready(flow, writer)
        messages.feed(True, b"\x01\x00\x00\x00\x01x\x01\x00\x00\x00\x01y")
        messages.end()
    assert [row[3:] for row in rows_of(path, flow)] == [(b"x", 1, UNREAD), (b"y", 1, UNREAD)]
    assert flow.notes == ["message of the client: unknown content coding 'snappy'"]


def test_a_note_quotes_no_endless_field(tmp_path: Path) -> None:
    flow = call(coding="x" * 50_000)
    with writing(tmp_path / "a.db") as writer:
        messages = ready(flow, writer)
        messages.feed(True, b"\x01\x00\x00\x00\x01x")
    assert [len(note) for note in flow.notes] == [300]


def test_a_body_that_ends_in_a_prefix_is_noted(tmp_path: Path) -> None:
    flow = call()
    with writing(tmp_path / "a.db") as writer:
        messages = ready(flow, writer)
        messages.feed(True, HELLO + b"\x00\x00")
        messages.end()
    assert flow.notes == ["messages of the client: it ends inside the 5 bytes before a message"]


@pytest.mark.parametrize(("limit", "kept"), [(3, 3), (1 << 40, MAX_MESSAGE)])
def test_a_message_is_kept_up_to_the_limit(limit: int, kept: int, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = call()
    with writing(path) as writer:
        messages = ready(flow, writer, limit)
        messages.feed(True, b"\x00\x00\x80\x00\x00" + bytes(0x800000))
        messages.end()
    (row,) = rows_of(path, flow)
    assert (len(row[3]), row[4], row[5]) == (kept, 0x800000, TRUNCATED)


def test_an_answer_that_is_no_grpc_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    flow = call()
    with writing(path) as writer:
        messages = ready(flow, writer)
        messages.feed(True, HELLO)
        answer(flow, "text/html")
        messages.feed(False, b"<h1>Bad gateway</h1>")
        messages.end()
    assert [row[1] for row in rows_of(path, flow)] == [True]
    assert flow.notes == []


@pytest.mark.parametrize(
    ("method", "request_type", "response_type", "wanted"),
    [
        ("POST", "application/grpc", "", True),
        ("POST", "application/grpc-web-text; q=1", "", True),
        ("POST", "application/connect+json", "", True),
        ("GET", "application/grpc", "", False),
        ("POST", "application/json", "", False),
        ("GET", "", "Text/Event-Stream", True),
        ("POST", "application/json", "text/event-stream", True),
        ("POST", "application/json", "text/html", False),
        ("GET", "", "application/grpc", False),  # an answer to no call
    ],
)
def test_other_flows_have_none(
    method: str, request_type: str, response_type: str, wanted: bool, tmp_path: Path
) -> None:
    flow = call(request_type)
    flow.request.method = method
    if response_type:
        answer(flow, response_type)
    with writing(tmp_path / "a.db") as writer:
        assert (messages_of(flow, writer, 100) is not None) is wanted
