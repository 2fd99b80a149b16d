"""HTTP/2 connections: two of ours speaking, ours and h2's, and what a peer's bytes mean."""

from __future__ import annotations

import tracemalloc

import h2.config
import h2.connection
import h2.events
import pytest

from rama_proxy.errors import PeerClosed, ProtocolError
from rama_proxy.model.headers import Field, Headers
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_events import (
    Code,
    Data,
    Event,
    GoAway,
    InformationalHead,
    PingAnswered,
    RequestHead,
    ResponseHead,
    SettingsChanged,
    StreamReset,
    Trailers,
    WindowOpened,
    code_name,
)
from rama_proxy.protocols.http2_frames import PREFACE
from rama_proxy.protocols.http2_limits import Limits

GET: list[Field] = [
    (b":method", b"GET"),
    (b":authority", b"a"),
    (b":scheme", b"https"),
    (b":path", b"/"),
]
POST: list[Field] = [(b":method", b"POST"), *GET[1:]]
SMALL = Limits(stream_window=100, connection_window=65535 + 100)


class Pair:
    """A client and a server; `move` carries bytes both ways until nobody has any."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.client = Http2Connection(client_side=True, limits=limits)
        self.server = Http2Connection(client_side=False, limits=limits)
        self.move()

    def move(self) -> tuple[list[Event], list[Event]]:
        """What the client and what the server were told."""
        told: tuple[list[Event], list[Event]] = ([], [])
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return told
            told[1].extend(self.server.receive(up, 0.0))
            told[0].extend(self.client.receive(down, 0.0))


def test_an_exchange_with_everything() -> None:
    pair = Pair()
    fields = [("x-y", "z"), ("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")]
    number = pair.client.open(POST, Headers(fields), end_stream=False)
    assert pair.client.send_data(number, b"hello") == 5
    pair.client.send_trailers(number, Headers([("t", "1")]))
    assert pair.move()[1] == [
        RequestHead(1, POST, Headers(fields), end_stream=False),
        Data(1, b"hello", 5, end_stream=False),
        Trailers(1, Headers([("t", "1")])),
    ]
    pair.server.send_head(1, 103, Headers([("link", "x")]), end_stream=False)
    pair.server.send_head(1, 200, Headers([("set-cookie", "a")]), end_stream=False)
    pair.server.send_data(1, b"xyz", end_stream=True)
    assert pair.move()[0] == [
        InformationalHead(1, 103, Headers([("link", "x")])),
        ResponseHead(1, 200, Headers([("set-cookie", "a")]), end_stream=False),
        Data(1, b"xyz", 3, end_stream=True),
    ]


def test_what_is_said_first() -> None:
    client = Http2Connection(client_side=True).data_to_send()
    assert client == (
        PREFACE
        + b"\0\0\x12\4\0\0\0\0\0" + b"\0\2\0\0\0\0" + b"\0\4\0\x10\0\0" + b"\0\6\0\1\0\0"
        + b"\0\0\4\x08\0\0\0\0\0\0\xff\0\1"
    )  # fmt: skip
    server = Http2Connection(client_side=False)
    events = Http2Connection(client_side=True).receive(server.data_to_send(), 0.0)
    assert events[0] == SettingsChanged(((3, 128), (4, 1 << 20), (6, 65536), (8, 1)))


def test_extended_connect_is_known_from_settings() -> None:
    pair = Pair()
    assert pair.client.peer_connect_protocol
    pseudo = [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"websocket")]
    pair.client.open(pseudo, Headers(), end_stream=False)
    assert pair.move()[1] == [RequestHead(1, pseudo, Headers(), end_stream=False)]
    assert not Pair(Limits(connect_protocol=False)).client.peer_connect_protocol


def test_the_start_of_the_peer_is_kept() -> None:
    pair = Pair()
    pair.client.open(GET, Headers(), end_stream=True)
    pair.move()
    assert pair.server.start.akamai == "2:0;4:1048576;6:65536|16711681|0|m,a,s,p"
    assert pair.client.start.akamai == "3:128;4:1048576;6:65536;8:1|16711681|0|"


@pytest.mark.parametrize("step", [1, 5, 1000])
def test_bytes_may_come_in_any_pieces(step: int) -> None:
    client, server = Http2Connection(client_side=True), Http2Connection(client_side=False)
    number = client.open(POST, Headers([("x", "y" * 100)]), end_stream=False)
    client.send_data(number, b"body", end_stream=True)
    data = client.data_to_send()
    events: list[Event] = []
    for at in range(0, len(data), step):
        events += server.receive(data[at : at + step], 0.0)
    assert [type(event) for event in events][-2:] == [RequestHead, Data]


class TestWindows:
    def test_no_more_is_sent_than_the_peer_takes(self) -> None:
        pair = Pair(SMALL)
        number = pair.client.open(POST, Headers(), end_stream=False)
        assert pair.client.send_data(number, b"x" * 150, end_stream=True) == 100
        assert pair.client.send_data(number, b"x" * 50, end_stream=True) == 0
        told = pair.move()
        assert Data(1, b"x" * 100, 100, end_stream=False) in told[1]
        assert pair.client.room(number) == 0

    def test_only_acknowledging_opens_a_window(self) -> None:
        pair = Pair(SMALL)
        number = pair.client.open(POST, Headers(), end_stream=False)
        pair.client.send_data(number, b"x" * 100)
        pair.move()
        pair.server.acknowledge(number, 24)
        assert pair.server.data_to_send() == b""
        pair.server.acknowledge(number, 1)
        assert pair.move()[0] == [WindowOpened(1)]
        assert pair.client.room(number) == 25

    def test_a_slow_stream_does_not_hold_another(self) -> None:
        pair = Pair()
        slow = pair.client.open(POST, Headers(), end_stream=False)
        quick = pair.client.open(POST, Headers(), end_stream=False)
        assert pair.client.send_data(slow, b"x" * (2 << 20)) == 1 << 20
        pair.move()
        for _ in range(40):
            assert pair.client.send_data(quick, b"y" * (1 << 20)) == 1 << 20
            for event in pair.move()[1]:
                if isinstance(event, Data):
                    pair.server.acknowledge(event.stream, event.flow_length)
            pair.move()
        assert pair.client.room(slow) == 0

    def test_a_reset_gives_back_what_was_held(self) -> None:
        pair = Pair(Limits(stream_window=60000, connection_window=65535))
        for _ in range(50):
            number = pair.client.open(POST, Headers(), end_stream=False)
            assert pair.client.send_data(number, b"x" * 60000) == 60000
            pair.move()
            pair.server.reset(number, Code.CANCEL)
            assert StreamReset(number, Code.CANCEL) in pair.move()[0]

    def test_data_on_a_reset_stream_is_given_back_too(self) -> None:
        pair = Pair(Limits(stream_window=60000, connection_window=65535))
        for _ in range(50):
            number = pair.client.open(POST, Headers(), end_stream=False)
            pair.move()
            pair.server.reset(number, Code.CANCEL)
            assert pair.client.send_data(number, b"x" * 60000) == 60000
            pair.move()
        assert pair.client.active == pair.server.active == 0

    def test_settings_move_the_windows_of_open_streams(self) -> None:
        pair = Pair()
        number = pair.client.open(POST, Headers(), end_stream=False)
        pair.move()
        assert pair.client.room(number) == 1 << 20
        pair.client.receive(b"\0\0\6\4\0\0\0\0\0\0\4\0\0\0\x0a", 0.0)
        assert pair.client.send_data(number, b"x" * 20) == 10


class TestEnds:
    def test_of_a_stream(self) -> None:
        pair = Pair()
        number = pair.client.open(GET, Headers(), end_stream=True)
        pair.move()
        pair.server.reset(number, Code.INTERNAL_ERROR)
        assert pair.move()[0] == [StreamReset(1, Code.INTERNAL_ERROR)]
        with pytest.raises(PeerClosed, match="stream 1 is closed"):
            pair.client.send_data(number, b"x")
        pair.client.reset(number, Code.CANCEL)
        pair.client.acknowledge(number, 10)
        assert pair.client.data_to_send() == b""

    def test_a_graceful_goaway_lets_streams_end(self) -> None:
        pair = Pair()
        first = pair.client.open(GET, Headers(), end_stream=True)
        pair.move()
        pair.server.goaway(Code.NO_ERROR, b"bye")
        late = pair.client.open(GET, Headers(), end_stream=True)
        assert pair.move() == (
            [GoAway(Code.NO_ERROR, 1, b"bye"), StreamReset(late, Code.REFUSED_STREAM)],
            [],
        )
        assert not pair.client.can_open
        pair.server.send_head(first, 200, Headers(), end_stream=True)
        assert pair.move()[0] == [ResponseHead(1, 200, Headers(), end_stream=True)]

    def test_a_ping(self) -> None:
        pair = Pair()
        pair.client.ping(b"12345678")
        assert pair.move()[0] == [PingAnswered(b"12345678")]

    def test_names_of_codes(self) -> None:
        assert code_name(8) == "CANCEL"
        assert code_name(0x99) == "code 0x99"


class TestSending:
    @pytest.mark.parametrize(
        ("pseudo", "fields", "message"),
        [
            (GET[:3], [], "no :path"),
            (GET, [("X", "y")], "upper case in field name b'X'"),
            (GET, [("x", "y\r\nz")], "bad character in b'x'"),
            (GET, [("transfer-encoding", "chunked")], "transfer-encoding"),
        ],
    )
    def test_what_is_no_request_is_not_sent(
        self, pseudo: list[Field], fields: list[tuple[str, str]], message: str
    ) -> None:
        pair = Pair()
        with pytest.raises(ProtocolError, match=message):
            pair.client.open(pseudo, Headers(fields), end_stream=True)
        assert pair.client.data_to_send() == b""

    def test_nor_is_a_response(self) -> None:
        pair = Pair()
        number = pair.client.open(GET, Headers(), end_stream=True)
        pair.move()
        with pytest.raises(ProtocolError, match="connection"):
            pair.server.send_head(number, 200, Headers([("connection", "x")]), end_stream=True)
        with pytest.raises(ProtocolError, match="status 101"):
            pair.server.send_head(number, 101, Headers(), end_stream=False)
        with pytest.raises(ProtocolError, match="pseudo"):
            pair.server.send_trailers(number, Headers([(":status", "200")]))

    def test_as_many_streams_as_the_peer_takes(self) -> None:
        pair = Pair(Limits(max_streams=2))
        for _ in range(2):
            pair.client.open(GET, Headers(), end_stream=True)
        assert not pair.client.can_open
        with pytest.raises(PeerClosed):
            pair.client.open(GET, Headers(), end_stream=True)

    def test_a_large_head_goes_in_several_frames(self) -> None:
        pair = Pair()
        fields = Headers([(f"x{n}", "é" * 900) for n in range(20)])
        pair.client.open(GET, fields, end_stream=True)
        assert pair.move()[1] == [RequestHead(1, GET, fields, end_stream=True)]

    def test_secrets_stay_out_of_the_tables(self) -> None:
        pair = Pair()
        sizes = []
        for _ in range(2):
            pair.client.open(GET, Headers([("authorization", "s" * 99)]), end_stream=True)
            sizes.append(len(pair.client.data_to_send()))
        assert sizes[1] > 60


def test_thousands_of_streams_leave_nothing_behind() -> None:
    pair = Pair()

    def exchanges(count: int) -> None:
        for _ in range(count):
            number = pair.client.open(GET, Headers([("x", "y")]), end_stream=True)
            pair.move()
            pair.server.send_head(number, 200, Headers(), end_stream=False)
            pair.server.send_data(number, b"z" * 100, end_stream=True)
            pair.move()
            pair.client.acknowledge(number, 100)

    tracemalloc.start()
    try:
        exchanges(2000)  # fills Python's own lists of free objects too
        before = tracemalloc.get_traced_memory()[0]
        exchanges(3000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000
    assert pair.client.active == pair.server.active == 0


@pytest.mark.parametrize("ours_is_client", [True, False])
def test_h2_understands_us_and_we_it(ours_is_client: bool) -> None:
    ours = Http2Connection(client_side=ours_is_client)
    theirs = h2.connection.H2Connection(h2.config.H2Configuration(client_side=not ours_is_client))
    theirs.initiate_connection()
    theirs.receive_data(ours.data_to_send())
    ours.receive(theirs.data_to_send(), 0.0)
    body = b"0123456789" * 1000
    if ours_is_client:
        number = ours.open(POST, Headers([("content-length", "10000")]), end_stream=False)
        assert ours.send_data(number, body, end_stream=True) == len(body)
        events = theirs.receive_data(ours.data_to_send())
        assert isinstance(events[-1], h2.events.StreamEnded)
        theirs.send_headers(number, [(":status", "103"), ("link", "x")])
        theirs.send_headers(number, [(":status", "200")])
        theirs.send_data(number, body)
        theirs.send_headers(number, [("t", "1")], end_stream=True)
        told = ours.receive(theirs.data_to_send(), 0.0)
        assert InformationalHead(1, 103, Headers([("link", "x")])) in told
        assert Data(1, body, len(body), end_stream=False) in told
        assert told[-1] == Trailers(1, Headers([("t", "1")]))
        return
    head = [*GET, (b"cookie", b"a=1"), (b"z", b"1"), (b"cookie", b"b=2")]
    theirs.send_headers(1, head)
    theirs.send_data(1, body, end_stream=True, pad_length=7)
    told = ours.receive(theirs.data_to_send(), 0.0)
    fields = Headers([("cookie", "a=1"), ("z", "1"), ("cookie", "b=2")])
    assert told[-2:] == [
        RequestHead(1, GET, fields, end_stream=False),
        Data(1, body, len(body) + 8, end_stream=True),
    ]
    ours.send_head(1, 103, Headers([("link", "x")]), end_stream=False)
    ours.send_head(1, 200, Headers(), end_stream=False)
    ours.send_data(1, body)
    ours.send_trailers(1, Headers([("t", "1")]))
    events = theirs.receive_data(ours.data_to_send())
    assert isinstance(events[-1], h2.events.StreamEnded)
    assert sum(len(one.data) for one in events if isinstance(one, h2.events.DataReceived)) == 10000
