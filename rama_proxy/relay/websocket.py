"""A connection that a 101 turned into a WebSocket: frames pass, messages become rows.

Bytes are passed on before they are looked at, and as they came, as long as no addon wants whole
messages. One that does gets each before it is sent on; only what it changes is framed anew. What
breaks the protocol passes too: the peers answer it as if we were not there.
"""

from __future__ import annotations

import asyncio
import time

from rama_proxy.errors import PeerClosed, ProtocolError, RamaError
from rama_proxy.hooks import Calls
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import (
    CLOSE,
    DROPPED,
    EDITED,
    INJECTED,
    TRUNCATED,
    UNREAD,
    WebSocketData,
    WebSocketMessage,
)
from rama_proxy.net.channel import Channel
from rama_proxy.net.waiting import changed
from rama_proxy.protocols.websocket import ABNORMAL
from rama_proxy.protocols.websocket_reader import Message, Part
from rama_proxy.relay.answer import Killed
from rama_proxy.relay.journal import side
from rama_proxy.relay.websocket_journal import WebSocketJournal
from rama_proxy.relay.websocket_side import Direction, agree
from rama_proxy.relay.wiring import Conn, close_upstream

SLICE = 64 * 1024  # bytes taken at once
BREATH = 1024  # parts after which others get their turn: a frame can be two bytes
TOO_BIG = (1009).to_bytes(2, "big")
TOO_LATE = "an edit of a WebSocket message came too late and was not sent"


async def carry_websocket(conn: Conn, upstream: Channel, flow: Flow) -> None:
    """Carry a WebSocket to its end, and write its messages down."""
    flow.kind = "websocket"
    flow.server = upstream.info
    conn.client.phase = upstream.phase = None
    relay = Relay(conn, upstream, flow)
    try:
        await relay.run()
    except RamaError as error:
        flow.error = str(error)
        relay.fail(error)
    except BaseException:
        flow.error = flow.error or "cut off as the proxy stopped"
        upstream.close()
        raise
    finally:
        await relay.end()
    await close_upstream(conn, upstream)


