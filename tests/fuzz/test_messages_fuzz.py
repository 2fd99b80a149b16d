"""Generated bodies: gRPC, event streams and Protocol Buffers never crash and do not depend on cuts.

FUZZ_EXAMPLES=40000 looks for a minute or two.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import re

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rama_proxy.content.protobuf import BYTES, FIXED32, VARINT, Field, parse_message
from rama_proxy.content.protobuf_schema import parse_descriptors
from rama_proxy.content.protobuf_text import beginning_text, message_text
from rama_proxy.content.views import view_body
from rama_proxy.model.body import Body
from rama_proxy.model.grpc import CONNECT, GRPC, GRPC_WEB, GRPC_WEB_TEXT, Framing
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_proxy.protocols import grpc, sse
from rama_proxy.protocols.grpc_result import result_of
from tests.support.descriptors import SHOP
from tests.test_content_protobuf import ITEM

LOOK = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
SCHEMA = parse_descriptors(SHOP)

FRAMES = st.builds(
    lambda flags, data, more: bytes([flags]) + (len(data) + more).to_bytes(4, "big") + data,
    st.sampled_from([0, 0, 0, 1, 1, 2, 3, 0x80, 0x81, 7]),
    st.binary(max_size=20) | st.binary(max_size=20).map(lambda data: gzip.compress(data, mtime=0)),
    st.sampled_from([0, 0, 0, 0, 0, 1, 1 << 20]),
)
BODIES = st.lists(FRAMES | st.binary(max_size=6), max_size=6).map(b"".join)
TYPES = {
    GRPC: "application/grpc",
    GRPC_WEB: "application/grpc-web",
    GRPC_WEB_TEXT: "application/grpc-web-text",
    CONNECT: "application/connect+proto",
}


def split(
    body: bytes, cuts: list[int], framing: Framing, coding: str
) -> tuple[list[tuple[bytes, int, int, bool, str]], str]:
    splitter = grpc.Splitter(framing, coding, 64)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += splitter.feed(body[start:end])
    last = splitter.end()
    found += [last] if last is not None else []
    seen = [(one.data, one.size, one.flags, one.ends, one.problem) for one in found]
    assert all(len(data) <= 64 for data, *_ in seen)
    return seen, splitter.problem


@given(BODIES, st.sampled_from(list(TYPES)), st.sampled_from(["", "gzip", "br"]), st.data())
@LOOK
def test_grpc_bodies(body: bytes, framing: Framing, coding: str, data: st.DataObject) -> None:
    if framing.is_base64 and data.draw(st.booleans()):
        body = base64.b64encode(body)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    assert split(body, cuts, framing, coding) == split(body, [], framing, coding)
    fields = [("content-type", TYPES[framing]), ("grpc-encoding", coding)]
    response = Response(200, "OK", "HTTP/2", Headers(fields))
    response.body = Body(body)
    result = result_of(response)
    assert result is None or result.code >= 0
    view_body(response, path="/shop.v1.Shop/Get", schema=SCHEMA)


STREAMS = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"data: 1", b":", b"id", b"\xef\xbb\xbf", b"\xef", b"x", b""]
    )
    | st.binary(max_size=4),
    max_size=16,
).map(b"".join)


@given(STREAMS, st.data())
@example(b"data: a\r\n\r\ndata: b\n\r\n", None)
@LOOK
def test_event_streams(stream: bytes, data: st.DataObject | None) -> None:
    cuts = [] if data is None else data.draw(st.lists(st.integers(0, len(stream)), max_size=5))
    splitter = sse.Splitter(1000)
    blocks = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        blocks += splitter.feed(stream[start:end])
    last = splitter.end()
    found = [block.data for block in blocks] + ([last.data] if last is not None else [])
    assert found == plain_blocks(stream)
    for block in found:
        sse.parse_event(block)


def plain_blocks(stream: bytes) -> list[bytes]:
    """The same by the letter of the standard: lines first, whatever their ends."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    blocks: list[list[tuple[int, int]]] = [[]]
    at = 0
    for match in re.finditer(rb"(?>\r\n|\r|\n)|\Z", stream):
        if match.start() == at:
            blocks.append([])
        else:
            blocks[-1].append((at, match.start()))
        at = match.end()
    return [
        stream[lines[0][0] : lines[-1][1]]
        for lines in blocks
        if any(stream[start] != 0x3A for start, _ in lines)
    ]


MESSAGES = (
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"\x0a\x02\x08\x01", b"\x0a\x04\x0a\x02", b"\x0b", b"\x0c",
                                b"\x10\xff\x01", b"\x0d\x00\x00\x80\x3f", b"\x1a\x03abc"]),
               max_size=12).map(b"".join)
    | st.tuples(st.integers(0, len(ITEM)), st.binary(max_size=3)).map(
        lambda change: ITEM[: change[0]] + change[1] + ITEM[change[0] + len(change[1]) :]
    )
)  # fmt: skip


@given(MESSAGES)
@LOOK
def test_protobuf(data: bytes) -> None:
    found = parse_message(data)
    for kind in (None, SCHEMA.messages["shop.v1.Item"]):
        try:
            text, _ = message_text(data, SCHEMA, kind)
        except ValueError:
            assert found is None
        else:
            assert found is not None
            assert text.encode() or not data
        try:
            beginning_text(data, SCHEMA, kind)
        except ValueError:
            assert not data or found is None
    if found is not None and all(field.wire in (VARINT, BYTES, FIXED32) for field in found.fields):
        assert parse_message(b"".join(map(serialize, found.fields))) == found
    with contextlib.suppress(ValueError):
        parse_descriptors(data)


def serialize(field: Field) -> bytes:
    tag = varint(field.number << 3 | field.wire)
    if isinstance(field.value, bytes):
        return tag + varint(len(field.value)) + field.value
    assert isinstance(field.value, int)
    return tag + (
        varint(field.value) if field.wire == VARINT else field.value.to_bytes(4, "little")
    )


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
