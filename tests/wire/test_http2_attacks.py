"""What HTTP/2 peers do to hurt: each answered with the right code, in words, in little memory."""

from __future__ import annotations

import tracemalloc

import pytest

from rama_proxy.model.headers import Headers
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_events import Code, Event, Fault, RequestHead
from rama_proxy.protocols.http2_frames import PREFACE
from rama_proxy.protocols.http2_limits import Flood, Limits

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
# GET https://a/ as HPACK: three of the static table, :authority written out.
HEAD = b"\x82\x84\x87\x01\1a"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def field(name: bytes, value: bytes) -> bytes:
    """A field without indexing, short and without Huffman code."""
    return b"\0%c%b%c%b" % (len(name), name, len(value), value)


def get(stream: int, more: bytes = b"", flags: int = 5) -> bytes:
    return frame(1, flags, stream, HEAD + more)


def server(limits: Limits | None = None) -> Http2Connection:
    connection = Http2Connection(client_side=False, limits=limits)
    connection.receive(PREFACE + SETTINGS, 0.0)
    connection.data_to_send()
    return connection


def client(requests: int = 1, method: bytes = b"GET") -> Http2Connection:
    connection = Http2Connection(client_side=True)
    connection.receive(SETTINGS, 0.0)
    pseudo = [(b":method", method), (b":authority", b"a"), (b":scheme", b"https")]
    for _ in range(requests):
        connection.open([*pseudo, (b":path", b"/")], Headers(), end_stream=False)
    connection.data_to_send()
    return connection


def faults(events: list[Event]) -> list[Fault]:
    return [event for event in events if isinstance(event, Fault)]


def check_goaway(connection: Http2Connection, data: bytes, code: Code, words: str) -> None:
    """`data` ends the connection with `code`."""
    found = faults(connection.receive(data, 0.0))
    assert [(fault.stream, Code(fault.code)) for fault in found[-1:]] == [(0, code)], found
    assert words in found[-1].message
    assert connection.closed
    sent = connection.data_to_send()
    at = sent.rindex(found[-1].message.encode("latin-1", "replace")[:200]) - 17
    assert sent[at + 3] == 7
    assert int.from_bytes(sent[at + 13 : at + 17]) == code
    assert connection.receive(frame(6, 0, 0, b"12345678"), 0.0) == []
    assert connection.data_to_send() == b""


