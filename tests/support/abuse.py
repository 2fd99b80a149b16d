"""What a hostile or broken client does with plain sockets, and what a process holds open."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import resource
import socket
import struct
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import ParamSpec

import uvloop

P = ParamSpec("P")

NO_LINGER = struct.pack("ii", 1, 0)  # a close then sends RST

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def on_uvloop(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Run an async test on the loop of the product, which differs from asyncio's in details."""

    async def main(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            async with asyncio.timeout(50):
                await test(*args, **kwargs)
        except BaseException:  # what a failed test left open would fail it again, less clearly
            warnings.simplefilter("ignore", ResourceWarning)
            raise

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        uvloop.run(main(*args, **kwargs))

    return run


def vanish(writer: asyncio.StreamWriter | socket.socket) -> None:
    """End a connection with RST: the peer may not even be told of what it sent last."""
    if isinstance(writer, socket.socket):
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        writer.close()
        return
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()


def small_client(address: tuple[str, int]) -> socket.socket:
    """A connected socket that does not block and takes little before it is read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(address)
    sock.setblocking(False)
    return sock


def fill(sock: socket.socket, data: bytes) -> int:
    """Send as much of `data` as the kernel takes at this moment; gives how much that was."""
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < len(data):
            sent += sock.send(data[sent : sent + 65536])
    return sent


async def until(condition: Callable[[], object], what: str, seconds: float = 5) -> None:
    """Wait until `condition` is true, asked every 5 ms; fails naming `what`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited {seconds:g} s for {what}"
        await asyncio.sleep(0.005)


async def longest_turn(seconds: float) -> float:
    """How long the loop works at most before it lets others work, in seconds of this thread.

    A machine that is busy elsewhere does not count.
    """
    end = time.monotonic() + seconds
    longest = 0.0
    while time.monotonic() < end:
        begin = time.thread_time()
        await asyncio.sleep(0.001)
        longest = max(longest, time.thread_time() - begin)
    return longest


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[int]:
    """A server that does with each connection what `handler` says, on the port given."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()


def open_files(pid: int) -> int:
    """How many files and sockets a process holds open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def need_files(count: int) -> None:
    """Let this process open `count` files; fails if it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        assert hard == resource.RLIM_INFINITY or hard >= count, f"ulimit -n {count} is needed"
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def statuses(answer: bytes) -> Sequence[int]:
    """The status codes of responses without bodies that begin lines of `answer`."""
    return [
        int(line.split(b" ")[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")
    ]
