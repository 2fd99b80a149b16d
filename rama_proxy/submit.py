"""Requests that no client sent (replay, compose): each becomes a flow, through `exchange`.

Owns what stands in for a client's connection, and the end of what is under way when the engine
stops. Knows nothing of who wants a request sent, and why.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

from rama_proxy.errors import ProtocolError, RamaError
from rama_proxy.model.connection import OWN, ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request
from rama_proxy.net.pool import Pool
from rama_proxy.protocols import http1, translate
from rama_proxy.protocols.websocket import is_websocket
from rama_proxy.relay.edits import set_length
from rama_proxy.relay.exchange import Exchange
from rama_proxy.relay.submitted import Nobody, Submitted
from rama_proxy.relay.versions import ONLY_1, choose_version
from rama_proxy.relay.wiring import Conn, Wiring, close_upstream

MAX_FIELDS = 1 << 16  # what was taken once is taken here
PATIENCE = 5.0  # seconds that what was cut off may take to write down how it ended


async def submit(wiring: Wiring, request: Request, *, parent: Flow | None = None) -> Flow:
    """The flow that came of sending `request`, over or failed, on a connection of its own.

    Raises ProtocolError for a request that cannot be sent at all. See `Submitter.submit`.
    """
    async with submitting(wiring) as submitter:
        return await submitter.submit(request, parent=parent)


@contextlib.asynccontextmanager
async def submitting(wiring: Wiring) -> AsyncIterator[Submitter]:
    """Somebody who sends requests, as one client that keeps its connections between them."""
    submitter = Submitter(wiring)
    try:
        yield submitter
    finally:
        await submitter.close()


class Submitter:
    """Sends requests, many at once if asked; those to one server share its connections."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self._conns: dict[tuple[bool, bool], Conn] = {}  # HTTP/2, and so without TLS too

    async def submit(self, request: Request, *, parent: Flow | None = None) -> Flow:
        """Send a copy of `request` where it says, in its version; hooks see it as any flow.

        Its raw head goes out byte for byte if it says what the fields say. `parent` is the flow
        that it repeats: the new one belongs to it, or to what that one repeats itself. A failure
        is in the flow's `error`. Raises ProtocolError for a request that cannot be sent.
        """
        problem = unfit(request)
        if problem:
            raise ProtocolError(problem)
        body, trailers = bytes(request.body), request.trailers
        request = _made_ready(request)
        conn = self._conn(request, parent)
        channel = self.wiring.dialer.sweeper.watch(Nobody(conn.client.info))
        side = Submitted(channel, request, body, trailers)
        flow = Flow(channel.info, request)
        if parent is not None:
            flow.parent_id = parent.parent_id or parent.id
        try:
            await _carry_out(conn.for_stream(channel), flow, side)
        finally:
            channel.close()
        return flow

    def _conn(self, request: Request, parent: Flow | None) -> Conn:
        """What the requests of one version share."""
        http2 = request.version == translate.HTTP2
        answer = parent.response if parent is not None else None
        plain = http2 and request.scheme == "http" and self.wiring.options.upstream_http != ONLY_1
        plain = plain and (answer is None or answer.version == translate.HTTP2)
        conn = self._conns.get((http2, plain))
        if conn is None:
            info = ConnectionInfo("client", mode=OWN, started=time.time(), opened=time.monotonic())
            conn = self._conns[http2, plain] = Conn(Nobody(info), self.wiring, Pool())
            choose_version(conn, http2=http2)
            conn.prior_knowledge = conn.prior_knowledge or plain
        return conn

    async def close(self) -> None:
        """Close the connections."""
        conns = list(self._conns.values())
        self._conns.clear()
        for conn in conns:
            for stream in [*conn.pool.drain(), *conn.links.drain()]:
                await close_upstream(conn, stream)
            conn.client.close()
            self.wiring.capture.closed(conn.client.info)


async def _carry_out(conn: Conn, flow: Flow, side: Submitted) -> None:
    capture = conn.wiring.capture
    capture.begin(flow)
    try:
        exchange = Exchange(conn, flow, side)
        await exchange.run()
        if exchange.upgraded:
            assert exchange.server is not None
            exchange.server.close()
            flow.notes.append("the server switched protocols, and nobody was there to speak")
            capture.end(flow)
    except BaseException as error:
        capture.break_off(flow, error)
        raise


def unfit(request: Request) -> str:
    """Why `request` cannot be sent without a client, "" if it can."""
    if request.method == "CONNECT" and not request.protocol:
        return "a CONNECT opens a tunnel, and nobody is there to use it"
    if request.protocol or is_websocket(request.headers.get("upgrade")):
        return "it opens a WebSocket, and nobody is there to speak"
    if not request.host or request.scheme not in {"http", "https"}:
        return "it names no server"
    body = request.body
    if body.truncated:
        return f"only a part of its body of {body.size} bytes was kept"
    if not body.complete and not _is_all(request):
        return "its body never came to an end"
    return ""


def _is_all(request: Request) -> bool:
    """Whether a body that nobody read to its end is whole: a server was missing, as a rule."""
    if request.version != translate.HTTP2:
        framing = http1.request_framing(request)
        return framing.kind != "chunked" and framing.length == request.body.size
    length = request.headers.get("content-length")
    bare = request.method in {"GET", "HEAD", "OPTIONS", "DELETE"} and not request.body.size
    return bare if length is None else length == str(request.body.size)


def _made_ready(request: Request) -> Request:
    """A copy whose head is final; its body is counted anew as it goes out."""
    edited, size = request.body.edited, len(bytes(request.body))
    copy = request.copy()
    copy.body.chunks, copy.body.size = [], 0
    copy.body.complete = copy.body.edited = copy.stream = False
    copy.trailers = None
    if edited and (size or copy.headers.get_bytes(b"content-length") is not None):
        set_length(copy, size)
    if copy.version != translate.HTTP2 and not _is_said_by_raw(copy):
        copy.raw = http1.serialize_request(copy)
    return copy


def _is_said_by_raw(request: Request) -> bool:
    """Whether `raw` is a head that says what the fields do."""
    found = http1.parse_request(bytearray(request.raw), MAX_FIELDS) if request.raw else None
    return found is not None and _said(found[0]) == _said(request)


def _said(request: Request) -> tuple[object, ...]:
    return (request.method, request.target, request.version, request.headers)


class Submissions:
    """Everything that is being sent without a client; the engine ends it when it stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._none = asyncio.Event()  # is under way
        self._closed = False

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Around one request, in the task that sends it. Raises RamaError once it is closed."""
        if self._closed:
            raise RamaError("the proxy is stopping and sends nothing more")
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._none.clear()
        try:
            yield
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._none.set()

    def close(self) -> None:
        """Let nothing more begin."""
        self._closed = True

    async def drain(self, seconds: float) -> int:
        """Wait for what is under way, then cut the rest off. Gives how much that was."""
        if self._tasks and seconds > 0:
            await self._ended(seconds)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await self._ended(PATIENCE)
        return len(left)

    async def _ended(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()
