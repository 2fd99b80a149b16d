"""How connections begin, from the bytes of real clients, and the published fingerprints."""

from __future__ import annotations

import pytest

from rama_proxy.protocols.http2_frames import PREFACE
from rama_proxy.protocols.http2_start import (
    ConnectionStart,
    Priority,
    StartRecorder,
    is_whole,
    parse_start,
    pseudo_order,
)
from tests.support.starts import CHROMIUM, CURL, NGHTTP, NGINX


def read(data: bytes, step: int) -> StartRecorder:
    recorder = StartRecorder(preface=True)
    for at in range(0, len(data), step):
        recorder.feed(data[at : at + step])
    return recorder


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("data", "akamai", "stream", "priority"),
    [
        (CURL, "3:100;4:33554432;2:0|33488897|0|m,p,s,a", 1, None),
        (
            NGHTTP,
            "3:100;4:65535|00|3:0:0:201,5:0:0:101,7:0:0:1,9:0:7:1,11:0:3:1|m,p,s,a",
            13,
            Priority(13, False, 11, 16),
        ),
        (
            CHROMIUM,
            "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p",
            1,
            Priority(1, True, 0, 256),
        ),
    ],
)
def test_real_clients(
    data: bytes, akamai: str, stream: int, priority: Priority | None, step: int
) -> None:
    recorder = read(data + b"\0\0\0\4\1\0\0\0\0", step)
    assert recorder.done
    assert recorder.start.akamai == akamai
    assert (recorder.start.stream, recorder.start.priority) == (stream, priority)
    assert recorder.start.raw == data
    assert parse_start(data) == recorder.start


@pytest.mark.parametrize(
    ("start", "akamai", "akamai_hash"),
    [
        (  # Chromium 156
            ConnectionStart(
                settings=((1, 65536), (2, 0), (4, 6291456), (6, 262144)),
                window_update=15663105,
                pseudo_order="masp",
            ),
            "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p",
            "52d84b11737d980aef856699f885ca86",
        ),
        (  # Firefox 153
            ConnectionStart(
                settings=((1, 65536), (2, 0), (4, 131072), (5, 16384)),
                window_update=12517377,
                pseudo_order="mpas",
            ),
            "1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s",
            "6ea73faa8fc5aac76bded7bd238f6433",
        ),
        (  # older Firefox, with its tree of priorities
            ConnectionStart(
                settings=((1, 65536), (4, 131072), (5, 16384)),
                window_update=12517377,
                priorities=(
                    Priority(3, False, 0, 201),
                    Priority(5, False, 0, 101),
                    Priority(7, False, 0, 1),
                    Priority(9, False, 7, 1),
                    Priority(11, False, 3, 1),
                    Priority(13, False, 0, 241),
                ),
                pseudo_order="mpas",
            ),
            "1:65536;4:131072;5:16384|12517377"
            "|3:0:0:201,5:0:0:101,7:0:0:1,9:0:7:1,11:0:3:1,13:0:0:241|m,p,a,s",
            "3d9132023bf26a71d40fe766e5c24c9d",
        ),
    ],
)
def test_published_fingerprints(start: ConnectionStart, akamai: str, akamai_hash: str) -> None:
    assert start.akamai == akamai
    assert start.akamai_hash == akamai_hash


def test_nothing_sent_is_written_too() -> None:
    assert ConnectionStart().akamai == "|00|0|"


def test_a_server_begins_without_a_preface() -> None:
    recorder = StartRecorder(preface=False)
    recorder.feed(NGINX + b"\0\0\2\0\1\0\0\0\1ok")
    assert recorder.done
    assert recorder.start.akamai == "3:128;4:65536;5:16777215|2147418112|0|"
    assert recorder.start.raw == NGINX
    assert parse_start(recorder.start.raw) == recorder.start


@pytest.mark.parametrize(
    ("raw", "akamai"),
    [
        (b"", "|00|0|"),
        (PREFACE[:10], "|00|0|"),
        (PREFACE, "|00|0|"),
        (CHROMIUM[:60], "1:65536;2:0;4:6291456;6:262144|00|0|"),
        (CHROMIUM[:-1], "1:65536;2:0;4:6291456;6:262144|15663105|0|"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "|00|0|"),
    ],
)
def test_a_start_that_breaks_off_gives_what_is_there(raw: bytes, akamai: str) -> None:
    start = parse_start(raw)
    assert start.akamai == akamai
    assert start.raw == raw


@pytest.mark.parametrize(
    ("block", "order"),
    [
        ("828641016184", "msap"),
        ("3fe1ff038286410161", "msa"),  # a table size update before
        ("0085b9495339e4034745540488b958d33f012f", "m"),  # Huffman name; then a bad one
        ("0085b9495339e40347455400 84b958d33f 012f".replace(" ", ""), "mp"),
        ("00073a6d6574686f6403474554", "m"),  # :method written out
        ("400a3a617574686f72697479016182be", "ama"),  # and taken from the dynamic table
        ("82ff", "m"),
        ("82ffffffffffffff", "m"),
        ("8241", "m"),
        ("82417f", "m"),
        ("", ""),
    ],
)
def test_order_of_pseudo_fields(block: str, order: str) -> None:
    assert pseudo_order(bytes.fromhex(block)) == order


@pytest.mark.parametrize("block", ["", "82be", "3fe11f82", "0001610162", "40016101620f0d0133"])
def test_a_whole_block(block: str) -> None:
    assert is_whole(bytes.fromhex(block))


@pytest.mark.parametrize("block", ["ff", "ffffffff", "3f", "00", "0002", "000261", "000161027f"])
def test_a_block_that_breaks_off(block: str) -> None:
    assert not is_whole(bytes.fromhex(block))


def test_continuation_belongs_to_the_block() -> None:
    data = PREFACE + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\1\1\0\0\0\0\1\x82"
    recorder = read(data, 100)
    assert not recorder.done
    recorder.feed(b"\0\0\1\x09\4\0\0\0\1\x84")
    assert recorder.start.pseudo_order == "mp"


def test_no_end_is_no_memory() -> None:
    recorder = read(PREFACE + b"\0\0\0\4\1\0\0\0\0" * 20_000, 4096)
    assert recorder.done
    assert 65_000 < len(recorder.start.raw) <= 65_536
