"""One exchange: a request goes to a server, its response to the client, and both into the store.

This is the path of every flow, whatever the mode. It runs in the task of the client's connection
and makes none of its own: both directions move in one loop (`_pump`), which waits for whichever
stream changes first. The first thing that fails ends the exchange, and `tell_failure` says so.
"""

from __future__ import annotations

import asyncio
import time

from rama_proxy.errors import PeerClosed, PeerStalled, RamaError, UpstreamError, UpstreamTimeout
from rama_proxy.hooks import Hooks
from rama_proxy.model.connection import Address
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Message, Response
from rama_proxy.net.channel import Channel
from rama_proxy.net.waiting import changed
from rama_proxy.protocols import http1
from rama_proxy.relay.answer import tell_failure
from rama_proxy.relay.editing import editing_of
from rama_proxy.relay.edits import EDITED_REQUEST, rebuilt
from rama_proxy.relay.http1_sides import ClientSide, ServerSide
from rama_proxy.relay.wiring import Conn, close_upstream, open_upstream

monotonic = time.monotonic
MAX_INFORMATIONAL = 100  # 1xx responses kept of one exchange; all of them are passed on
MAX_RESEND = 64 * 1024  # bytes of a request kept to send it again on a new connection
MAX_TURNS = 4  # reads of what is there before others have their turn; tiny chunks take many
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 9.2.2