def check_reset(connection: Http2Connection, data: bytes, code: Code, words: str) -> None:
    """`data` ends stream 1 with `code`, and the stream next to it works."""
    found = faults(connection.receive(data, 0.0))
    assert [(fault.stream, Code(fault.code)) for fault in found] == [(1, code)], found
    assert words in found[0].message
    assert frame(3, 0, 1, code.to_bytes(4)) in connection.data_to_send()
    assert not connection.closed
    if not connection.client_side:
        assert isinstance(connection.receive(get(99), 0.0)[-1], RequestHead)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (frame(0, 0, 0, b"x"), Code.PROTOCOL_ERROR, "DATA on stream 0"),
        (frame(0, 0, 5, b"x"), Code.PROTOCOL_ERROR, "DATA on idle stream 5"),
        (get(1, flags=4) + frame(0, 8, 1, b"\5abc"), Code.PROTOCOL_ERROR, "too much padding"),
        (get(1, flags=4) + frame(0, 8, 1), Code.PROTOCOL_ERROR, "too much padding"),
        (frame(0, 0, 1, b"x" * 16385), Code.FRAME_SIZE_ERROR, "DATA of 16385 bytes"),
        (frame(1, 5, 0, HEAD), Code.PROTOCOL_ERROR, "HEADERS on stream 0"),
        (frame(1, 5, 2, HEAD), Code.PROTOCOL_ERROR, "HEADERS on idle stream 2"),
        (get(5) + get(3), Code.STREAM_CLOSED, "HEADERS on closed stream 3"),
        (frame(1, 0x0D, 1, b"\xff" + HEAD), Code.PROTOCOL_ERROR, "too much padding"),
        (frame(1, 0x25, 1, b"\0\0"), Code.FRAME_SIZE_ERROR, "without its priority"),
        (frame(2, 0, 1, b"\0\0"), Code.FRAME_SIZE_ERROR, "PRIORITY of 2 bytes"),
        (frame(3, 0, 1, b"\0\0\0\1"), Code.PROTOCOL_ERROR, "RST_STREAM on idle stream 1"),
        (get(1) + frame(3, 0, 1, b"\0"), Code.FRAME_SIZE_ERROR, "RST_STREAM of 1 bytes"),
        (frame(4, 0, 0, b"\0"), Code.FRAME_SIZE_ERROR, "SETTINGS of 1 bytes"),
        (frame(4, 1, 0, b"\0" * 6), Code.FRAME_SIZE_ERROR, "SETTINGS of 6 bytes"),
        (frame(4, 0, 1), Code.PROTOCOL_ERROR, "SETTINGS on stream 1"),
        (frame(4, 0, 0, b"\0\2\0\0\0\2"), Code.PROTOCOL_ERROR, "SETTINGS"),
        (frame(4, 0, 0, b"\0\4\x80\0\0\0"), Code.FLOW_CONTROL_ERROR, "SETTINGS"),
        (frame(4, 0, 0, b"\0\5\0\0\0\1"), Code.PROTOCOL_ERROR, "SETTINGS"),
        (frame(5, 4, 1, b"\0\0\0\2"), Code.PROTOCOL_ERROR, "PUSH_PROMISE"),
        (frame(6, 0, 0, b"x"), Code.FRAME_SIZE_ERROR, "PING of 1 bytes"),
        (frame(6, 0, 1, b"12345678"), Code.PROTOCOL_ERROR, "PING on stream 1"),
        (frame(7, 0, 0, b"x"), Code.FRAME_SIZE_ERROR, "GOAWAY of 1 bytes"),
        (frame(8, 0, 0, b"\0\0\0\0"), Code.PROTOCOL_ERROR, "WINDOW_UPDATE by 0"),
        (frame(8, 0, 0, b"\x7f\xff\xff\xff"), Code.FLOW_CONTROL_ERROR, "2**31 - 1"),
        (frame(8, 0, 7, b"\0\0\0\1"), Code.PROTOCOL_ERROR, "WINDOW_UPDATE on idle stream 7"),
        (frame(8, 0, 0, b"\0"), Code.FRAME_SIZE_ERROR, "WINDOW_UPDATE of 1 bytes"),
        (frame(9, 4, 1, HEAD), Code.PROTOCOL_ERROR, "CONTINUATION without HEADERS"),
        (get(1, flags=1) + get(3), Code.PROTOCOL_ERROR, "HEADERS inside a header block"),
        (get(1, flags=1) + frame(9, 4, 3), Code.PROTOCOL_ERROR, "inside a header block"),
        (get(1, flags=1) + frame(0x99, 0, 1), Code.PROTOCOL_ERROR, "inside a header block"),
        (frame(1, 5, 1, b"\xff\xff\xff\xff"), Code.COMPRESSION_ERROR, "does not decode"),
        (frame(1, 5, 1, b"\xbe"), Code.COMPRESSION_ERROR, "does not decode"),
        (frame(1, 5, 1, b"\0\x05ab"), Code.COMPRESSION_ERROR, "does not decode"),
        (frame(1, 5, 1, b"\x3f\xff\xff\x03"), Code.COMPRESSION_ERROR, "does not decode"),
    ],
)
def test_what_ends_the_connection(data: bytes, code: Code, words: str) -> None:
    check_goaway(server(), data, code, words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "preface"),
        (b"X", "preface"),
        (PREFACE + frame(6, 0, 0, b"12345678"), "PING before SETTINGS"),
        (PREFACE + frame(4, 1, 0), "SETTINGS before SETTINGS"),
        (PREFACE + b"\0\0\1\6\0\0\0\0\0", "PING before SETTINGS"),
    ],
)
def test_a_wrong_beginning(data: bytes, words: str) -> None:
    check_goaway(Http2Connection(client_side=False), data, Code.PROTOCOL_ERROR, words)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (HEAD + field(b"X", b"y"), "upper case in field name b'X'"),
        (HEAD + field(b"x y", b"z"), "bad character in field name b'x y'"),
        (HEAD + field(b"x:", b"z"), "bad character in field name"),
        (HEAD + field(b"", b"z"), "bad character in field name b''"),
        (HEAD + field(b"x\nhost", b"z"), "bad character in field name"),
        (HEAD + field(b"x\xe4", b"z"), "bad character in field name"),
        (HEAD + field(b"x", b"a\r\nb: c"), "bad character in b'x'"),
        (HEAD + field(b"x", b"a\nb"), "bad character in b'x'"),
        (HEAD + field(b"x", b"a\rb"), "bad character in b'x'"),
        (HEAD + field(b"x", b"a\0b"), "bad character in b'x'"),
        (HEAD + field(b"x", b" a"), "blank around the value"),
        (HEAD + field(b"x", b"a\t"), "blank around the value"),
        (HEAD + field(b"host", b"a") * 2, "more than one Host"),
        (HEAD + field(b"host", b"b"), "Host b'b' contradicts :authority b'a'"),
        (HEAD + field(b"transfer-encoding", b"chunked"), "transfer-encoding"),
        (HEAD + field(b"connection", b"close"), "connection"),
        (HEAD + field(b"keep-alive", b"5"), "keep-alive"),
        (HEAD + field(b"proxy-connection", b"x"), "proxy-connection"),
        (HEAD + field(b"upgrade", b"h2c"), "upgrade"),
        (HEAD + field(b"te", b"gzip"), "te: b'gzip'"),
        (HEAD + field(b"content-length", b"5"), "body of 0 bytes, content-length 5"),
        (HEAD + field(b"content-length", b"+0"), "bad content-length b'+0'"),
        (HEAD + field(b"content-length", b""), "bad content-length b''"),
        (HEAD + field(b"content-length", b"0") * 2, "repeated content-length"),
        (HEAD + field(b"x", b"y") + b"\x82", "behind a field"),
        (HEAD + b"\x82", "repeated pseudo field b':method'"),
        (HEAD + field(b":status", b"200"), "b':status' in a request"),
        (HEAD + field(b":foo", b"x"), "b':foo' in a request"),
        (HEAD + field(b":protocol", b"x"), ":protocol with :method b'GET'"),
        (b"\x84\x87\x01\1a", "no :method"),
        (b"\x82\x87\x01\1a", "no :path"),
        (b"\x82\x84\x01\1a", "no :scheme"),
        (b"\x82\x84\x87", "neither :authority nor Host"),
        (b"\x82\x84\x87\x01\0", "bad :authority b''"),
        (b"\x82\x84\x87\x01\3u@a", "bad :authority b'u@a'"),
        (b"\x82\x84\x87\x01\3a b", "bad :authority b'a b'"),
        (b"\x82\x04\0\x87\x01\1a", "bad :path b''"),
        (b"\x82\x04\1x\x87\x01\1a", "bad :path b'x'"),
        (b"\x82\x04\1*\x87\x01\1a", "bad :path b'*'"),
        (b"\x82\x04\4/a b\x87\x01\1a", "bad :path b'/a b'"),
        (b"\x02\3G T\x84\x87\x01\1a", "bad :method b'G T'"),
        (b"\x02\x0eGET / HTTP/1.1\x84\x87\x01\1a", "bad :method"),
        (b"\x82\x84\x06\3a/b\x01\1a", "bad :scheme b'a/b'"),
        (b"\x02\x07CONNECT\x84\x87\x01\3a:1", "CONNECT with :scheme or :path"),
        (b"\x02\x07CONNECT" + field(b"host", b"a:1"), "CONNECT without :authority"),
        (b"\x02\x07CONNECT\x01\1a", "CONNECT to b'a', not host:port"),
        (b"\x02\x07CONNECT\x01\3a:0", "CONNECT to b'a:0', not host:port"),
        (b"\x02\x07CONNECT\x84\x01\1a" + field(b":protocol", b"x"), "no :scheme"),
        (b"", "no :method"),
    ],
)
def test_a_malformed_request_ends_its_stream(block: bytes, words: str) -> None:
    check_reset(server(), frame(1, 5, 1, block), Code.PROTOCOL_ERROR, words)


