"""Listening sockets: one task for each connection that comes in, up to a limit."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import time
from collections.abc import Awaitable, Callable

from rama_proxy.errors import StartError
from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.net.stream import Stream
from rama_proxy.net.sweeper import Sweeper

Serve = Callable[[Stream], Awaitable[None]]
RESERVED_FILES = 200  # store, logs, sockets of our own
DRAIN_STEP = 0.1  # seconds between two looks at who has come to rest


class Listener:
    """Accepts on one address and serves each connection in a task of its own."""

    def __init__(
        self, host: str, port: int, serve: Serve, limit: int, mode: str, sweeper: Sweeper
    ) -> None:
        self.sweeper = sweeper
        self.host = host
        self.port = port
        self.serve = serve
        self.limit = limit
        self.mode = mode
        self.tasks: dict[asyncio.Task[None], Stream] = {}
        self.refused = 0
        self.bound: list[Address] = []  # what `host` and `port` mean here, once open
        self.server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start to listen. Raises StartError naming the address, and a free port if it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self.server = await loop.create_server(
                self._make_stream, self.host, self.port, backlog=1024, reuse_address=True
            )
        except OSError as error:
            raise self._refusal(error) from error
        self.bound = [sock.getsockname()[:2] for sock in self.server.sockets]
        self.port = self.bound[0][1]

    def _refusal(self, error: OSError) -> StartError:
        where = f"{self.host}:{self.port}"
        if error.errno == errno.EADDRINUSE:
            free = free_port(self.host)
            hint = f"; port {free} is free: use --port {free}" if free else ""
            problem = StartError(f"cannot listen on {where}: the port is in use{hint}")
            problem.free_port = free
            return problem
        if error.errno == errno.EACCES:
            return StartError(f"cannot listen on {where}: choose a --port above 1023")
        return StartError(f"cannot listen on {where}: {error.strerror or error}")

    def _make_stream(self) -> Stream:
        info = ConnectionInfo(
            "client", mode=self.mode, started=time.time(), opened=time.monotonic()
        )
        return self.sweeper.watch(Stream(info, self._accept))

    def _accept(self, stream: Stream) -> None:
        if len(self.tasks) >= self.limit:
            self.refused += 1
            stream.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._run(stream))
        self.tasks[task] = stream
        task.add_done_callback(self._ended)

    async def _run(self, stream: Stream) -> None:
        await self.serve(stream)
        stream.close()
        await stream.gone()  # until then it has its file, and counts

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.pop(task).reset()  # whom a failure or a stop cut off must not take it for an end
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection's task failed", "exception": error, "task": task}
            )

    def close(self) -> None:
        """Accept no more; connections go on."""
        if self.server is not None:
            self.server.close()

    async def drain(self, seconds: float) -> int:
        """Wait for the connections to end, then end the rest. Gives how many were cut off.

        Those that wait for a next request end at once, others as soon as they do.
        """
        deadline = time.monotonic() + seconds
        while self.tasks and (rest := deadline - time.monotonic()) > 0:
            self._end_resting()
            await asyncio.wait(self.tasks, timeout=min(DRAIN_STEP, rest))
        left = list(self.tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=5)
        return len(left)

    def _end_resting(self) -> None:
        for stream in list(self.tasks.values()):
            if stream.phase is not None and stream.phase.resting and not stream.eof:
                stream.eof = True  # it waits for a next request and will get none
                stream.wake()


def free_port(host: str) -> int:
    """A port that is free on `host` at this moment, 0 if none can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    except OSError:
        return 0


def connection_limit(wanted: int) -> int:
    """How many clients may connect: `wanted`, or what the file limit allows with a server each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        raised = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
        if raised > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    room = max(8, (soft - RESERVED_FILES) // 2)
    return min(wanted, room) if wanted else room
