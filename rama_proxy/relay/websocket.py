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
from rama_proxy.net.stream import Stream, changed
from rama_proxy.protocols.websocket import ABNORMAL, NO_STATUS, parse_close
from rama_proxy.protocols.websocket_deflate import (
    NAME,
    Deflate,
    agreed_deflate,
    parse_extensions,
)
from rama_proxy.protocols.websocket_reader import Message, MessageReader, Part
from rama_proxy.relay.answer import Killed
from rama_proxy.relay.websocket_side import Direction
from rama_proxy.relay.wiring import Conn, close_upstream

SLICE = 64 * 1024  # bytes taken at once
BREATH = 1024  # parts after which others get their turn: a frame can be two bytes
TOO_BIG = (1009).to_bytes(2, "big")
TOO_LATE = "an edit of a WebSocket message came too late and was not sent"


async def carry_websocket(conn: Conn, upstream: Stream, flow: Flow) -> None:
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

    def __init__(self, conn: Conn, upstream: Stream, flow: Flow) -> None:
        self.conn = conn
        self.flow = flow
        self.hooks = conn.wiring.hooks
        self.limit = conn.wiring.options.body_limit
        self.data = flow.websocket = WebSocketData()
        self.data.on_inject = conn.client.wake
        self.seq = 0
        self.holding = False
        self._calls: Calls = ()
        client = conn.client
        readers, deflates = self._readers()
        self.directions = (
            Direction(client, upstream, True, readers[0]),
            Direction(upstream, client, False, readers[1]),
        )
        for direction, deflate in zip(self.directions, deflates, strict=True):
            direction.deflate = deflate

    def _readers(
        self,
    ) -> tuple[
        tuple[MessageReader | None, MessageReader | None], tuple[Deflate | None, Deflate | None]
    ]:
        """A reader for each direction, by the extensions that the handshake agreed on."""
        response = self.flow.response
        assert response is not None
        deflates: tuple[Deflate | None, Deflate | None] = (None, None)
        try:
            agreed = parse_extensions(response.headers.joined("sec-websocket-extensions"))
            for extension in agreed:
                if extension.name != NAME or len(agreed) > 1:
                    raise ProtocolError(f"unknown extension {extension.name}")
                deflates = agreed_deflate(extension)
        except ProtocolError as error:
            self.flow.notes.append(f"{error}: WebSocket messages pass through unread")
            return (None, None), (None, None)
        readers = (
            MessageReader(masked=True, limit=self.limit, deflate=deflates[0]),
            MessageReader(masked=False, limit=self.limit, deflate=deflates[1]),
        )
        return readers, deflates

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
            who = "client" if direction.from_client else "server"
            self.flow.notes.append(f"the {who} broke the protocol: {reader.problem}; unread since")

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
        self.flow.notes.append("a WebSocket message beyond the body limit: not held back")
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
            self.flow.notes.append(TOO_LATE)
        if view is None or not is_changed or not can_edit:
            if direction.recode and message.compressed:
                if not can_edit:
                    raise TooBig("a message too large to compress again, after one was edited")
                direction.take_held()
                direction.send(message.opcode, data, compress=True)
            else:
                direction.sink.write(direction.take_held())
            self._record(direction, message.opcode, data, message.size, message.flags)
            self._note(direction, message)
            return
        direction.take_held()
        if message.compressed and direction.deflate is not None and direction.deflate.takeover:
            direction.recode = True
        if view.dropped:
            self._record(direction, message.opcode, data, message.size, DROPPED)
            return
        direction.send(view.opcode, view.content, compress=message.compressed)
        self._record(direction, view.opcode, view.content, len(view.content), EDITED)

    # --- messages

    async def _passed(self, direction: Direction, message: Message) -> None:
        """Write down a message that has been sent on, and let addons see it."""
        data = message.data
        self._record(direction, message.opcode, data, message.size, message.flags)
        self._note(direction, message)
        if message.opcode == CLOSE:
            self._on_close(direction, data)
        elif message.opcode < CLOSE and self._calls:
            view = await self._show(direction, message)
            if view.dropped or view.content != data:
                self.flow.notes.append(TOO_LATE)

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

    def _record(
        self, direction: Direction, opcode: int, data: bytes, size: int, flags: int
    ) -> None:
        self.seq += 1
        self.conn.wiring.capture.writer.put_message(
            self.flow.id, self.seq, direction.from_client, opcode, data, time.time(), size, flags
        )

    def _note(self, direction: Direction, message: Message) -> None:
        if message.problem:
            who = "client" if direction.from_client else "server"
            note = f"message of the {who}: {message.problem}"
            if note not in self.flow.notes:
                self.flow.notes.append(note)

    def _on_close(self, direction: Direction, payload: bytes) -> None:
        direction.closing = True
        if self.data.close_code is not None:
            return
        self.data.closed_by_client = direction.from_client
        try:
            self.data.close_code, self.data.close_reason = parse_close(payload)
        except ProtocolError as error:
            self.data.close_code = int.from_bytes(payload[:2], "big") if payload[1:] else NO_STATUS
            who = "client" if direction.from_client else "server"
            self.flow.notes.append(f"the {who} closed with a {error}")

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
            self._record(direction, message.opcode, message.content, len(message.content), INJECTED)

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
                self._record(direction, message.opcode, message.data, message.size, message.flags)
        if data.close_code is None:
            data.close_code = ABNORMAL
            if self.directions[0].reader is not None:
                flow.notes.append("ended without a close frame (1006)")
        if data.injected:
            flow.notes.append(f"{len(data.injected)} injected messages could not be sent")
        assert flow.response is not None
        flow.request.body.complete = flow.response.body.complete = True
        if self.hooks.websocket_end:
            await self.hooks.run(self.hooks.websocket_end, flow)
        capture = self.conn.wiring.capture
        capture.bytes += sum([item.size for item in self.directions if item.reader is not None])
        capture.end(flow)


class TooBig(ProtocolError):
    """A message that cannot be sent on any more, nor passed on as it came."""
