"""What HTTP/2 servers do to hurt, to the real command: what the client gets, the row, the cost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rama_proxy.protocols.http2_events import Code
from tests.support.abuse import on_uvloop, server
from tests.support.engine import Engine
from tests.support.http2_ends import Exchange, Http2End, http2_client, http2_origin, request_fields
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
    head,
)
from tests.support.peers import wait_for
from tests.support.watching import MIB, watching

AT_ONCE = 3
OK = b"\x88"  # :status 200
HINT = b"\x08\x03103"  # :status 103
CALM, PROTOCOL, FLOW = Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR, Code.FLOW_CONTROL_ERROR
LATE = Code.INTERNAL_ERROR  # what a client gets in the middle of a response


@dataclass(frozen=True, slots=True)
class Attack:
    """What a server sends for a request, and what comes of it.

    `answer` is the status that the client gets, or the code of its stream's reset; None where it
    depends on when the parts arrive. `said` is the code that the server gets: of a GOAWAY, or with
    `stream` of a RST_STREAM.
    """

    data: bytes
    answer: bytes | int | None
    said: Code | None
    words: str
    stream: int = 0
    closes: bool = False  # the server ends the connection behind it


def response(block: bytes = OK, flags: int = 4) -> bytes:
    """HEADERS on the request's stream."""
    return frame(HEADERS, flags, 1, block)


def goaway(last: int, code: int = 0) -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, 0, last.to_bytes(4) + code.to_bytes(4))


BAD = b"502"
FLOODS = {
    "SETTINGS": Attack(SETTINGS * 50_000, BAD, CALM, "1000 SETTINGS in 10 seconds"),
    "SETTINGS of many values": Attack(
        frame(4, 0, 0, b"\0\4\0\0\xff\xff" * 2700) * 500, BAD, CALM, "2700 values"
    ),
    "PING": Attack(frame(PING, 0, 0, bytes(8)) * 50_000, BAD, CALM, "1000 PING in 10 seconds"),
    "GOAWAY": Attack(goaway(9) * 50_000, BAD, CALM, "1000 GOAWAY in 10 seconds"),
    "WINDOW_UPDATE": Attack(
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 50_000, BAD, CALM, "1000 WINDOW_UPDATE"
    ),
    "PRIORITY": Attack(
        frame(PRIORITY, 0, 1, b"\0\0\0\3\x0f") * 50_000, BAD, CALM, "1000 PRIORITY in 10 seconds"
    ),
    "RST_STREAM": Attack(
        frame(RST_STREAM, 0, 1, b"\0\0\0\x08") * 50_000, Code.CANCEL, CALM, "reset the stream"
    ),
    "empty DATA": Attack(
        response() + frame(DATA, 0, 1) * 50_000, None, CALM, "1000 empty DATA in 10 seconds"
    ),
    "CONTINUATION": Attack(
        frame(HEADERS, 0, 1, OK) + frame(CONTINUATION, 0, 1, field(b"x", b"y" * 1000)) * 2000,
        BAD,
        CALM,
        "17 CONTINUATION",
    ),
    "1xx": Attack(
        response(HINT) * 30_000, CALM, CALM, "1xx heads of more than 65536 bytes", stream=1
    ),
    "frames that nobody knows": Attack(frame(0x55, 0, 0) * 50_000, BAD, CALM, "1000 other frames"),
    "an HPACK bomb": Attack(
        response(OK + b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 8000),
        BAD,
        CALM,
        "head of more than 65536 bytes",
    ),
}

BROKEN = {
    "PUSH_PROMISE": Attack(
        frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2" + head()), BAD, PROTOCOL, "push is off"
    ),
    "HEADERS on a stream of its own": Attack(
        frame(HEADERS, 5, 2, OK), BAD, PROTOCOL, "HEADERS on idle stream 2"
    ),
    "DATA on an idle stream": Attack(
        frame(DATA, 1, 9, b"x"), BAD, PROTOCOL, "DATA on idle stream 9"
    ),
    "RST_STREAM on an idle stream": Attack(
        frame(RST_STREAM, 0, 9, bytes(4)), BAD, PROTOCOL, "RST_STREAM on idle stream 9"
    ),
    "a broken header block": Attack(
        response(b"\xff\xff\xff\xff\x0f"), BAD, Code.COMPRESSION_ERROR, "does not decode"
    ),
    "a frame beyond its size": Attack(
        b"\xff\xff\xff\0\0\0\0\0\1", BAD, Code.FRAME_SIZE_ERROR, "16384 allowed"
    ),
    "more than the window of a stream": Attack(
        response() + frame(DATA, 0, 1, bytes(16384)) * 2000, FLOW, FLOW, "the stream's window", 1
    ),
    "a window of 4 GiB": Attack(
        frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), BAD, FLOW, "2**31 - 1"
    ),
    "HTTP/1": Attack(
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", BAD, Code.FRAME_SIZE_ERROR, "4.2"
    ),
    "DATA before the head": Attack(
        frame(DATA, 1, 1, b"x"), PROTOCOL, PROTOCOL, "DATA before the head", 1
    ),
    "no :status": Attack(response(field(b"x", b"y")), PROTOCOL, PROTOCOL, "with :status", 1),
    "status 101": Attack(response(b"\x08\x03101"), PROTOCOL, PROTOCOL, "status 101", 1),
    "CR and LF in a field": Attack(
        response(OK + field(b"x", b"a\r\nb: c")), PROTOCOL, PROTOCOL, "bad character in b'x'", 1
    ),
    "transfer-encoding": Attack(
        response(OK + field(b"transfer-encoding", b"chunked")),
        PROTOCOL,
        PROTOCOL,
        "transfer-encoding",
        1,
    ),
    "less than content-length": Attack(
        response(OK + field(b"content-length", b"9")) + frame(DATA, 1, 1, b"x"),
        PROTOCOL,
        None,  # both have ended the stream
        "body of 1 bytes, content-length 9",
    ),
    "more than content-length": Attack(
        response(OK + field(b"content-length", b"1")) + frame(DATA, 1, 1, b"xyz"),
        PROTOCOL,
        PROTOCOL,
        "body of 3 bytes, content-length 1",
        1,
    ),
}