def test_a_malformed_request_is_seen_as_it_was() -> None:
    found = faults(server().receive(get(1, field(b"X", b"y")), 0.0))
    assert found[0].fields[-1] == (b"X", b"y")
    assert found[0].fields[0] == (b":method", b"GET")


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (frame(0, 1, 1, b"abcd"), Code.PROTOCOL_ERROR, "body of 4 bytes, content-length 3"),
        (frame(0, 1, 1, b"ab"), Code.PROTOCOL_ERROR, "body of 2 bytes, content-length 3"),
        (frame(0, 0, 1, b"abcd"), Code.PROTOCOL_ERROR, "body of 4 bytes, content-length 3"),
        (frame(1, 5, 1, field(b"t", b"1")), Code.PROTOCOL_ERROR, "body of 0 bytes"),
        (frame(1, 4, 1, field(b"t", b"1")), Code.PROTOCOL_ERROR, "second head without the end"),
        (frame(1, 5, 1, b"\x82"), Code.PROTOCOL_ERROR, "b':method' in trailers"),
        (frame(1, 5, 1, field(b"host", b"b")), Code.PROTOCOL_ERROR, "host in trailers"),
        (frame(1, 5, 1, field(b"upgrade", b"b")), Code.PROTOCOL_ERROR, "upgrade"),
        (frame(8, 0, 1, b"\0\0\0\0"), Code.PROTOCOL_ERROR, "WINDOW_UPDATE by 0"),
        (frame(8, 0, 1, b"\x7f\xff\xff\xff"), Code.FLOW_CONTROL_ERROR, "2**31 - 1"),
    ],
)
def test_what_ends_a_stream_in_its_middle(data: bytes, code: Code, words: str) -> None:
    head = get(1, field(b"content-length", b"3"), flags=4)
    check_reset(server(), head + data, code, words)


