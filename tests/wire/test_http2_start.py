"""How connections begin, from the bytes of real clients, and the published fingerprints."""

from __future__ import annotations

import pytest

from rama_proxy.protocols.http2_frames import PREFACE
from rama_proxy.protocols.http2_start import (
    ConnectionStart,
    Priority,
    StartRecorder,
    is_whole,
    pseudo_order,
)

# What curl 7.88 (nghttp2 1.52), nghttp 1.52 and Chromium 156 sent, after the preface and up to
# their first HEADERS.
CURL = PREFACE + bytes.fromhex(
    "00001204000000000000030000006400040200000000020000000000000408000000000001ff000100002201"
    "05000000018204022f7886418b089d5c0b8170dc0bcfbe0f7a8825b650c3abbcf2e153032a2f2a"
)
NGHTTP = PREFACE + bytes.fromhex(
    "00000c04000000000000030000006400040000ffff00000502000000000300000000c8000005020000000005"
    "00000000640000050200000000070000000000000005020000000009000000070000000502000000000b0000"
    "00030000002a01250000000d0000000b0f8204022f7986418b089d5c0b8170dc0bcfbe0f53032a2f2a907a8a"
    "aa69d29ac4c0576c4b83"
)
CHROMIUM = PREFACE + bytes.fromhex(
    "00001804000000000000010001000000020000000000040060000000060004000000000408000000000000ef"
    "00010001bb01250000000180000000ff82418ba0e41d139d09b8179f7c3f8704856093d87a4b40874148b127"
    "5ad1ffa2fe749d37215aed83aa4fe7efbc1fcbdfcfd29fcde9ec3d26b69fe7efbc1fc85b73f9408b4148b127"
    "5ad1ad49e33505023f30408d4148b1275ad1ad5d034ca7b29f07224c696e7578224092b6b9ac1c8558d520a4"
    "b6c2ad617b5a54251f01317ad3d07f66a281b0dae053fafc087ed4ce6aadf2a7979c89c6bfb521aeba0bc8b1"
    "e632586d975765c53facd8f7e8cff4a506ea5531149d4ffda98ca39282a117a7b0f49580b6e2e05c0b814dc3"
    "94761986d975765c53ec497ca589d34d1f43aeba0c41a4c7a98f33a69a3fdf9a68fa1d75d0620d263d4c79a6"
    "8fbed00177fe8d48e62b1d3cd1f46a4731581f734bf46a473158f058ebfa352398ac0ebaa6faf963e7efb400"
    "5defa1d75d0620d263d4c20d35459162f924e3aa62fdf782367efb4005dd408a4148b4a549275906497f83a8"
    "f517408a4148b4a549275a93c85f86a87dcd30d25f408a4148b4a549275ad416cf023f31408a4148b4a54927"
    "5a42a13f8690e4b692d49f50929bd9abfa5242cb40d25fa523b3e94f684c9f518b2d4b70ddf45abefb4005df"
    "4086aec31ec327d785b6007d286f"
)


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
    recorder.feed(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x80\0\0\4\x08\0\0\0\0\0\x7f\xff\0\0")
    recorder.feed(b"\0\0\0\4\1\0\0\0\0\0\0\1\1\4\0\0\0\1\x88")
    assert recorder.done
    assert recorder.start.akamai == "3:128|2147418112|0|"


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
