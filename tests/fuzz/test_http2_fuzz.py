"""Generated HTTP/2 frames in random cuts: nothing is ever raised, and nothing kept that ended."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rama_proxy.errors import PeerClosed
from rama_proxy.model.headers import Field, Headers
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_events import Data, Event, Fault, GoAway, RequestHead, StreamReset
from rama_proxy.protocols.http2_frames import PREFACE, serialize_frame
from rama_proxy.protocols.http2_limits import Limits
from rama_proxy.protocols.http2_start import StartRecorder, pseudo_order

LOOK = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
GET: list[Field] = [
    (b":method", b"GET"),
    (b":authority", b"a"),
    (b":scheme", b"https"),
    (b":path", b"/"),
]
SETTINGS = serialize_frame(4, 0, 0)
BLOCKS = st.sampled_from(
    [
        b"\x82\x84\x87\x01\1a",  # GET https://a/
        b"\x83\x84\x87\x01\1a\x0f\x0d\1\x33",  # POST, content-length: 3
        b"\x88",
        b"\x88\x0f\x0d\1\x33",
        b"\x08\x03100",
        b"\0\1t\1v",
        b"\x40\1x\1y\xbe",
        b"\x3f\xe1\x1f",
        b"\xff\xff",
    ]
)
PAYLOADS = st.one_of(
    BLOCKS,
    st.binary(max_size=20),
    st.sampled_from([b"", b"abc", b"\0\0\0\1", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"12345678"]),
    st.sampled_from([b"\0\4\0\0\0\5", b"\0\1\0\0\0\0\0\5\0\0\x40\0", b"\0\0\0\1\0\0\0\0"]),
)
KINDS = st.sampled_from([0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0x77])
FLAGS = st.sampled_from([0, 1, 4, 4, 5, 5, 8, 0x0D, 0x25, 0xFF])
STREAMS = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 2, 0x7FFFFFFF])
FRAMES = st.builds(serialize_frame, KINDS, FLAGS, STREAMS, PAYLOADS)
LIKELY = st.builds(serialize_frame, st.just(1), st.sampled_from([4, 5]), STREAMS, BLOCKS)
WIRE = st.lists(st.one_of(FRAMES, LIKELY, LIKELY), max_size=12).map(b"".join)
SMALL = Limits(max_streams=2, stream_window=40, flood=20)


def answer(connection: Http2Connection, stream: int) -> None:
    """Respond as a relay would."""
    if connection.client_side:
        return
    connection.send_head(stream, 200, Headers([("x", "y")]), end_stream=False)
    connection.send_data(stream, b"body", end_stream=True)


def check(connection: Http2Connection, data: bytes, cuts: list[int]) -> None:
    """Feed `data` in pieces, answer what comes, and hold the connection to its word."""
    recorder = StartRecorder(preface=not connection.client_side)
    at = 0
    for size in [*cuts, len(data)]:
        piece = data[at : at + size]
        at += size
        recorder.feed(piece)
        for event in connection.receive(piece, 0.0):
            if isinstance(event, Data):
                connection.acknowledge(event.stream, event.flow_length)
            if isinstance(event, RequestHead):
                try:
                    answer(connection, event.stream)
                except PeerClosed:
                    assert connection.closed or event.stream not in connection._streams.known
            if isinstance(event, Fault):
                assert event.message
                assert event.stream or connection.closed
            if isinstance(event, GoAway):
                assert not connection.can_open
            if isinstance(event, StreamReset | Fault) and event.stream:
                assert connection.room(event.stream) == 0
        connection.data_to_send()
    for stream in connection._streams.known.values():
        assert not (stream.local_done and stream.remote_done and not stream.held)
        assert 0 <= stream.held <= connection.limits.stream_window


CUTS = st.lists(st.integers(1, 40), max_size=8)


@given(WIRE, CUTS)
@LOOK
def test_a_server_stands_everything(data: bytes, cuts: list[int]) -> None:
    check(Http2Connection(client_side=False, limits=SMALL), PREFACE + SETTINGS + data, cuts)


@given(WIRE, CUTS)
@LOOK
def test_a_client_stands_everything(data: bytes, cuts: list[int]) -> None:
    connection = Http2Connection(client_side=True, limits=SMALL)
    connection.receive(SETTINGS, 0.0)
    for _ in range(3):
        connection.open(GET, Headers(), end_stream=False)
    check(connection, SETTINGS + data, cuts)


@given(st.binary(max_size=200), CUTS, st.booleans())
@LOOK
def test_noise(data: bytes, cuts: list[int], client_side: bool) -> None:
    begin = b"" if client_side else PREFACE
    check(Http2Connection(client_side=client_side), begin + data, cuts)


@given(WIRE, CUTS)
@LOOK
def test_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    whole: list[Event] = []
    pieces: list[Event] = []
    for sizes, events in (([10_000], whole), ([*cuts, 10_000], pieces)):
        connection = Http2Connection(client_side=False, limits=SMALL)
        sent, at = PREFACE + SETTINGS + data, 0
        for size in sizes:
            events += connection.receive(sent[at : at + size], 0.0)
            at += size
    assert whole == pieces


@given(st.binary(max_size=60))
@LOOK
def test_the_order_of_any_block(block: bytes) -> None:
    assert set(pseudo_order(block)) <= set("masp")
