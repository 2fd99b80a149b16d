"""What an attack costs the engine, and whether its neighbours are served all the while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.engine import Engine
from tests.support.http2_ends import http2_client, request_fields
from tests.support.running import closed

MIB = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What a process has spent so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(slots=True)
class Cost:
    """`cpu` in seconds, `grown` in bytes of resident memory, `waits` of the neighbours in order."""

    cpu: float = 0.0
    grown: int = 0
    waits: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        middle, most = self.waits[len(self.waits) // 2] * 1000, self.waits[-1] * 1000
        return (
            f"{self.cpu:.2f} s CPU, {self.grown / MIB:+.1f} MiB; "
            f"{len(self.waits)} neighbours waited {middle:.0f} ms, at most {most:.0f}"
        )


@contextlib.asynccontextmanager
async def watching(engine: Engine, authority: str, path: str, body: bytes) -> AsyncIterator[Cost]:
    """Two well-behaved clients, of HTTP/2 and HTTP/1, who ask for `path` until this ends.

    Fails if an answer was wrong or late. The cost is there after the end.
    """
    cost, stop = Cost(), asyncio.Event()
    neighbours = asyncio.gather(
        _ask_http2(engine.port, authority, path, body, stop, cost.waits),
        _ask_http1(engine.port, authority, path, body, stop, cost.waits),
    )
    cpu, memory = cpu_seconds(engine.pid), engine.memory("VmRSS")
    try:
        yield cost
    finally:
        stop.set()
        await neighbours
    cost.cpu = cpu_seconds(engine.pid) - cpu
    cost.grown = engine.memory("VmRSS") - memory
    cost.waits.sort()
    assert cost.waits[len(cost.waits) * 9 // 10] < 0.5, str(cost)
    assert cost.waits[-1] < 2, str(cost)


async def _ask_http2(
    port: int, authority: str, path: str, body: bytes, stop: asyncio.Event, waits: list[float]
) -> None:
    fields = request_fields(path)
    fields[1] = (b":authority", authority.encode())
    async with http2_client(*await asyncio.open_connection("127.0.0.1", port)) as client:
        while True:
            begin = time.monotonic()
            answer = await client.ask(fields)
            waits.append(time.monotonic() - begin)
            assert (answer.status, bytes(answer.body)) == (b"200", body), answer
            if stop.is_set():
                return
            await asyncio.sleep(0.01)


async def _ask_http1(
    port: int, authority: str, path: str, body: bytes, stop: asyncio.Event, waits: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    while True:
        begin = time.monotonic()
        writer.write(request)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            assert f"content-length: {len(body)}\r\n".encode() in answer.lower(), answer
            assert await reader.readexactly(len(body)) == body
        waits.append(time.monotonic() - begin)
        if stop.is_set():
            await closed(writer)
            return
        await asyncio.sleep(0.01)