@pytest.mark.parametrize("data", [frame(0, 0, 1, b"x"), frame(1, 5, 1, field(b"t", b"1"))])
def test_after_its_end_a_stream_takes_nothing(data: bytes) -> None:
    check_reset(server(), get(1) + data, Code.STREAM_CLOSED, "after the end of the stream")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"", "does not begin with :status"),
        (field(b"x", b"y") + b"\x88", "does not begin with :status"),
        (b"\x88\x88", "b':status' in a response"),
        (b"\x88" + field(b":path", b"/"), "b':path' in a response"),
        (b"\x08\3abc", "bad :status b'abc'"),
        (b"\x08\4" + b"0200", "bad :status"),
        (b"\x08\3" + b"101", "status 101"),
        (b"\x88" + field(b"transfer-encoding", b"chunked"), "transfer-encoding"),
        (b"\x88" + field(b"set-cookie", b"a\r\nb: c"), "bad character in b'set-cookie'"),
        (b"\x88" + field(b"X", b"y"), "upper case"),
        (b"\x88" + field(b"content-length", b"1,1"), "bad content-length"),
    ],
)
def test_a_malformed_response_ends_its_stream(block: bytes, words: str) -> None:
    check_reset(client(), frame(1, 4, 1, block), Code.PROTOCOL_ERROR, words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame(0, 0, 1, b"x"), "DATA before the head"),
        (frame(1, 5, 1, b"\x08\3" + b"100"), "status 100 at the end"),
        (frame(1, 5, 1, b"\x88" + field(b"content-length", b"1")), "body of 0 bytes"),
        (frame(1, 4, 1, b"\x89") + frame(0, 0, 1, b"x"), "body of 1 bytes, content-length 0"),
        (frame(1, 4, 1, b"\x8b") + frame(0, 0, 1, b"x"), "body of 1 bytes, content-length 0"),
    ],
)
def test_a_wrong_body_of_a_response(data: bytes, words: str) -> None:
    check_reset(client(), data, Code.PROTOCOL_ERROR, words)


def test_a_response_to_head_has_a_length_and_no_body() -> None:
    connection = client(method=b"HEAD")
    data = frame(1, 5, 1, b"\x88" + field(b"content-length", b"99"))
    assert faults(connection.receive(data, 0.0)) == []


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (frame(1, 4, 2, b"\x88"), Code.PROTOCOL_ERROR, "HEADERS on idle stream 2"),
        (frame(1, 4, 9, b"\x88"), Code.PROTOCOL_ERROR, "HEADERS on idle stream 9"),
        (frame(5, 4, 1, b"\0\0\0\2" + HEAD), Code.PROTOCOL_ERROR, "push is off"),
    ],
)
def test_what_a_server_may_not_begin(data: bytes, code: Code, words: str) -> None:
    check_goaway(client(), data, code, words)


