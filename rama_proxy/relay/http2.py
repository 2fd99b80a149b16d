"""Requests of a client that speaks HTTP/2: a task for each stream, each through `exchange`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rama_proxy.addon import Http2StartData
from rama_proxy.errors import PeerTimeout, ProtocolError, RamaError
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Field, Headers, to_text
from rama_proxy.model.message import Request, split_authority
from rama_proxy.net.waiting import Phase, changed
from rama_proxy.protocols.http2_events import Code, Fault, RequestHead
from rama_proxy.protocols.translate import HTTP2, request_of
from rama_proxy.relay.answer import refuse
from rama_proxy.relay.copy import note_failure
from rama_proxy.relay.exchange import Exchange
from rama_proxy.relay.http2_link import Link
from rama_proxy.relay.http2_sides import Http2Client
from rama_proxy.relay.http2_stream import Http2Stream
from rama_proxy.relay.places import place
from rama_proxy.relay.sides import ClientSide
from rama_proxy.relay.wiring import Conn

Connect = Callable[[Conn, Flow, ClientSide], Awaitable[None]]
Upgrade = Callable[[Conn, Exchange], Awaitable[None]]
Tunnel = Callable[[Conn], Awaitable[None]]

EXTRA_TASKS = 64  # of streams that have ended, and whose exchange has not noticed yet


async def serve(conn: Conn, on_connect: Connect, on_upgrade: Upgrade) -> None:
    """Serve requests until the client leaves or breaks the protocol.

    A CONNECT goes to `on_connect`, a stream that changed its protocol to `on_upgrade`; both carry
    the stream to its end.
    """
    await _Server(conn, on_connect, on_upgrade).run()


class _Server:
    """One client's connection."""

    def __init__(self, conn: Conn, on_connect: Connect, on_upgrade: Upgrade) -> None:
        wiring = conn.wiring
        self.conn = conn
        self.on_connect = on_connect
        self.on_upgrade = on_upgrade
        self.link = Link(conn.client, wiring.dialer.sweeper, wiring.limits, client=False)
        self.link.on_request = self._on_request
        self.link.on_change = self._let_time_run
        self.half = 0  # the head that has begun and is not whole
        self.tasks: set[asyncio.Task[None]] = set()
        self.started = False  # the first request came
        self.most = wiring.limits.max_streams + EXTRA_TASKS

    async def run(self) -> None:
        conn, link = self.conn, self.link
        channel = conn.client
        link.start()
        try:
            self._let_time_run()
            while not link.ended:
                await changed(link.over)
            if self.tasks:
                await asyncio.wait(self.tasks)
        except BaseException:
            for task in self.tasks:
                task.cancel()
            if self.tasks:
                await asyncio.wait(self.tasks)
            raise
        finally:
            if not link.http2.closed:
                code = Code.ENHANCE_YOUR_CALM if self.half else Code.NO_ERROR
                link.http2.goaway(code, final=True)
            link.detach()
            link.on_request = link.on_change = None
        problem: RamaError | None = link.fault
        if isinstance(channel.error, PeerTimeout) and (self.half or not link.settled):
            problem = problem or channel.error
        if problem is not None:
            channel.info.error = channel.info.error or str(problem)
            await note_failure(conn, "tcp", problem)
            await channel.linger(conn.wiring.phases.linger)
        elif channel.error is not None and not isinstance(channel.error, PeerTimeout):
            channel.info.error = channel.info.error or str(channel.error)

    def _let_time_run(self) -> None:
        """Time runs for what the client owes: its preface, the rest of a head, a next request."""
        link, channel, phases = self.link, self.conn.client, self.conn.wiring.phases
        if link.ended:
            return
        half = link.http2.half_head
        if not link.settled:
            phase: Phase | None = phases.preface
        elif half:
            phase = phases.head  # nothing else can come before its end, on any stream
        else:
            phase = None if self.tasks or link.streams else phases.idle
        if channel.phase is not phase or half != self.half:
            self.half = half
            channel.enter(phase)

    # --- streams

    def _on_request(self, event: RequestHead | Fault) -> None:
        link = self.link
        if len(self.tasks) >= self.most:
            link.http2.reset(event.stream, Code.REFUSED_STREAM)
            return
        if isinstance(event, Fault):
            work = self._refuse(event)
        else:  # the stream at once: its data may be the next event
            stream = link.make_stream(event.stream)
            stream.eof = event.end_stream
            work = self._serve(event, stream)
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not self.tasks:
            self._let_time_run()
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a stream's task failed", "exception": error, "task": task}
            )

    async def _start(self) -> None:
        """With the first request: say how the client began."""
        self.started = True
        info, hooks = self.conn.client.info, self.conn.wiring.hooks
        if hooks.http2_start:
            await hooks.run(hooks.http2_start, Http2StartData(info, self.link.http2.start))

    async def _serve(self, head: RequestHead, stream: Http2Stream) -> None:
        """One request, from its head to the end of its stream."""
        conn = self.conn
        capture = conn.wiring.capture
        request = request_of(head)
        flow = Flow(conn.client.info, request)
        capture.begin(flow)
        client = Http2Client(stream, flow)
        try:
            if not self.started:
                await self._start()
            await self._run(conn.for_stream(stream), flow, client)
        except BaseException as error:
            capture.break_off(flow, error)
            stream.abort(Code.INTERNAL_ERROR)
            raise
        finally:
            stream.close()
            _forget_frames(stream.error)

    async def _run(self, conn: Conn, flow: Flow, client: Http2Client) -> None:
        request = flow.request
        if request.method == "CONNECT" and not request.protocol and conn.target is None:
            conn.client = _tunnel_end(client.stream)
            await self.on_connect(conn, flow, client)
            return
        try:
            place(conn, request)
        except ProtocolError as error:
            await refuse(conn, flow, error, client)
            return
        exchange = Exchange(conn, flow, client)
        await exchange.run()
        if exchange.upgraded:
            await self.on_upgrade(conn, exchange)

    async def _refuse(self, fault: Fault) -> None:
        """A row for a request that was malformed, and was answered with RST_STREAM."""
        if not self.started:
            await self._start()
        conn = self.conn
        flow = Flow(conn.client.info, malformed(conn, fault.fields))
        flow.notes.append("malformed: never sent on")
        flow.error = fault.message
        conn.wiring.capture.begin(flow)
        if conn.wiring.hooks.error:
            await conn.wiring.hooks.run(conn.wiring.hooks.error, flow)
        conn.wiring.capture.end(flow)


def malformed(conn: Conn, fields: list[Field]) -> Request:
    """The request that malformed fields were meant to be, as far as they say."""
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    headers = Headers.of([field for field in fields if not field[0].startswith(b":")])
    request = Request(to_text(pseudo.get(b":method", b""))[:32], b"", HTTP2, headers)
    request.target = pseudo.get(b":path", b"")[:1024]
    request.scheme = conn.scheme
    request.authority = to_text(pseudo.get(b":authority", b""))[:256]
    if conn.target is not None:
        request.host, request.port = conn.target
    else:
        try:
            request.host = split_authority(request.authority)[0]
        except ValueError:
            request.host = request.authority
    return request


def _tunnel_end(stream: Http2Stream) -> Http2Stream:
    """The stream of a CONNECT, with the facts of a connection of its own."""
    outer = stream.info
    stream.info = ConnectionInfo(
        "client",
        peer=outer.peer,
        local=outer.local,
        mode=outer.mode,
        started=outer.started,
        opened=outer.opened,
    )
    return stream


def _forget_frames(error: RamaError | None) -> None:
    """Drop the traceback: its frames hold the stream, and the stream holds the error."""
    if error is not None:
        error.__traceback__ = None
