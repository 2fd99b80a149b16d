"""Addons at one exchange: what they get to see whole, may change, and may answer.

Made only where an addon has a hook for messages; without one the exchange passes everything on. A
body that an addon wants whole is held back up to the body limit, an event stream never.
"""

from __future__ import annotations

import asyncio
import time

from rama_proxy.hooks import Calls, Hooks
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_proxy.net.waiting import changed
from rama_proxy.relay.answer import Killed
from rama_proxy.relay.edits import (
    EDITED_RESPONSE,
    request_state,
    response_state,
    set_length,
    settle_request,
)
from rama_proxy.relay.recorder import Recorder
from rama_proxy.relay.sides import ClientSide, Part
from rama_proxy.relay.wiring import Conn

EVENT_STREAM = "text/event-stream"


class Editing:
    """The hooks of one exchange. `held` are parts of a request body not sent on yet."""

    __slots__ = ("_has_body", "_recorder", "_withheld", "client", "conn", "continued", "flow",
                 "held", "hooks")  # fmt: skip

    def __init__(self, conn: Conn, flow: Flow, client: ClientSide, recorder: Recorder) -> None:
        self.conn = conn
        self.flow = flow
        self.client = client
        self.hooks: Hooks = conn.wiring.hooks
        self._recorder = recorder
        self.held: list[Part] | None = None
        self.continued = False  # the client had a 100 from us, and wants no other
        self._withheld: list[Part] | None = None
        self._has_body = True  # the server's response has one

    async def request(self) -> None:
        """Let addons see the request, whole if one wants it whole."""
        flow, hooks = self.flow, self.hooks
        request = flow.request
        before = request_state(request)
        await self._run(hooks.requestheaders)
        if hooks.request and flow.response is None:
            if not request.stream and hooks.wants_body(hooks.request, flow):
                await self._gather_request()
            await self._run(hooks.request)
        self.held = settle_request(flow, before, self.held)

    async def _run(self, calls: Calls) -> None:
        if calls:
            await self.hooks.run(calls, self.flow)
            if self.flow.killed:
                raise Killed("killed")

    async def _gather_request(self) -> None:
        client, body = self.client, self.flow.request.body
        self._continue_here()
        self.held = []
        while not client.body_done:
            part = client.read_body()
            if part[0]:
                self.held.append(part)
                self._recorder.keep(self.flow.request, part[1])
                if body.truncated:
                    self.flow.notes.append("request body beyond the body limit: not held back")
                    return
                if client.has_more:  # tiny chunks; they must not keep others waiting
                    await asyncio.sleep(0)
            elif not client.body_done:
                client.stream.enter(self.conn.wiring.phases.request_body)
                await changed(client.stream)
        client.stream.phase = None
        body.complete = True
        self.flow.request.trailers = client.trailers

    def _continue_here(self) -> None:
        """Ask for a body that the client holds back until it gets a 100 (RFC 9110 10.1.1)."""
        expect = self.flow.request.headers.get_bytes(b"expect")
        if expect is not None and expect.lower() == b"100-continue" and not self.client.has_more:
            self.client.send_head(Response(100, "Continue", "HTTP/1.1", Headers()), rebuilt=True)
            self.client.flush()
            self.continued = True
            self.flow.notes.append("100 Continue sent by the proxy, to let an addon see the body")

    async def answer(self) -> None:
        """Send the response that an addon made."""
        flow, response = self.flow, self.flow.response
        assert response is not None
        flow.notes.append("answered by an addon, no server was asked")
        flow.timing.response_begin = time.monotonic()
        await self._run(self.hooks.response)
        response.body.complete = True
        if response.body.edited:
            set_length(response, response.body.size)
        bodyless = flow.request.method == "HEAD" or response.status in {204, 304}
        data = b"" if bodyless else bytes(response.body)
        self.client.send_head(response, rebuilt=True, has_body=bool(data))
        self.client.send_body((data, data))
        self.client.end(response.trailers)
        self.client.flush()
        await asyncio.sleep(0)  # a client with many requests at once must wait for its turn
        await self.client.stream.drain()

    async def upgrade(self) -> None:
        """Let addons see the head of a 101; its body is no message."""
        await self._run(self.hooks.responseheaders)

    async def response_head(self, response: Response, *, has_body: bool) -> None:
        """Let addons see the head, and send it on unless one wants to see the whole before."""
        flow, hooks = self.flow, self.hooks
        self._has_body = has_body
        if hooks.responseheaders:
            before = response_state(response)
            await self._run(hooks.responseheaders)
            if response_state(response) != before:
                flow.notes.append(EDITED_RESPONSE)
        if hooks.response and not response.stream and hooks.wants_body(hooks.response, flow):
            if response.media_type != EVENT_STREAM:
                self._withheld = []
                return
            flow.notes.append("an event stream is not held back: addons see it when it has ended")
        self._send_head(response)

    def _send_head(self, response: Response) -> None:
        edited = EDITED_RESPONSE in self.flow.notes
        self.client.send_head(response, rebuilt=edited, has_body=self._has_body)

    def response_data(self, part: Part, response: Response) -> None:
        """Send on a part of the body, or keep it back; it is in `response` already."""
        if self._withheld is None:
            self.client.send_body(part)
            return
        self._withheld.append(part)
        if response.body.truncated:
            self.flow.notes.append("response body beyond the body limit: not held back")
            self._send_withheld(response)

    def _send_withheld(self, response: Response) -> None:
        parts, self._withheld = self._withheld, None
        self._send_head(response)
        for part in parts or ():
            self.client.send_body(part)

    async def response_end(self, response: Response) -> None:
        """Let addons see the whole response; what was kept back goes to the client after that."""
        flow = self.flow
        before = response_state(response)
        await self._run(self.hooks.response)
        if self._withheld is None:
            return
        if response.body.edited:
            data = b"" if flow.request.method == "HEAD" else bytes(response.body)
            self._withheld = [(data, data)] if data else []
            set_length(response, response.body.size)
            response.trailers = None
        if response_state(response) != before and EDITED_RESPONSE not in flow.notes:
            flow.notes.append(EDITED_RESPONSE)
        self._send_withheld(response)


def editing_of(conn: Conn, flow: Flow, client: ClientSide, recorder: Recorder) -> Editing | None:
    """The Editing of an exchange, None if no addon looks at messages."""
    hooks = conn.wiring.hooks
    if hooks.requestheaders or hooks.request or hooks.responseheaders or hooks.response:
        return Editing(conn, flow, client, recorder)
    return None