class Relay:
    """The state of one WebSocket on its way through."""

    def __init__(self, conn: Conn, upstream: Channel, flow: Flow) -> None:
        self.conn = conn
        self.flow = flow
        self.hooks = conn.wiring.hooks
        self.limit = conn.wiring.options.body_limit
        self.data = flow.websocket = WebSocketData()
        self.data.on_inject = conn.client.wake
        self.holding = False
        self._calls: Calls = ()
        self.journal = WebSocketJournal(flow, self.data, conn.wiring.capture.writer)
        self.directions = (
            Direction(conn.client, upstream, from_client=True),
            Direction(upstream, conn.client, from_client=False),
        )
        agree(self.directions, flow, self.limit)

    async def run(self) -> None:
        """Move bytes both ways until both sides have ended."""
        if self.hooks.websocket_start:
            await self._call(self.hooks.websocket_start)
        client, upstream = self.conn.client, self.directions[0].sink
        client.enter(self.conn.wiring.phases.tunnel)
        while not (self.directions[0].finished and self.directions[1].finished):
            self._inject()
            moved = False
            for direction in self.directions:
                moved = await self._move(direction) or moved
            if (client.lost and not client.buf) or (upstream.lost and not upstream.buf):
                return
            if not moved and not self._can_inject():
                await changed(client, upstream)

    async def _move(self, direction: Direction) -> bool:
        source, sink = direction.source, direction.sink
        client = self.conn.client
        if source.buf and sink.writable:
            data = bytes(source.buf[:SLICE])
            del source.buf[:SLICE]
            direction.size += len(data)
            client.last = max(client.last, source.last)  # either side's bytes keep it open
            await self._pass(direction, data)
            return True
        if source.eof and not source.buf and not direction.finished:
            direction.release()
            direction.finished = True
            if source.error is not None and not isinstance(source.error, PeerClosed):
                raise source.error
            sink.finish()
            return True
        return False

    async def _pass(self, direction: Direction, data: bytes) -> None:
        """Send on what came, at once or as far as nobody wants to see it before."""
        if self._calls is not self.hooks.websocket_message:
            self._calls = self.hooks.websocket_message
            self.holding = self.hooks.wants_body(self._calls, self.flow)
        direction.choose(self.holding)
        if not direction.by_parts:
            direction.sink.write(data)
        reader = direction.reader
        if reader is None:
            self._count_unread(direction, data)
            return
        was_read = not reader.problem
        parts = reader.feed(data)
        for number, part in enumerate(parts, 1):
            if direction.by_parts:
                await self._pass_part(direction, part)
            elif part.message is not None:
                await self._passed(direction, part.message)
            if number % BREATH == 0:
                await asyncio.sleep(0)
        if reader.problem and was_read:
            who = side(direction.from_client)
            self.journal.note(f"the {who} broke the protocol: {reader.problem}; unread since")

    def _count_unread(self, direction: Direction, data: bytes) -> None:
        message = self.flow.request if direction.from_client else self.flow.response
        assert message is not None
        message.body.add(data, self.limit)

    # --- part by part

    async def _pass_part(self, direction: Direction, part: Part) -> None:
        wire, is_control, message, unread = part
        if is_control:
            direction.control.append(wire)
            if message is not None:
                direction.sink.write(b"".join(direction.control))
                direction.control.clear()
                await self._passed(direction, message)
        elif unread:
            direction.release()
            direction.sink.write(wire)
            direction.mid = True
        elif direction.passing:
            direction.sink.write(wire)
            direction.mid = message is None
            if message is not None:
                await self._passed(direction, message)
                direction.passing = not (self.holding or direction.recode)
        else:
            direction.hold(wire)
            if message is not None:
                await self._settle(direction, message)
            elif direction.held_cost > self.limit:
                self._hold_no_more(direction)
        self._inject()

    def _hold_no_more(self, direction: Direction) -> None:
        if direction.recode:
            raise TooBig("a compressed message beyond the body limit, after one that was edited")
        self.journal.note("a WebSocket message beyond the body limit: not held back")
        direction.sink.write(direction.take_held())
        direction.passing = direction.mid = True

    async def _settle(self, direction: Direction, message: Message) -> None:
        """Let addons see a message that is held, then send what became of it."""
        data = message.data
        can_edit = not message.flags & (TRUNCATED | UNREAD)
        view = await self._show(direction, message) if self._calls else None
        is_changed = view is not None and (
            view.dropped or view.content != data or view.opcode != message.opcode
        )
        if is_changed and not can_edit:
            self.journal.note(TOO_LATE)
        if view is None or not is_changed or not can_edit:
            if direction.recode and message.compressed:
                if not can_edit:
                    raise TooBig("a message too large to compress again, after one was edited")
                direction.take_held()
                direction.send(message.opcode, data, compress=True)
            else:
                direction.sink.write(direction.take_held())
            self.journal.message(direction.from_client, message)
            return
        direction.take_held()
        if message.compressed and direction.deflate is not None and direction.deflate.takeover:
            direction.recode = True
        if view.dropped:
            self.journal.put(direction.from_client, message.opcode, data, message.size, DROPPED)
            return
        direction.send(view.opcode, view.content, compress=message.compressed)
        size = len(view.content)
        self.journal.put(direction.from_client, view.opcode, view.content, size, EDITED)

    # --- messages

    async def _passed(self, direction: Direction, message: Message) -> None:
        """Write down a message that has been sent on, and let addons see it."""
        data = message.data
        self.journal.message(direction.from_client, message)
        if message.opcode == CLOSE:
            direction.closing = True
            self.journal.close(direction.from_client, data)
        elif message.opcode < CLOSE and self._calls:
            view = await self._show(direction, message)
            if view.dropped or view.content != data:
                self.journal.note(TOO_LATE)

    async def _show(self, direction: Direction, message: Message) -> WebSocketMessage:
        view = WebSocketMessage(message.opcode, direction.from_client, message.data, time.time())
        view.size = message.size
        view.truncated = bool(message.flags & (TRUNCATED | UNREAD))
        self.data.keep(view)
        await self._call(self._calls)
        return view

    async def _call(self, calls: Calls) -> None:
        await self.hooks.run(calls, self.flow)
        if self.flow.killed:
            raise Killed("killed")

    # --- injected messages

    def _can_inject(self) -> bool:
        return any(self._towards(to_client).clear for to_client, _ in self.data.injected)

    def _towards(self, client: bool) -> Direction:
        return self.directions[1 if client else 0]

    def _inject(self) -> None:
        """Send what addons want sent, in each direction as soon as it is clear."""
        if not self.data.injected:
            return
        waiting, self.data.injected = self.data.injected, []
        for to_client, message in waiting:
            direction = self._towards(to_client)
            direction.pending = not direction.clear
            if direction.pending:
                self.data.injected.append((to_client, message))
                continue
            message.timestamp = time.time()
            direction.send(message.opcode, message.content)
            self.data.keep(message)
            size = len(message.content)
            self.journal.put(not to_client, message.opcode, message.content, size, INJECTED)

    # --- the end

    def fail(self, error: RamaError) -> None:
        """End both sides: with a close frame where one can be sent, else by a reset."""
        client = self.conn.client
        if not isinstance(error, TooBig):
            client.reset()
            return
        self.data.close_code, self.data.close_reason = 1009, str(error)
        for direction in self.directions:
            if direction.clear:
                direction.send(CLOSE, TOO_BIG)

    async def end(self) -> None:
        """Write down how it ended."""
        data, flow = self.data, self.flow
        data.on_inject = None
        data.timestamp_end = time.time()
        for direction in self.directions:
            message = direction.reader.unfinished() if direction.reader is not None else None
            if message is not None:
                self.journal.message(direction.from_client, message)
        if data.close_code is None:
            data.close_code = ABNORMAL
            if self.directions[0].reader is not None:
                self.journal.note("ended without a close frame (1006)")
        if data.injected:
            self.journal.note(f"{len(data.injected)} injected messages could not be sent")
        assert flow.response is not None
        flow.request.body.complete = flow.response.body.complete = True
        if self.hooks.websocket_end:
            await self.hooks.run(self.hooks.websocket_end, flow)
        capture = self.conn.wiring.capture
        capture.bytes += sum([item.size for item in self.directions if item.reader is not None])
        capture.end(flow)


class TooBig(ProtocolError):
    """A message that cannot be sent on any more, nor passed on as it came."""