ENDS = {
    "RST_STREAM before the head": Attack(
        frame(RST_STREAM, 0, 1, b"\0\0\0\2"), Code.INTERNAL_ERROR, None, "INTERNAL_ERROR"
    ),
    "RST_STREAM behind the head": Attack(
        response() + frame(RST_STREAM, 0, 1, b"\0\0\0\x0b"), CALM, None, "ENHANCE_YOUR_CALM"
    ),
    "RST_STREAM with a code that nobody knows": Attack(
        frame(RST_STREAM, 0, 1, b"\xff\xff\xff\xff"), 0xFFFFFFFF, None, "code 0xffffffff"
    ),
    "GOAWAY that leaves every request out, again and again": Attack(
        goaway(0), Code.REFUSED_STREAM, None, "REFUSED_STREAM"
    ),
    "RST_STREAM with REFUSED_STREAM, and then nothing": Attack(
        frame(RST_STREAM, 0, 1, b"\0\0\0\7"), b"504", None, "sent no response within 1 s"
    ),
    "an end without a word": Attack(b"", BAD, None, "connection ended", closes=True),
    "an end in the body": Attack(
        response() + frame(DATA, 0, 1, b"x"), LATE, None, "connection ended", closes=True
    ),
    "an end in a header block": Attack(
        frame(HEADERS, 0, 1, OK), BAD, None, "connection ended", closes=True
    ),
    "nothing at all": Attack(b"", b"504", None, "sent no response within 1 s"),
    "a header block without end": Attack(
        frame(HEADERS, 0, 1, OK), b"504", None, "sent no response within 1 s"
    ),
    "a body without end": Attack(
        response() + frame(DATA, 0, 1, b"x"), LATE, None, "sent no response body data within 1 s"
    ),
}
ATTACKS = FLOODS | BROKEN | ENDS


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """`rama capture` that speaks HTTP/2 to every server, for all attacks."""
    limits = "--response-timeout=1s", "--stream-timeout=1s"
    with Engine(tmp_path_factory.mktemp("hostile"), "--upstream-http=2", *limits) as running:
        yield running


async def healthy(end: Http2End, exchange: Exchange) -> None:
    """The server of the neighbours."""
    end.answer(exchange, [(b":status", b"200"), (b"content-length", b"2")], b"hi")


class Hostile:
    """A server of one attack. `said` is what it got on each connection."""

    def __init__(self, attack: Attack, *, settings: bool = True) -> None:
        self.attack = attack
        self.settings = settings
        self.said: list[list[Frame]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(PREFACE)
        said = b""
        if self.settings:
            writer.write(SETTINGS)
        while not any(one.kind == HEADERS for one in frames_of(said)):
            data = await reader.read(65536)
            if not data:
                return
            said += data
        reading = asyncio.ensure_future(self._read(reader, said))
        data = self.attack.data
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(data), 65536):
                writer.write(data[at : at + 65536])
                await writer.drain()
                if reading.done():
                    break
        if self.attack.closes:
            writer.close()
        self.said.append(frames_of(await reading))

    @staticmethod
    async def _read(reader: asyncio.StreamReader, said: bytes) -> bytes:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                said += data
        return said


async def ask(engine: Engine, port: int) -> Exchange:
    """What a client of its own gets from the server."""
    fields = request_fields("/")
    fields[1] = (b":authority", b"127.0.0.1:%d" % port)
    async with http2_client(*await asyncio.open_connection("127.0.0.1", engine.port)) as client:
        return await client.ask(fields)


@pytest.mark.parametrize("name", ATTACKS)
@on_uvloop
async def test_attack(engine: Engine, name: str) -> None:
    attack = ATTACKS[name]
    before = engine.query("select coalesce(max(id), 0) from flows")[0][0]
    hostile = Hostile(attack)
    async with server(hostile) as port, http2_origin(healthy) as good:
        async with watching(engine, f"127.0.0.1:{good.port}", "/", b"hi") as cost:
            answers = await asyncio.gather(*(ask(engine, port) for _ in range(AT_ONCE)))
        if attack.said is not None:
            await asyncio.to_thread(
                wait_for, lambda: len(hostile.said) >= AT_ONCE, "the servers to see the end"
            )
    print(f"{name}: {cost}")
    for answer in answers:
        got = answer.status if isinstance(attack.answer, bytes) else answer.reset
        assert got == attack.answer or (attack.answer is None and answer.over), answer
    if attack.said is not None:
        codes = [code_of(frames, attack.stream) for frames in hostile.said]
        if name in FLOODS:  # who still sends as we close gets a RST, which may overtake the GOAWAY
            codes = [attack.said if code is None else code for code in codes]
        assert codes == [attack.said] * AT_ONCE
    words = attack.words.replace("'", "''")
    rows = f"select count(*) from flows where id > {before} and error like '%{words}%'"
    await asyncio.to_thread(wait_for, lambda: engine.query(rows)[0][0] == AT_ONCE, "the rows")
    assert len(hostile.said) <= AT_ONCE * 2  # a request is sent again once
    assert cost.cpu < 2
    assert cost.grown < 16 * MIB


@on_uvloop
async def test_a_server_without_settings(engine: Engine) -> None:
    hostile = Hostile(ENDS["nothing at all"], settings=False)
    async with server(hostile) as port:
        assert (await ask(engine, port)).status == b"504"
