"""What HTTP/2 clients do to hurt, to the real command: the code, the row, the cost, the neighbours.

Each attack is made on several connections at once, while others are served.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rama_proxy.protocols.http2_events import Code
from tests.support.abuse import on_uvloop, open_files, vanish
from tests.support.engine import Engine
from tests.support.http2_frames import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    code_of,
    field,
    frame,
    frames_of,
    get,
    head,
    read_to_end,
    say,
)
from tests.support.peers import Nginx, wait_for
from tests.support.watching import MIB, watching

AT_ONCE = 3  # attackers
STREAMS = range(1, 6001, 2)


@dataclass(frozen=True, slots=True)
class Attack:
    """`data` goes out after the preface; `code` and `words` are what it gets and what is stored.

    `stream` is 0 where the connection ends, else the stream that is reset, and no other.
    """

    data: bytes
    code: Code
    words: str
    stream: int = 0
    cpu: float = 2.0  # seconds, for all attackers


def each(*parts: bytes) -> bytes:
    """A request on each of many streams, with `parts` behind it, `N` in them as the stream."""
    return b"".join(
        get(number) + b"".join([part.replace(b"NNNN", number.to_bytes(4)) for part in parts])
        for number in STREAMS
    )


def on_stream(kind: int, payload: bytes) -> bytes:
    """A frame on the stream that `each` is at."""
    return len(payload).to_bytes(3) + bytes([kind, 0]) + b"NNNN" + payload


CALM, PROTOCOL = Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR
OPEN = get(1, flags=4)
BOMB = b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000  # a field that goes into the dynamic table

FLOODS = {
    "rapid reset, CVE-2023-44487": Attack(
        each(on_stream(RST_STREAM, b"\0\0\0\x08")), CALM, "1000 RST_STREAM in 10 seconds"
    ),
    "made you reset by WINDOW_UPDATE, CVE-2025-8671": Attack(
        each(on_stream(WINDOW_UPDATE, bytes(4))), CALM, "1000 RST_STREAM in 10 seconds"
    ),
    "made you reset by DATA behind the end": Attack(
        each(on_stream(DATA, b"x")), CALM, "1000 RST_STREAM in 10 seconds"
    ),
    "made you reset by malformed heads": Attack(
        b"".join(get(number, field(b"X", b"y")) for number in STREAMS),
        CALM,
        "1000 RST_STREAM in 10 seconds",
    ),
    "more streams than allowed": Attack(
        b"".join(get(number, flags=4) for number in STREAMS), CALM, "1000 RST_STREAM in 10 seconds"
    ),
    "CONTINUATION, CVE-2024-27316": Attack(
        get(1, flags=1) + frame(CONTINUATION, 0, 1, field(b"x", b"y" * 1000)) * 4000,
        CALM,
        "17 CONTINUATION",
    ),
    "CONTINUATION that is empty": Attack(
        get(1, flags=1) + frame(CONTINUATION, 0, 1) * 100_000, CALM, "17 CONTINUATION"
    ),
    "SETTINGS, CVE-2019-9515": Attack(SETTINGS * 100_000, CALM, "1000 SETTINGS in 10 seconds"),
    "SETTINGS of many values": Attack(
        frame(4, 0, 0, b"\0\4\0\0\xff\xff" * 2700) * 1100, CALM, "2700 values, 100 allowed"
    ),
    "SETTINGS of as many as are allowed": Attack(
        frame(4, 0, 0, b"\0\4\0\0\xff\xff" * 100) * 1100, CALM, "1000 SETTINGS in 10 seconds"
    ),
    "PING, CVE-2019-9512": Attack(
        frame(PING, 0, 0, bytes(8)) * 100_000, CALM, "1000 PING in 10 seconds"
    ),
    "empty DATA, CVE-2019-9518": Attack(
        OPEN + frame(DATA, 0, 1) * 100_000, CALM, "1000 empty DATA in 10 seconds"
    ),
    "DATA that is padding alone": Attack(
        OPEN + frame(DATA, 8, 1, b"\xff" + bytes(255)) * 3000, CALM, "1000 empty DATA"
    ),
    "WINDOW_UPDATE": Attack(
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 100_000, CALM, "1000 WINDOW_UPDATE in 10 seconds"
    ),
    "PRIORITY, CVE-2019-9513": Attack(
        b"".join(
            frame(PRIORITY, 0, number, (number ^ 2).to_bytes(4) + b"\x0f")
            for number in range(1, 40000, 2)
        ),
        CALM,
        "1000 PRIORITY in 10 seconds",
    ),
    "GOAWAY": Attack(frame(GOAWAY, 0, 0, bytes(8)) * 50_000, CALM, "1000 GOAWAY in 10 seconds"),
    "frames that nobody knows": Attack(frame(0x55, 0, 0) * 100_000, CALM, "1000 other frames"),
}

BLOCKS = {
    "an HPACK bomb": Attack(
        frame(HEADERS, 5, 1, head() + BOMB + b"\xbe" * 8000), CALM, "head of more than 65536 bytes"
    ),
    "a header list of 3000 small fields": Attack(
        frame(HEADERS, 5, 1, head() + field(b"a", b"b") * 3000), CALM, "head of more than 65536"
    ),
    "a header list of large fields": Attack(
        frame(HEADERS, 1, 1, head() + field(b"x", b"y" * 16000))
        + frame(CONTINUATION, 0, 1, field(b"x", b"y" * 16000)) * 4,
        CALM,
        "header block of",
    ),
    "a broken Huffman code": Attack(
        frame(HEADERS, 5, 1, b"\0\x81\xff\0"), Code.COMPRESSION_ERROR, "does not decode (RFC 7541)"
    ),
    "an index beyond the table": Attack(
        frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\x0f"), Code.COMPRESSION_ERROR, "does not decode"
    ),
    "a table larger than ours": Attack(
        frame(HEADERS, 5, 1, b"\x3f\xff\xff\xff\x0f"), Code.COMPRESSION_ERROR, "does not decode"
    ),
    "a frame inside a header block": Attack(
        get(1, flags=1) + frame(PING, 0, 0, bytes(8)), PROTOCOL, "PING inside a header block"
    ),
    "DATA on an idle stream": Attack(frame(DATA, 0, 99, b"x"), PROTOCOL, "DATA on idle stream 99"),
    "HEADERS on a server's stream": Attack(get(2), PROTOCOL, "HEADERS on idle stream 2"),
    "PUSH_PROMISE of a client": Attack(
        OPEN + frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2" + head()), PROTOCOL, "push is off"
    ),
    "a frame beyond its size": Attack(
        b"\xff\xff\xff\0\0\0\0\0\1", Code.FRAME_SIZE_ERROR, "16384 allowed"
    ),
    "a window beyond its size": Attack(
        frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), Code.FLOW_CONTROL_ERROR, "2**31 - 1"
    ),
    "settings that make windows too large": Attack(
        frame(4, 0, 0, b"\0\4\xff\xff\xff\xff"), Code.FLOW_CONTROL_ERROR, "SETTINGS"
    ),
}


def malformed(more: bytes, words: str) -> Attack:
    """A request with a field that makes it none."""
    return Attack(get(1, more), PROTOCOL, words, stream=1)


FIELDS = {
    "CR and LF": malformed(field(b"x", b"a\r\ny: z"), "bad character in b'x'"),
    "LF": malformed(field(b"x", b"a\nb"), "bad character in b'x'"),
    "CR": malformed(field(b"x", b"a\rb"), "bad character in b'x'"),
    "NUL": malformed(field(b"x", b"a\0b"), "bad character in b'x'"),
    "LF in a name": malformed(field(b"x\nhost", b"b"), "bad character in field name"),
    "a colon in a name": malformed(field(b"x: y", b"b"), "bad character in field name"),
    "a name that is empty, CVE-2019-9516": malformed(field(b"", b""), "bad character in field"),
    "upper case": malformed(field(b"X-A", b"y"), "upper case in field name b'X-A'"),
    "two Host": malformed(field(b"host", b"a.test") * 2, "more than one Host"),
    ":authority is not Host": malformed(field(b"host", b"b.test"), "contradicts :authority"),
    "transfer-encoding": malformed(field(b"transfer-encoding", b"chunked"), "transfer-encoding"),
    "connection": malformed(field(b"connection", b"host"), "field connection"),
    "two lengths": malformed(field(b"content-length", b"0") * 2, "repeated content-length"),
    "a wrong length": malformed(field(b"content-length", b"9"), "body of 0 bytes"),
    "a pseudo field behind a field": malformed(field(b"x", b"y") + b"\x82", "behind a field"),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, nginx: Nginx) -> Iterator[Engine]:
    """`rama capture` before a healthy server of HTTP/1, for all attacks; it survives each."""
    area = tmp_path_factory.mktemp("attacked")
    with Engine(area, f"--mode=reverse:{nginx.http}", "--upstream-http=1.1") as running:
        yield running


END = frame(DATA, 0, 99, b"x")
COSTLY = {  # what is allowed, in any number; others wait their turn, no longer
    "DATA of one byte": Attack(
        OPEN + frame(DATA, 0, 1, b"x") * 60_000 + END, PROTOCOL, "idle stream 99"
    ),
    "DATA of one byte on a stream that was reset": Attack(
        OPEN + frame(RST_STREAM, 0, 1, bytes(4)) + frame(DATA, 0, 1, b"x") * 60_000 + END,
        PROTOCOL,
        "idle stream 99",
    ),
    "heads of 1500 fields": Attack(
        get(1, field(b"X", b"y"), flags=4)
        + frame(HEADERS, 5, 1, head() + field(b"a", b"b") * 1500) * 200
        + END,
        PROTOCOL,
        "idle stream 99",
        cpu=6.0,
    ),
    "HEADERS on a stream that was reset": Attack(
        get(1, field(b"X", b"y"), flags=4) + get(1) * 50_000, CALM, "1000 HEADERS on closed streams"
    ),
}
ATTACKS = FLOODS | BLOCKS | FIELDS | COSTLY


@pytest.mark.parametrize("name", ATTACKS)
@on_uvloop
async def test_attack(engine: Engine, nginx: Nginx, name: str) -> None:
    attack = ATTACKS[name]
    (before,) = engine.query("select coalesce(max(id), 0) from flows")[0]
    data = PREFACE + SETTINGS + attack.data
    async with watching(engine, "a.test", "/1k", nginx.file("1k")) as cost:
        answers = await asyncio.gather(
            *(say(engine.port, data, until=attack.stream or None) for _ in range(AT_ONCE))
        )
    print(f"{name}: {cost}")
    assert [code_of(frames, attack.stream) for frames in answers] == [attack.code] * AT_ONCE
    assert [code_of(frames, 0) is None for frames in answers] == [bool(attack.stream)] * AT_ONCE
    words = attack.words.replace("'", "''")
    rows = f"select count(*) from flows where id > {before} and error like '%{words}%'"
    await asyncio.to_thread(wait_for, lambda: engine.query(rows)[0][0] >= AT_ONCE, "the rows")
    assert cost.cpu < attack.cpu
    assert cost.grown < 16 * MIB


class TestManyStreams:
    """The streams that a client may have, and what becomes of them."""

    @on_uvloop
    async def test_that_nobody_reads(self, tmp_path: Path, nginx: Nginx) -> None:
        options = f"--mode=reverse:{nginx.http}", "--upstream-http=1.1", "--stream-timeout=2s"
        asked = [head(path=b"/1g") for _ in range(128)]
        data = b"".join([frame(HEADERS, 5, 2 * n + 1, block) for n, block in enumerate(asked)])
        with Engine(tmp_path, *options, "--capture-budget=4M") as engine:
            before = engine.memory("VmRSS")
            async with watching(engine, "a.test", "/1k", nginx.file("1k")) as cost:
                reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
                writer.write(PREFACE + SETTINGS + data)
                said = await read_all(reader, lambda frames: resets(frames) == 128)
                writer.close()
            grown = engine.memory() - before
            rows = "select count(*) from flows where error = 'the peer stopped reading'"
            await asyncio.to_thread(wait_for, lambda: engine.query(rows)[0][0] == 128, "the rows")
        print(f"128 downloads unread: {grown / MIB:.0f} MiB at most, {cost}")
        assert resets(said) == 128
        assert grown < 160 * MIB

    @on_uvloop
    async def test_opened_and_abandoned_by_the_thousand(self, engine: Engine, nginx: Nginx) -> None:
        data = PREFACE + SETTINGS
        for number in range(1, 1601, 2):  # fewer than end the connection
            data += get(number) + frame(RST_STREAM, 0, number, b"\0\0\0\x08")
        data += get(1601)
        memory = []
        async with watching(engine, "a.test", "/1k", nginx.file("1k")) as cost:
            for _ in range(4):
                answers = await asyncio.gather(
                    *(say(engine.port, data, until=1601) for _ in range(3))
                )
                assert [code_of(frames, 0) for frames in answers] == [None] * 3
                memory.append(engine.memory("VmRSS"))
        print(f"9600 streams abandoned: {(memory[-1] - memory[0]) / MIB:+.1f} MiB, {cost}")
        assert memory[-1] - memory[0] < 8 * MIB

    @on_uvloop
    async def test_whose_client_vanishes(self, engine: Engine, nginx: Nginx) -> None:
        files = open_files(engine.pid)
        before = engine.query("select coalesce(max(id), 0) from flows")[0][0]
        data = b"".join([frame(HEADERS, 5, n, head(path=b"/1g")) for n in range(1, 201, 2)])
        async with watching(engine, "a.test", "/1k", nginx.file("1k")) as cost:
            for _ in range(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
                writer.write(PREFACE + SETTINGS + data)
                await read_all(reader, lambda frames: sum(one.kind == 0 for one in frames) > 3)
                vanish(writer)
        rows = f"select count(*) from flows where id > {before} and error like '%connection%'"
        await asyncio.to_thread(wait_for, lambda: engine.query(rows)[0][0] == 500, "500 rows")
        await asyncio.to_thread(wait_for, lambda: open_files(engine.pid) <= files, "files to close")
        print(f"500 streams of clients that vanish: {cost}")
        assert cost.cpu < 4
        assert cost.grown < 64 * MIB


def resets(frames: list[Frame]) -> int:
    """How many streams were reset."""
    return len({one.stream for one in frames if one.kind == RST_STREAM})


async def read_all(
    reader: asyncio.StreamReader, enough: Callable[[list[Frame]], bool]
) -> list[Frame]:
    """What comes until it is enough."""
    said = b""
    async with asyncio.timeout(20):
        while not enough(found := frames_of(said)):
            data = await reader.read(65536)
            assert data, found
            said += data
    return found


class TestSilence:
    """Clients who begin and say no more, or next to nothing: 20 of each kind."""

    @on_uvloop
    async def test_each_is_ended_by_its_time_limit(self, tmp_path: Path, nginx: Nginx) -> None:
        limits = [f"--{name}-timeout=1s" for name in ("head", "idle", "handshake", "body")]
        options = f"--mode=reverse:{nginx.http}", "--upstream-http=1.1", *limits
        kinds = [
            (PREFACE, b"", None, ""),
            (PREFACE + SETTINGS[:7], b"", None, "no complete handshake within 1 s"),
            (PREFACE + SETTINGS, b"", Code.NO_ERROR, ""),
            (PREFACE + SETTINGS + get(1)[:20], bytes(1), CALM, "no complete request head"),
            (
                PREFACE + SETTINGS + get(1, flags=1),
                frame(CONTINUATION, 0, 1),
                CALM,
                "no complete request head within 1 s",
            ),
        ]
        with Engine(tmp_path, *options) as engine:
            async with watching(engine, "a.test", "/1k", nginx.file("1k")) as cost:
                ends = await asyncio.gather(
                    *(dribble(engine.port, *kind[:2]) for kind in kinds for _ in range(20))
                )
            for _, _, _, words in kinds:
                await asyncio.to_thread(self.wait_for_rows, engine, words)
            status = await asyncio.to_thread(engine.status)
        print(f"{len(ends)} silent clients: {cost}")
        for number, (_, _, code, _) in enumerate(kinds):
            for frames in ends[number * 20 : number * 20 + 20]:
                assert code is None or code_of(frames, 0) == code
        assert status["connections"] == 0

    @staticmethod
    def wait_for_rows(engine: Engine, words: str) -> None:
        if words:
            rows = f"select count(*) from flows where error like '%{words}%'"
            wait_for(lambda: engine.query(rows)[0][0] >= 20, f"20 rows: {words}")

    @on_uvloop
    async def test_after_the_handshake_of_tls(self, tmp_path: Path, nginx: Nginx) -> None:
        options = f"--mode=reverse:{nginx.http}", "--handshake-timeout=1s", "--upstream-http=1.1"
        with Engine(tmp_path, *options) as engine:
            context = ssl.create_default_context(cafile=engine.ca)
            context.set_alpn_protocols(["h2"])
            async with watching(engine, "a.test", "/1k", nginx.file("1k")):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", engine.port, ssl=context, server_hostname="localhost"
                )
                assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
                async with asyncio.timeout(6):
                    await reader.read()
                writer.close()


async def dribble(port: int, begin: bytes, again: bytes) -> list[Frame]:
    """Send `begin`, then `again` every 200 ms; what comes until the proxy ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    reading = asyncio.ensure_future(read_to_end(reader))
    async with asyncio.timeout(10):
        while not (await asyncio.wait([reading], timeout=0.2))[0]:
            if again:
                writer.write(again)
    writer.close()
    return frames_of(await reading)
