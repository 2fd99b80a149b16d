"""One exchange: a request goes to a server, its response to the client, and both into the store.

This is the path of every flow, whatever the mode and the HTTP version of either end. It runs in the
task of the client's connection, or of its stream, and makes none of its own: both directions move
in one loop (`_pump`), which waits for whichever channel changes first. The first thing that fails
ends the exchange, and `tell_failure` says so.
"""

from __future__ import annotations

import asyncio
import time

from rama_proxy.errors import RamaError, UpstreamError
from rama_proxy.hooks import Hooks
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Response
from rama_proxy.net.waiting import changed
from rama_proxy.protocols import http1
from rama_proxy.relay.answer import tell_failure
from rama_proxy.relay.editing import editing_of
from rama_proxy.relay.edits import EDITED_REQUEST, rewrite_host
from rama_proxy.relay.recorder import Recorder
from rama_proxy.relay.sides import ClientSide, Part, ServerSide
from rama_proxy.relay.upstream import server_for, side_at_hand
from rama_proxy.relay.wiring import Conn

monotonic = time.monotonic
MAX_INFORMATIONAL = 100  # 1xx responses kept of one exchange; all of them are passed on
MAX_RESEND = 64 * 1024  # bytes of a request kept to send it again on a new connection
MAX_TURNS = 4  # reads of what is there before others have their turn; tiny chunks take many


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
        "recorder",
        "sent",
        "server",
        "upgraded",
    )

    def __init__(self, conn: Conn, flow: Flow, client: ClientSide) -> None:
        request = flow.request
        self.conn = conn
        self.flow = flow
        self.client = client
        self.server: ServerSide | None = None
        self.assigned = (request.scheme, request.host, request.port)
        self.recorder = Recorder(conn.wiring, flow)
        self.editing = editing_of(conn, flow, client, self.recorder)
        self.sent: list[Part] | None = None  # of the body, while it can be sent again
        self.informational: list[Response] = []
        self.keep = http1.keeps_alive(request)
        self.upgraded = False

    async def run(self) -> bool:
        """Carry the exchange out; gives whether the client's connection can take another."""
        conn, flow = self.conn, self.flow
        try:
            editing = self.editing
            if editing is not None:
                await editing.request()
                if flow.response is not None:
                    await editing.answer()
                    self.keep = self.keep and self.client.body_done
            if flow.response is None:
                server = side_at_hand(conn, flow, self.assigned)
                self.server = server or await server_for(conn, flow, self.assigned)
                self._send_request(self.server)
                await self._pump(self.server)
        except RamaError as error:
            self.keep = False
            await self._fail(conn.wiring.hooks, error)
        except BaseException as error:
            if self.server is not None:
                self.server.close()
            if self.client.head_sent:
                self.client.stream.reset()  # a part of a response must not look whole
            self.recorder.end()
            conn.wiring.capture.break_off(flow, error)
            raise
        self.recorder.end()
        if not self.upgraded:
            conn.wiring.capture.end(flow)
        return self.keep

    async def _fail(self, hooks: Hooks, error: RamaError) -> None:
        tell_failure(self.flow, self.client, error)
        if self.server is not None:
            await self.server.drop(error)
        if hooks.error:
            await hooks.run(hooks.error, self.flow)

    # --- the request

    def _send_request(self, server: ServerSide) -> None:
        """Send the head, and what there is of the body, to the server in one piece."""
        flow, client = self.flow, self.client
        request = flow.request
        if self.conn.host_header and (note := rewrite_host(request, self.conn.host_header)):
            flow.notes.append(note)
        held = self.editing.held if self.editing is not None else None
        has_body = bool(held) or not client.body_done
        edited = bool(flow.notes) and EDITED_REQUEST in flow.notes
        flow.notes.extend(server.send_request(request, edited=edited, has_body=has_body))
        self.sent = held or []
        if held is None and not client.body_done and request.method != "CONNECT":
            part = client.read_body()
            if part[0]:
                self.sent.append(part)
                self.recorder.keep(request, part[1])
        for part in self.sent:
            server.send_body(part)
        self._bound_sent()
        if client.body_done or request.method == "CONNECT":
            self._request_sent(server)
        server.flush()

    def _bound_sent(self) -> None:
        """Keep of a body no more than may be sent again."""
        if self.sent and sum([len(part[0]) for part in self.sent]) > MAX_RESEND:
            self.sent = None

    def _request_sent(self, server: ServerSide) -> None:
        request, timing = self.flow.request, self.flow.timing
        timing.request_end = monotonic()
        request.body.complete = True
        if request.trailers is None and not request.body.edited:
            request.trailers = self.client.trailers
        server.end(request.trailers)
        self.client.stream.phase = None
        if timing.response_begin is None:
            server.stream.phase = self.conn.wiring.phases.response_head
            server.stream.since = timing.request_end

    async def _send_again(self, parts: list[Part]) -> ServerSide:
        """Send what was sent so far once more, on a new connection."""
        flow = self.flow
        assert self.server is not None
        await self.server.release(reusable=False)
        server = self.server = await server_for(self.conn, flow, self.assigned, fresh=True)
        has_body = bool(parts) or flow.timing.request_end is None
        edited = bool(flow.notes) and EDITED_REQUEST in flow.notes
        server.send_request(flow.request, edited=edited, has_body=has_body)
        for part in parts:
            server.send_body(part)
        if flow.timing.request_end is not None:
            server.end(flow.request.trailers)
        server.flush()
        server.stream.enter(self.conn.wiring.phases.response_head)
        return server

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
                    assert self.server is not None
                    server = self.server
                if self.upgraded:
                    return
            elif client.stream.writable:
                part = server.read_body()
                if part[0]:
                    self._move_response(part)
                    moved = True
                if server.body_done:
                    break
            if not moved:
                client.flush()
                server.flush()
                client.check()
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
        part = client.read_body()
        if part[0]:
            self.recorder.keep(self.flow.request, part[1])
            server.send_body(part)
            if self.sent is not None:
                self.sent.append(part)
                self._bound_sent()
        if client.body_done:
            self._request_sent(server)
        return bool(part[0])

    async def _move_head(self, server: ServerSide) -> bool:
        """Take the next response head, if it is there, and send it on."""
        flow = self.flow
        try:
            response = server.read_head()
        except UpstreamError as error:
            sent, self.sent = self.sent, None
            if sent is None or not server.may_retry(error):
                raise
            await self._send_again(sent)
            return True
        if response is None:
            return False
        self.sent = None
        if response.status < 200 and response.status != 101:
            await self._pass_informational(response)
            return True
        flow.timing.response_begin = monotonic()
        flow.response = response
        self.recorder.begin_response()
        response.informational = self.informational
        kind = server.start_body(response)
        if kind == "tunnel":
            if self.editing is not None:
                await self.editing.upgrade()
            self.client.send_head(response, rebuilt=False)
            self.client.flush()
            self.client.become_tunnel()
            self.upgraded = True
            self.keep = False
            return True
        if kind == "close" or not http1.keeps_alive(response):
            self.keep = False
        has_body = not server.body_done
        if self.editing is None:
            self.client.send_head(response, rebuilt=False, has_body=has_body)
        else:
            await self.editing.response_head(response, has_body=has_body)
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

    def _move_response(self, part: Part) -> None:
        response = self.flow.response
        assert response is not None
        if part[1]:
            self.recorder.keep(response, part[1])
        if self.editing is None:
            self.client.send_body(part)
        else:
            self.editing.response_data(part, response)

    async def _finish(self, server: ServerSide) -> None:
        """The response is complete: addons see it, the client gets the rest, the server rests."""
        flow = self.flow
        response = flow.response
        assert response is not None
        response.body.complete = True
        response.trailers = server.trailers
        if self.editing is not None:
            await self.editing.response_end(response)
        self.client.end(response.trailers)
        self.client.flush()
        whole = flow.timing.request_end is not None
        if not whole:
            self.keep = False
            flow.notes.append("the server answered before the request was complete")
        await server.release(reusable=whole and http1.keeps_alive(response))
