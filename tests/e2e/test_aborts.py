"""Clients that reset their connections at any moment of any exchange: nothing of them stays."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.abuse import on_uvloop, open_files, until, vanish
from tests.support.engine import Engine
from tests.support.hellos import CURL_7_88

BODY = bytes(300_000)
TOGETHER = 100  # aborts at once


class Origin:
    """Answers /slow never, anything else with BODY; knows its connections."""

    def __init__(self) -> None:
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST"):
                    await reader.readexactly(len(BODY))
                if b"/slow" in head:
                    await reader.read()
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY))
                writer.write(BODY)
                await writer.drain()
        self.writers.discard(writer)
        writer.close()


Conversation = Callable[[bytes], tuple[bytes, int]]  # what is sent, how much may come back
KINDS: list[Conversation] = [
    lambda host: (b"GET http://%b/ HTTP/1.1\r\nHost: %b\r\n\r\n" % (host, host), len(BODY)),
    lambda host: (b"GET http://%b/slow HTTP/1.1\r\nHost: %b\r\n\r\n" % (host, host), 0),
    lambda host: (
        b"POST http://%b/ HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (host, host, len(BODY), BODY),
        len(BODY),
    ),
    lambda host: (
        b"POST http://%b/slow HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
        % (host, host)
        + b"3e8\r\n%b\r\n" % bytes(1000) * 100,
        0,
    ),
    lambda host: (
        b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (host, host)
        + b"\x16\x03\x01%b" % len(CURL_7_88).to_bytes(2, "big")
        + CURL_7_88,
        39,
    ),
    lambda host: (b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n\x00raw" % (host, host), 39),
    lambda host: (
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + int(host[10:]).to_bytes(2, "big"),
        12,
    ),
]


async def abort(engine: Engine, host: bytes, chance: random.Random) -> None:
    """One conversation, broken off at a moment that `chance` chooses."""
    data, answer = chance.choice(KINDS)(host)
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    end = chance.choice((chance.randrange(len(data)), len(data)))
    while data[:end] and chance.random() < 0.7:
        part, end = data[: chance.randrange(end) + 1], end
        writer.write(part)
        data, end = data[len(part) :], end - len(part)
        await asyncio.sleep(0)
    writer.write(data[:end])
    wanted = chance.choice((0, chance.randrange(answer + 1)))
    if end == len(data) and wanted:
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(1):
                await reader.readexactly(min(wanted, answer))
    vanish(writer)


async def abort_often(area: Path, count: int) -> None:
    """Abort `count` times; the server's ends, files and flows of each are gone within a second."""
    chance = random.Random(1)
    origin = Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, backlog=512)
    host = b"127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    with Engine(area) as engine:
        await asyncio.gather(*(abort(engine, host, chance) for _ in range(TOGETHER)))
        await until(lambda: not origin.writers, "the first aborts to reach the server")
        files = open_files(engine.pid)
        longest = 0.0
        for _ in range(count // TOGETHER - 1):
            await asyncio.gather(*(abort(engine, host, chance) for _ in range(TOGETHER)))
            begin = time.monotonic()
            await until(lambda: not origin.writers, "the aborts to reach the server")
            longest = max(longest, time.monotonic() - begin)
        assert longest < 1
        status = await asyncio.to_thread(engine.status)
        assert (status["connections"], status["active"]) == (0, 0)
        assert open_files(engine.pid) <= files + 2
        query = "select count(*) from flows where state not in ('done', 'error')"
        assert engine.query(query) == [(0,)]
        query = "select count(*) from flows where state = 'error' and error not like '%client%'"
        assert engine.query(query) == [(0,)]
        assert engine.query("select count(*) from flows")[0][0] > count / 4
    server.close()


@on_uvloop
async def test_2000_aborts(tmp_path: Path) -> None:
    await abort_often(tmp_path, 2000)


@pytest.mark.soak
def test_10000_aborts(tmp_path: Path) -> None:
    asyncio.run(abort_often(tmp_path, 10_000))
