"""Header blocks that come again mean what the table says, not what they meant before."""

from __future__ import annotations

import random

import hpack
import pytest

from rama_proxy.model.headers import Field, Headers
from rama_proxy.protocols.http2 import ENGINE, Http2Connection, _Engine
from rama_proxy.protocols.http2_events import RequestHead, Trailers
from rama_proxy.protocols.http2_fields import NeverIndexed
from rama_proxy.protocols.http2_limits import Limits
from rama_proxy.protocols.http2_memo import resizes

NAMES = [b"accept", b"x-one", b"x-two", b"cookie", b"authorization", b":path"]


def test_blocks_decode_as_without_a_memory() -> None:
    """Blocks of few fields, again and again: every one against a decoder that remembers none."""
    choice = random.Random(7)
    encoder, plain = hpack.Encoder(), hpack.Decoder()
    ours = _Engine(client_side=False, limits=Limits())
    sent: list[bytes] = []
    for _ in range(3000):
        if sent and choice.random() < 0.3:
            block = choice.choice(sent[-20:])  # as it was, whatever the table is by now
        else:
            fields = [
                (choice.choice(NAMES), b"v%d" % choice.randrange(4), choice.random() < 0.3)
                for _ in range(choice.randrange(1, 6))
            ]
            block = encoder.encode(fields)
            sent.append(block)
        try:
            expect = [(name, value) for name, value in plain.decode(block, raw=True)]
        except hpack.HPACKError:
            break
        assert ours.decode(block) == expect


def test_blocks_without_references_decode_as_without_a_memory() -> None:
    """As nginx writes them: each field put into the table anew, none ever taken from there."""
    choice = random.Random(9)
    plain, ours = hpack.Decoder(), _Engine(client_side=True, limits=Limits())

    def literal(index: int, value: bytes) -> bytes:
        return bytes([0x40 | index, len(value)]) + value

    blocks = [
        b"\x88" + literal(33, b"Tue, %d" % number) + literal(31, b"text/%d" % (number % 3))
        for number in range(8)
    ]
    blocks += [b"\x88\xbe\xbf", b"\x88\xbe"]  # refer to what came last
    plain.decode(blocks[0])
    ours.decode(blocks[0])
    for _ in range(2000):
        block = choice.choice(blocks)
        expect = [(name, value) for name, value in plain.decode(block, raw=True)]
        assert ours.decode(block) == expect


def test_fields_encode_as_without_a_memory() -> None:
    choice = random.Random(8)
    ours, decoder = _Engine(client_side=True, limits=Limits()), hpack.Decoder()
    lists: list[list[Field]] = []
    for number in range(3000):
        if lists and choice.random() < 0.5:
            fields = choice.choice(lists[-10:])
        else:
            fields = [
                (choice.choice(NAMES), b"v%d" % choice.randrange(number + 1))
                for _ in range(choice.randrange(1, 6))
            ]
            lists.append(fields)
        decoded = decoder.decode(ours.encode(fields), raw=True)
        assert [(name, value) for name, value in decoded] == fields


def test_a_field_never_to_be_indexed_is_not_taken_for_its_equal() -> None:
    ours = _Engine(client_side=True, limits=Limits())
    decoder = hpack.Decoder()
    plain: list[Field] = [(b"x-key", b"secret")]
    never: list[Field] = [NeverIndexed(plain[0])]
    for fields, indexable in ((never, False), (never, False), (plain, True)):
        assert [one.indexable for one in decoder.decode(ours.encode(fields))] == [indexable]


def test_what_is_done_to_a_message_stays_with_it() -> None:
    client, server = Http2Connection(client_side=True), Http2Connection(client_side=False)
    pseudo = [(b":method", b"GET"), (b":authority", b"a"), (b":scheme", b"http"), (b":path", b"/")]
    for _ in range(4):
        number = client.open(pseudo, Headers([("x", "1")]), end_stream=False)
        client.send_trailers(number, Headers([("y", "2")]))
        events = server.receive(client.data_to_send(), 0.0)
        (head,) = [event for event in events if isinstance(event, RequestHead)]
        (trailers,) = [event for event in events if isinstance(event, Trailers)]
        assert (head.headers.fields, trailers.headers.fields) == ([(b"x", b"1")], [(b"y", b"2")])
        head.headers.add("z", "3")
        trailers.headers.add("z", "3")


@pytest.mark.parametrize(("block", "expect"), [(b"", False), (b"\x20\x82", True), (b"\x82", False)])
def test_a_change_of_the_tables_size_is_seen(block: bytes, expect: bool) -> None:
    assert resizes(block) is expect


def test_only_h2_is_remembered_for() -> None:
    assert (_Engine(client_side=True, limits=Limits())._decoded is not None) is (ENGINE == "h2")