class Exchange:
    """The state of one exchange. `upgraded` is set when the connection is no longer HTTP."""

    __slots__ = (
        "assigned",
        "client",
        "conn",
        "editing",
        "flow",
        "informational",
        "keep",
        "resend",
        "server",
        "upgraded",
    )

    def __init__(self, conn: Conn, flow: Flow) -> None:
        request = flow.request
        self.conn = conn
        self.flow = flow
        self.client = ClientSide(conn.client, request)
        self.server: ServerSide | None = None
        self.assigned = (request.scheme, request.host, request.port)
        self.editing = editing_of(conn, flow, self.client)
        self.resend = b""
        self.informational: list[Response] = []
        self.keep = http1.keeps_alive(request)
        self.upgraded = False

    async def run(self) -> bool:
        """Carry the exchange out; gives whether the client's connection can take another."""
        conn, flow = self.conn, self.flow
        hooks = conn.wiring.hooks
        try:
            editing = self.editing
            if editing is not None:
                await editing.request()
                if flow.response is not None:
                    await editing.answer()
                    self.keep = self.keep and self.client.body_done
            if flow.response is None:
                server = await self._open()
                self._send_request(server)
                await self._pump(server)
        except RamaError as error:
            self.keep = False
            await self._fail(hooks, error)
        except BaseException as error:
            if self.server is not None:
                self.server.stream.close()
            if self.client.head_sent:
                conn.client.reset()  # a part of a response must not look whole
            conn.wiring.capture.break_off(flow, error)
            raise
        if not self.upgraded:
            conn.wiring.capture.end(flow)
        return self.keep

    async def _fail(self, hooks: Hooks, error: RamaError) -> None:
        tell_failure(self.flow, self.client, error)
        if self.server is not None:
            stream = self.server.stream
            if isinstance(error, UpstreamError):
                stream.info.error = stream.info.error or str(error)
            if not stream.writable:
                stream.reset()  # it does not take what was sent, and would never see an end
            await close_upstream(self.conn, stream)
        if hooks.error:
            await hooks.run(hooks.error, self.flow)

    # --- the request

    def _send_request(self, server: ServerSide) -> None:
        """Send the head, and what there is of the body, to the server in one piece."""
        flow = self.flow
        request = flow.request
        if flow.notes and EDITED_REQUEST in flow.notes:
            request = rebuilt(request)
        if self.conn.host_header and (note := http1.set_host(request, self.conn.host_header)):
            flow.notes.append(note)
        head, notes = http1.hop_request(request, absolute=False)
        if notes:
            flow.notes.extend(notes)
        if self.editing is not None and self.editing.held is not None:
            head += b"".join(self.editing.held)
        elif not self.client.body_done:
            wire, payload = self.client.read_body()
            if wire:
                head += wire
                self._keep(flow.request, payload)
        if server.reused and len(head) <= MAX_RESEND and request.method in IDEMPOTENT:
            self.resend = head
        server.stream.write(head)
        if self.client.body_done:
            self._request_sent(server)

    def _request_sent(self, server: ServerSide) -> None:
        request, timing = self.flow.request, self.flow.timing
        timing.request_end = monotonic()
        request.body.complete = True
        if request.trailers is None:
            request.trailers = self.client.trailers
        self.client.stream.phase = None
        if timing.response_begin is None:
            server.stream.phase = self.conn.wiring.phases.response_head
            server.stream.since = timing.request_end

    # --- the server

    async def _open(self) -> ServerSide:
        """A connection to the server: one that waits, or a new one."""
        conn, flow = self.conn, self.flow
        request = flow.request
        scheme, address = self._destination()
        stream, reused = conn.pool.take((scheme, *address))
        if stream is not None and not conn.pool.usable(stream):
            await close_upstream(conn, stream)
            stream, reused = None, False
        if stream is None:
            try:
                if conn.problem is not None and address == conn.target:
                    raise conn.problem
                stream = await open_upstream(conn, scheme, address)
            finally:
                flow.server = conn.server
        flow.server = stream.info
        options = conn.wiring.options
        self.server = ServerSide(stream, request.method, options.max_head, options.max_fields)
        self.server.reused = reused
        return self.server

    def _destination(self) -> tuple[str, Address]:
        """Where the request goes: the connection's target, unless an addon chose another place."""
        conn, request = self.conn, self.flow.request
        asked = (request.scheme, request.host, request.port)
        if conn.target is not None and asked == self.assigned:
            return conn.scheme, conn.target
        return asked[0], (asked[1], asked[2])

    async def _reopen(self, server: ServerSide) -> None:
        """The server closed a waiting connection as we used it: try once more on a new one.

        RFC 9112 9.3.1; only when nothing of a response came and the whole request is at hand.
        """
        await close_upstream(self.conn, server.stream)
        stream: Channel = await open_upstream(self.conn, *self._destination())
        self.flow.server = stream.info
        server.stream = stream
        server.reused = False
        stream.write(self.resend)
        stream.enter(self.conn.wiring.phases.response_head)

    # --- both directions

    async def _pump(self, server: ServerSide) -> None:
        """Move bytes both ways until the response has gone to the client."""
        client, timing = self.client, self.flow.timing
        turns = 0
        while True:
            turns += 1
            moved = False
            if timing.request_end is None and server.stream.writable:
                moved = self._move_request(server)
            if timing.response_begin is None:
                if client.stream.writable or not self.informational:
                    moved = await self._move_head(server) or moved
                if self.upgraded:
                    return
            elif client.stream.writable:
                wire, payload = server.read_body()
                if wire:
                    self._move_response(wire, payload)
                    moved = True
                if server.body_done:
                    break
            if not moved:
                client.flush()
                self._check_client()
                self._time(server)
                await changed(server.stream, client.stream)
                turns = 0
            elif turns > MAX_TURNS:
                await asyncio.sleep(0)
                turns = 0
        await self._finish(server)

    def _time(self, server: ServerSide) -> None:
        """Let time run for the side whose bytes are awaited, not for one that waits itself."""
        phases, timing = self.conn.wiring.phases, self.flow.timing
        if timing.request_end is None:
            asked = server.stream.writable and timing.response_begin is None
            phase = phases.request_body if asked else None
            if self.client.stream.phase is not phase:
                self.client.stream.enter(phase)
        if timing.response_begin is not None:
            phase = phases.response_body if self.client.stream.writable else None
            if server.stream.phase is not phase:
                server.stream.enter(phase)

    def _move_request(self, server: ServerSide) -> bool:
        client = self.client
        wire, payload = client.read_body()
        if wire:
            self._keep(self.flow.request, payload)
            server.stream.write(wire)
            self.resend = b""
        if client.body_done:
            self._request_sent(server)
        return bool(wire)

    async def _move_head(self, server: ServerSide) -> bool:
        """Take the next response head, if it is there, and send it on."""
        flow = self.flow
        try:
            response = server.read_head()
        except UpstreamError as error:
            if not self.resend or server.stream.buf or isinstance(error, UpstreamTimeout):
                raise
            await self._reopen(server)
            self.resend = b""
            return True
        if response is None:
            return False
        self.resend = b""
        if response.status < 200 and response.status != 101:
            await self._pass_informational(response)
            return True
        if response.status == 101 and flow.request.headers.get_bytes(b"upgrade") is None:
            # Or its next bytes would answer requests to others (RFC 9110 15.2.2).
            raise UpstreamError("the server switched protocols unasked")
        flow.timing.response_begin = monotonic()
        flow.response = response
        response.informational = self.informational
        framing = server.start_body(response)
        if framing.kind == "tunnel":
            if self.editing is not None:
                await self.editing.upgrade()
            self.client.send_head(response, rebuilt=False)
            self.client.flush()
            self.upgraded = True
            self.keep = False
            return True
        if framing.kind == "close" or not http1.keeps_alive(response):
            self.keep = False
        if self.editing is None:
            self.client.send_head(response, rebuilt=False)
        else:
            await self.editing.response_head(response)
        return True

    async def _pass_informational(self, response: Response) -> None:
        if len(self.informational) < MAX_INFORMATIONAL:
            self.informational.append(response)
        else:
            await asyncio.sleep(0)  # who sends so many must not keep others waiting
        if response.status == 100 and self.editing is not None and self.editing.continued:
            return  # the client has had ours
        self.client.send_head(response, rebuilt=False)
        self.client.flush()

    def _move_response(self, wire: bytes, payload: bytes) -> None:
        response = self.flow.response
        assert response is not None
        if payload:
            self._keep(response, payload)
        if self.editing is None:
            self.client.send_body(wire)
        else:
            self.editing.response_data(wire, response)

    async def _finish(self, server: ServerSide) -> None:
        """The response is complete: addons see it, the client gets the rest, the server rests."""
        flow, conn = self.flow, self.conn
        response = flow.response
        assert response is not None
        response.body.complete = True
        response.trailers = server.trailers
        if self.editing is not None:
            await self.editing.response_end(response)
        self.client.flush()
        stream = server.stream
        if flow.timing.request_end is None:
            self.keep = False
            flow.notes.append("the server answered before the request was complete")
            await close_upstream(conn, stream)
        elif stream.eof or not http1.keeps_alive(response):
            await close_upstream(conn, stream)
        else:
            stream.phase = None
            scheme, address = self._destination()
            for dropped in conn.pool.give((scheme, *address), stream):
                await close_upstream(conn, dropped)

    def _keep(self, message: Message, data: bytes) -> None:
        wiring = self.conn.wiring
        wiring.capture.keep(self.flow, message.body, data, wiring.options.body_limit)

    def _check_client(self) -> None:
        """Stop when nobody is there to take the response."""
        stream = self.conn.client
        if stream.lost or (stream.eof and self.client.body_done):
            if isinstance(stream.error, PeerStalled):
                raise stream.error
            raise PeerClosed("the client closed before it had the whole response")