class TestFloods:
    """Each over 1000 in 10 seconds ends the connection; 1000 do not; nor do they over time."""

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (SETTINGS, "1000 SETTINGS in 10 seconds"),
            (frame(4, 1, 0), "1000 SETTINGS"),
            (frame(6, 0, 0, b"12345678"), "1000 PING"),
            (frame(6, 1, 0, b"12345678"), "1000 PING"),
            (frame(7, 0, 0, bytes(8)), "1000 GOAWAY"),
            (frame(0, 0, 1), "1000 empty DATA"),
            (frame(0, 8, 1, b"\3\0\0\0"), "1000 empty DATA"),
            (frame(0x55, 0, 1, b"x"), "1000 other frames"),
        ],
    )
    def test_of_one_frame(self, data: bytes, words: str) -> None:
        for seconds in (0.0, 100.0):
            connection = server()
            events = connection.receive(get(1, flags=4) + data * 990, 0.0)
            events += connection.receive(data * 990, seconds)
            ended = [fault.code for fault in faults(events)]
            assert ended == ([] if seconds else [Code.ENHANCE_YOUR_CALM])
        check_goaway(server(), get(1, flags=4) + data * 1001, Code.ENHANCE_YOUR_CALM, words)

    def test_of_window_updates_beyond_what_our_data_earned(self) -> None:
        update = frame(8, 0, 0, b"\0\0\0\1")
        check_goaway(server(), update * 1001, Code.ENHANCE_YOUR_CALM, "1000 WINDOW_UPDATE")
        connection = server()
        connection.receive(get(1), 0.0)
        connection.send_head(1, 200, Headers(), end_stream=False)
        for _ in range(200):
            connection.send_data(1, b"x")
        assert faults(connection.receive(update * 3000, 0.0)) == []
        check_goaway(connection, update * 200, Code.ENHANCE_YOUR_CALM, "1000 WINDOW_UPDATE")

    def test_of_priorities_beyond_what_streams_earned(self) -> None:
        priority = frame(2, 0, 3, b"\0\0\0\0\x0f")
        check_goaway(server(), priority * 1001, Code.ENHANCE_YOUR_CALM, "1000 PRIORITY")
        assert faults(server().receive(get(1) + priority * 1050, 0.0)) == []

    def test_rapid_reset(self) -> None:
        data = b"".join(
            get(number) + frame(3, 0, number, b"\0\0\0\x08") for number in range(1, 2003, 2)
        )
        check_goaway(server(), data, Code.ENHANCE_YOUR_CALM, "1000 RST_STREAM")

    def test_made_you_reset(self) -> None:
        data = b"".join(
            get(number) + frame(8, 0, number, b"\0\0\0\0") for number in range(1, 2003, 2)
        )
        check_goaway(server(), data, Code.ENHANCE_YOUR_CALM, "1000 RST_STREAM")

    def test_heads_on_a_stream_that_was_reset(self) -> None:
        data = get(1, field(b"X", b"y"))
        assert len(faults(server().receive(data + get(1) * 1000, 0.0))) == 1
        words = "1000 HEADERS on closed streams"
        check_goaway(server(), data + get(1) * 1001, Code.ENHANCE_YOUR_CALM, words)

    def test_resets_of_both_kinds_count_together(self) -> None:
        data = b"".join(
            get(number) + frame(8, 0, number, b"\0\0\0\0")
            + get(number + 2) + frame(3, 0, number + 2, b"\0\0\0\x08")
            for number in range(1, 2006, 4)
        )  # fmt: skip
        check_goaway(server(), data, Code.ENHANCE_YOUR_CALM, "1000 RST_STREAM")

    def test_resets_that_we_want_do_not_count(self) -> None:
        connection = server()
        for number in range(1, 4001, 2):
            connection.receive(get(number), 0.0)
            connection.reset(number, Code.INTERNAL_ERROR)
        assert not connection.closed

    def test_streams_beyond_the_limit_are_refused(self) -> None:
        connection = server(Limits(max_streams=3))
        events = connection.receive(b"".join(get(number) for number in (1, 3, 5, 7, 9)), 0.0)
        refused = [(fault.stream, fault.code) for fault in faults(events)]
        assert refused == [(7, Code.REFUSED_STREAM), (9, Code.REFUSED_STREAM)]
        assert not connection.closed

    def test_continuations(self) -> None:
        start = get(1, flags=1)
        words = "17 CONTINUATION"
        check_goaway(server(), start + frame(9, 0, 1) * 17, Code.ENHANCE_YOUR_CALM, words)
        check_goaway(
            server(), start + frame(9, 0, 1, b"\0" * 16000) * 5, Code.ENHANCE_YOUR_CALM, "block of"
        )
        data = start + frame(9, 0, 1) * 15 + frame(9, 4, 1)
        assert isinstance(server().receive(data, 0.0)[-1], RequestHead)

    def test_a_half_head_is_told_from_the_next(self) -> None:
        connection = server()
        assert connection.half_head == 0
        connection.receive(get(1)[:12], 0.0)
        first = connection.half_head
        connection.receive(get(1)[12:], 0.0)
        assert (bool(first), connection.half_head) == (True, 0)
        connection.receive(get(3, flags=1) + frame(9, 0, 3), 0.0)
        assert connection.half_head not in (0, first)
        connection.receive(frame(9, 4, 3) + frame(0, 0, 1)[:8], 0.0)
        assert connection.half_head == 0

    def test_informational_heads(self) -> None:
        hint = frame(1, 4, 1, b"\x08\3" + b"103" + field(b"link", b"x" * 100))
        data = hint * 372  # of 42 and 136 bytes: 66216
        words = "1xx heads of more than 65536 bytes"
        check_reset(client(), data, Code.ENHANCE_YOUR_CALM, words)
        assert faults(client().receive(hint * 368 + frame(1, 5, 1, b"\x88"), 0.0)) == []

    def test_an_hpack_bomb(self) -> None:
        put = b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000  # 4000 bytes into the dynamic table
        data = frame(1, 5, 1, HEAD + put + b"\xbe" * 1000)
        words = "head of more than 65536 bytes"
        check_goaway(server(), data, Code.ENHANCE_YOUR_CALM, words)

    def test_a_head_of_many_small_fields(self) -> None:
        words = "head of more than 65536 bytes"  # each field counts 32 more (RFC 9113 6.5.2)
        data = frame(1, 5, 1, HEAD + field(b"a", b"b") * 2000)
        check_goaway(server(), data, Code.ENHANCE_YOUR_CALM, words)
        data = frame(1, 5, 1, HEAD + field(b"a", b"b") * 1900)
        assert faults(server().receive(data, 0.0)) == []

    def test_settings_of_many_values(self) -> None:
        value = b"\0\4\0\0\xff\xff"
        assert faults(server().receive(frame(4, 0, 0, value * 100), 0.0)) == []
        check_goaway(
            server(), frame(4, 0, 0, value * 101), Code.ENHANCE_YOUR_CALM, "101 values, 100 allowed"
        )

    def test_settings_that_nobody_knows_are_not_kept(self) -> None:
        connection = server()
        tracemalloc.start()
        try:
            for first in range(0x100, 0x10000, 100):
                names = range(first, min(first + 100, 0x10000))
                payload = b"".join(name.to_bytes(2) + b"\0\0\0\1" for name in names)
                connection.receive(frame(4, 0, 0, payload), 0.0)
            connection.data_to_send()
            assert tracemalloc.get_traced_memory()[0] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_a_table_of_4_gib_is_not_filled(self) -> None:
        connection = client(requests=0)
        connection.receive(frame(4, 0, 0, b"\0\1\xff\xff\xff\xff"), 0.0)
        pseudo = [(b":method", b"GET"), (b":authority", b"a"), (b":scheme", b"https")]
        tracemalloc.start()
        try:
            for number in range(200):
                fields = Headers([("x", f"{number}" + "y" * 5000)])
                connection.open([*pseudo, (b":path", b"/")], fields, end_stream=True)
                connection.reset(number * 2 + 1, Code.CANCEL)
                connection.data_to_send()
            assert tracemalloc.get_traced_memory()[0] < 300_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("over", ["stream", "connection"])
