"""One exchange: a request goes to a server, its response to the client, and both into the store.

This is the path of every flow, whatever the mode. It runs in the task of the client's connection
and makes none of its own: both directions move in one loop (`_pump`), which waits for whichever
stream changes first. The first thing that fails ends the exchange, and `tell_failure` says so.
"""

from __future__ import annotations

import time

from rama_proxy.errors import PeerClosed, RamaError, UpstreamError
from rama_proxy.hooks import Hooks
from rama_proxy.model.connection import Address
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Response
from rama_proxy.net.stream import Stream, changed
from rama_proxy.protocols import http1
from rama_proxy.relay.answer import Killed, tell_failure
from rama_proxy.relay.edits import (
    EDITED_REQUEST,
    EDITED_RESPONSE,
    rebuilt,
    request_state,
    response_state,
    set_length,
    settle_request,
)
from rama_proxy.relay.http1_sides import ClientSide, ServerSide
from rama_proxy.relay.wiring import Conn, close_upstream, open_upstream

monotonic = time.monotonic
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MAX_RESEND = 64 * 1024  # bytes of a request kept to send it again on a new connection
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 9.2.2


class Exchange:
    """The state of one exchange. `upgraded` is set when the connection is no longer HTTP."""

    __slots__ = (
        "assigned",
        "client",
        "conn",
        "continued",
        "flow",
        "held",
        "informational",
        "keep",
        "resend",
        "server",
        "upgraded",
        "withheld",
    )

    def __init__(self, conn: Conn, flow: Flow) -> None:
        request = flow.request
        self.conn = conn
        self.flow = flow
        self.client = ClientSide(conn.client, request)
        self.server: ServerSide | None = None
        self.assigned = (request.scheme, request.host, request.port)
        self.held: list[bytes] | None = None  # wire bytes of a request body not sent on yet
        self.withheld: list[bytes] | None = None  # the same of a response body
        self.resend = b""
        self.continued = False
        self.informational: list[Response] = []
        self.keep = http1.keeps_alive(request)
        self.upgraded = False

    async def run(self) -> bool:
        """Carry the exchange out; gives whether the client's connection can take another."""
        conn, flow = self.conn, self.flow
        hooks = conn.wiring.hooks
        try:
            if hooks.requestheaders or hooks.request:
                await self._request_hooks(hooks)
            if flow.response is None:
                server = await self._open()
                self._send_request(server)
                await self._pump(hooks, server)
            else:
                await self._answer_here(hooks)
        except RamaError as error:
            self.keep = False
            await self._fail(hooks, error)
        except BaseException:
            flow.error = flow.error or "cut off as the proxy stopped"
            if self.server is not None:
                self.server.stream.close()
            conn.wiring.capture.end(flow)
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
            await close_upstream(self.conn, stream)
        if hooks.error:
            await hooks.run(hooks.error, self.flow)

    # --- the request

    async def _request_hooks(self, hooks: Hooks) -> None:
        """Let addons see the request, whole if one wants it whole."""
        flow, request = self.flow, self.flow.request
        before = request_state(request)
        await self._run_hook(hooks, "requestheaders")
        if hooks.request and flow.response is None:
            if not request.stream and hooks.wants_body(hooks.request, flow):
                await self._gather_request()
            await self._run_hook(hooks, "request")
        self.held = settle_request(flow, before, self.held)

    async def _run_hook(self, hooks: Hooks, name: str) -> None:
        calls = getattr(hooks, name)
        if calls:
            await hooks.run(calls, self.flow)
            if self.flow.killed:
                raise Killed("killed")

    async def _gather_request(self) -> None:
        """Read the whole request body before anything is sent on, up to the body limit."""
        client, body = self.client, self.flow.request.body
        limit = self.conn.wiring.options.body_limit
        self._continue_here()
        self.held = []
        while not client.body_done:
            wire, payload = client.read_body()
            if wire:
                self.held.append(wire)
                body.add(payload, limit)
                if body.truncated:
                    self.flow.notes.append("request body beyond the body limit: not held back")
                    return
            elif not client.body_done:
                client.stream.enter(self.conn.wiring.phases.request_body)
                await changed(client.stream)
        client.stream.phase = None
        body.complete = True
        self.flow.request.trailers = client.trailers

    def _continue_here(self) -> None:
        """Ask for a body that the client holds back until it gets a 100 (RFC 9110 10.1.1)."""
        expect = self.flow.request.headers.get_bytes(b"expect")
        if expect is not None and expect.lower() == b"100-continue" and not self.client.stream.buf:
            self.client.stream.write(CONTINUE)
            self.continued = True
            self.flow.notes.append("100 Continue sent by the proxy, to let an addon see the body")

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
        if self.held is not None:
            head += b"".join(self.held)
        elif not self.client.body_done:
            wire, payload = self.client.read_body()
            if wire:
                head += wire
                flow.request.body.add(payload, self.conn.wiring.options.body_limit)
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
        stream: Stream = await open_upstream(self.conn, *self._destination())
        self.flow.server = stream.info
        server.stream = stream
        server.reused = False
        stream.write(self.resend)
        stream.enter(self.conn.wiring.phases.response_head)

    # --- both directions

    async def _pump(self, hooks: Hooks, server: ServerSide) -> None:
        """Move bytes both ways until the response has gone to the client."""
        client, timing = self.client, self.flow.timing
        while True:
            moved = False
            if timing.request_end is None and server.stream.writable:
                moved = self._move_request(server)
            if timing.response_begin is None:
                moved = await self._move_head(hooks, server) or moved
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
                await changed(server.stream, client.stream)
        await self._finish(hooks, server)

    def _move_request(self, server: ServerSide) -> bool:
        client = self.client
        wire, payload = client.read_body()
        if wire:
            self.flow.request.body.add(payload, self.conn.wiring.options.body_limit)
            server.stream.write(wire)
            self.resend = b""
        if client.body_done:
            self._request_sent(server)
        elif client.stream.phase is None and self.flow.timing.response_begin is None:
            client.stream.enter(self.conn.wiring.phases.request_body)
        return bool(wire)

    async def _move_head(self, hooks: Hooks, server: ServerSide) -> bool:
        """Take the next response head, if it is there, and send it on."""
        flow = self.flow
        try:
            response = server.read_head()
        except UpstreamError:
            if not self.resend or server.stream.buf:
                raise
            await self._reopen(server)
            self.resend = b""
            return True
        if response is None:
            return False
        self.resend = b""
        if response.status < 200 and response.status != 101:
            self._pass_informational(response)
            return True
        flow.timing.response_begin = monotonic()
        flow.response = response
        response.informational = self.informational
        framing = server.start_body(response)
        if framing.kind == "tunnel":
            await self._run_hook(hooks, "responseheaders")
            self.client.send_head(response, rebuilt=False)
            self.client.flush()
            self.upgraded = True
            self.keep = False
            return True
        server.stream.phase = self.conn.wiring.phases.response_body
        if framing.kind == "close" or not http1.keeps_alive(response):
            self.keep = False
        await self._begin_response(hooks, response)
        return True

    def _pass_informational(self, response: Response) -> None:
        self.informational.append(response)
        if self.continued and response.status == 100:
            return  # the client has had ours
        self.client.send_head(response, rebuilt=False)
        self.client.flush()

    async def _begin_response(self, hooks: Hooks, response: Response) -> None:
        """Send the response's head on, unless an addon wants to see the whole before."""
        flow = self.flow
        if hooks.responseheaders:
            before = response_state(response)
            await self._run_hook(hooks, "responseheaders")
            if response_state(response) != before:
                flow.notes.append(EDITED_RESPONSE)
        if hooks.response and not response.stream and hooks.wants_body(hooks.response, flow):
            if response.media_type != "text/event-stream":
                self.withheld = []
                return
            flow.notes.append("an event stream is not held back: addons see it when it has ended")
        self.client.send_head(response, rebuilt=EDITED_RESPONSE in flow.notes)

    def _move_response(self, wire: bytes, payload: bytes) -> None:
        response = self.flow.response
        assert response is not None
        if payload:
            response.body.add(payload, self.conn.wiring.options.body_limit)
        if self.withheld is None:
            self.client.send_body(wire)
            return
        self.withheld.append(wire)
        if response.body.truncated:
            self.flow.notes.append("response body beyond the body limit: not held back")
            self.client.send_head(response, rebuilt=EDITED_RESPONSE in self.flow.notes)
            self.client.send_body(b"".join(self.withheld))
            self.withheld = None

    async def _finish(self, hooks: Hooks, server: ServerSide) -> None:
        """The response is complete: addons see it, the client gets the rest, the server rests."""
        flow, conn = self.flow, self.conn
        response = flow.response
        assert response is not None
        response.body.complete = True
        response.trailers = server.trailers
        if hooks.response:
            await self._response_hooks(hooks, response)
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

    async def _response_hooks(self, hooks: Hooks, response: Response) -> None:
        """Let addons see the whole response; what was withheld goes to the client after that."""
        flow = self.flow
        before = response_state(response)
        await self._run_hook(hooks, "response")
        if self.withheld is None:
            return
        wire = b"".join(self.withheld)
        self.withheld = None
        if response.body.edited:
            wire = b"" if flow.request.method == "HEAD" else bytes(response.body)
            set_length(response, response.body.size)
            response.trailers = None
        if response_state(response) != before and EDITED_RESPONSE not in flow.notes:
            flow.notes.append(EDITED_RESPONSE)
        self.client.send_head(response, rebuilt=EDITED_RESPONSE in flow.notes)
        self.client.send_body(wire)

    # --- without a server

    async def _answer_here(self, hooks: Hooks) -> None:
        """Send the response that an addon made."""
        flow, response = self.flow, self.flow.response
        assert response is not None
        flow.notes.append("answered by an addon, no server was asked")
        flow.timing.response_begin = monotonic()
        await self._run_hook(hooks, "response")
        response.body.complete = True
        if response.body.edited:
            set_length(response, response.body.size)
        self.client.send_head(response, rebuilt=True)
        bodyless = flow.request.method == "HEAD" or response.status in {204, 304}
        self.client.send_body(b"" if bodyless else bytes(response.body))
        self.keep = self.keep and self.client.body_done and http1.keeps_alive(response)

    def _check_client(self) -> None:
        """Stop when nobody is there to take the response."""
        stream = self.conn.client
        if stream.lost or (stream.eof and self.client.body_done):
            raise PeerClosed("the client closed before it had the whole response")
