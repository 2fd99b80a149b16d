"""Server-sent events, fed in every way."""

from __future__ import annotations

import tracemalloc

import pytest

from rama_proxy.model.websocket import INCOMPLETE, TRUNCATED
from rama_proxy.protocols.sse import Event, Splitter, parse_event

LIMIT = 1 << 16


def split(wire: bytes, *, step: int = 0, limit: int = LIMIT) -> list[tuple[bytes, int, int]]:
    """Data, size and flags of the events of a whole stream, fed in pieces of `step` bytes."""
    splitter = Splitter(limit)
    blocks = []
    for start in range(0, len(wire), step or len(wire) or 1):
        blocks += splitter.feed(wire[start : start + (step or len(wire))])
    last = splitter.end()
    blocks += [last] if last is not None else []
    return [(block.data, block.size, block.flags) for block in blocks]


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (b"data: 1\n\n", [b"data: 1"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"data: 1", b"data: 2"]),
        (b"data: 1\r\rdata: 2\r\r", [b"data: 1", b"data: 2"]),
        (b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\r\n", [b"data: 1", b"data: 2", b"data: 3"]),
        (b"event: a\r\ndata: 1\rdata: 2\nid: 7\n\n", [b"event: a\r\ndata: 1\rdata: 2\nid: 7"]),
        (b"\n\n\r\n\rdata: 1\n\n\n\n\ndata: 2\n\n", [b"data: 1", b"data: 2"]),
        (b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n", [b"data: 1", b"\xef\xbb\xbfdata: 2"]),
        (b"\xef\xbb\xbf\ndata: 1\n\n", [b"data: 1"]),
        (b": keep-alive\n\n:\n\ndata: 1\n\n", [b"data: 1"]),
        (b": why\ndata: 1\n\n", [b": why\ndata: 1"]),
        (b"retry\n\n", [b"retry"]),
        (b"data: \xff\x00\n\n", [b"data: \xff\x00"]),
        (b": nothing but this", []),
        (b"\n", []),
        (b"", []),
        (b"\xef\xbb\xbf", []),
    ],
)
def test_events_however_they_are_cut(wire: bytes, events: list[bytes]) -> None:
    expected = [(event, len(event), 0) for event in events]
    for step in range(len(wire) + 1):
        assert split(wire, step=step) == expected, f"in pieces of {step}"
    for cut in range(len(wire)):
        splitter = Splitter(LIMIT)
        found = splitter.feed(wire[:cut]) + splitter.feed(wire[cut:])
        assert [block.data for block in found] == events, f"cut at {cut}"


@pytest.mark.parametrize("tail", [b"\x00", b"\r\n", b"\n", b"GET / HTTP/1.1\r\n", b"\xff" * 64])
def test_what_follows_changes_no_event(tail: bytes) -> None:
    assert split(b"data: 1\n\n" + tail)[0] == (b"data: 1", 7, 0)


@pytest.mark.parametrize("wire", [b"data: 1\n\ndata: 2", b"data: 1\n\ndata: 2\r\n"])
def test_an_event_that_is_broken_off(wire: bytes) -> None:
    for step in range(4):
        assert split(wire, step=step) == [(b"data: 1", 7, 0), (b"data: 2", 7, INCOMPLETE)]
    assert split(b"\xef\xbb") == [(b"\xef\xbb", 2, INCOMPLETE)]


def test_an_event_without_end_takes_no_memory() -> None:
    splitter = Splitter(1000)
    tracemalloc.start()
    for _ in range(400):
        assert splitter.feed(b"data: " + b"x" * 65_530) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (block,) = splitter.feed(b"\n\ndata: 2\n\n")[:1]
    assert (len(block.data), block.size, block.flags) == (1000, 400 * 65_536, TRUNCATED)
    assert peak < 400_000


@pytest.mark.parametrize("step", [0, 1, 7])
def test_an_event_that_just_fits_is_whole(step: int) -> None:
    assert split(b"data: 1\n\ndata: 22\n\n", step=step, limit=7) == [
        (b"data: 1", 7, 0),
        (b"data: 2", 8, TRUNCATED),
    ]


@pytest.mark.parametrize(
    ("block", "event"),
    [
        (b"data: 1", Event(data="1")),
        (b"data:1\ndata\ndata:  2", Event(data="1\n\n 2")),
        (b"event: up\r\nid: 7\rdata: x", Event(event="up", id="7", data="x")),
        (b"id\ndata", Event(id="", data="")),
        (b"id: a\0b", Event()),
        (b"retry: 500\nretry: soon", Event(retry=500)),
        (b": note\ndata: a:b: c", Event(data="a:b: c", comments=["note"])),
        (b"Data: 1\nother: 2", Event()),
        (b"data: \xff\xe2\x82\xac", Event(data="\ufffd€")),
        (b"", Event()),
    ],
)
def test_what_an_event_says(block: bytes, event: Event) -> None:
    assert parse_event(block) == event