def test_more_data_than_the_windows_allow(over: str) -> None:
    data = get(1, flags=4) + get(3, flags=4) + frame(0, 0, 1, b"x" * 16000) * 4
    if over == "stream":
        limits = Limits(stream_window=60_000, connection_window=1 << 20)
        check_reset(server(limits), data, Code.FLOW_CONTROL_ERROR, "beyond the stream's window")
    else:
        limits = Limits(stream_window=70_000, connection_window=65_535)
        check_goaway(
            server(limits),
            data + frame(0, 0, 3, b"x" * 9000),
            Code.FLOW_CONTROL_ERROR,
            "beyond the connection's window",
        )


def test_an_attack_holds_no_memory() -> None:
    connection = server()
    pings = frame(6, 0, 0, b"12345678") * 20_000
    tracemalloc.start()
    try:
        connection.receive(pings, 0.0)
        connection.data_to_send()
        for _ in range(100):
            connection.receive(pings, 0.0)
        assert tracemalloc.get_traced_memory()[0] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_flood_counter_starts_anew_with_time() -> None:
    flood = Flood(2, 10.0)
    assert [flood.count("PING", now) for now in (0.0, 1.0, 11.0, 12.0)] == [""] * 4
    assert flood.count("PING", 13.0) == "more than 2 PING in 10 seconds"
