"""The demo's servers over HTTP/2: the same replies, each on a stream of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from rama_proxy.demo.answers import answer
from rama_proxy.demo.messages import Asked, Reply
from rama_proxy.errors import PeerClosed
from rama_proxy.model.headers import Headers
from rama_proxy.protocols import http2_events as events
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_events import Code

READ_SIZE = 64 * 1024


class Http2Server:
    """Answers the requests of one connection, side by side. `pace` stretches pieces."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pace: float
    ) -> None:
        self._reader, self._writer = reader, writer
        self._pace = pace
        self._http2 = Http2Connection(client_side=False)
        self._asked: dict[int, Asked] = {}  # by stream, until they are whole
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()  # the client sent something: perhaps a window

    async def serve(self) -> None:
        """Read until either end has had enough."""
        now = asyncio.get_running_loop().time
        try:
            self._flush()
            while not self._http2.closed and (data := await self._reader.read(READ_SIZE)):
                for event in self._http2.receive(data, now()):
                    self._take(event)
                self._flush()
                self._moved.set()
        finally:
            for task in self._tasks:
                task.cancel()

    def _flush(self) -> None:
        self._writer.write(self._http2.data_to_send())

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RequestHead():
                fields = {name.lower(): value for name, value in event.headers.items()}
                fields.setdefault("host", event.get(b":authority").decode())
                method, target = event.get(b":method").decode(), event.get(b":path").decode()
                self._asked[event.stream] = Asked(method, target, fields, b"")
            case events.Data():
                self._asked[event.stream].body += event.payload
                self._http2.acknowledge(event.stream, event.flow_length)
            case events.StreamReset():
                self._asked.pop(event.stream, None)
                return
            case events.Trailers():
                pass
            case _:
                return
        if isinstance(event, events.Trailers) or event.end_stream:
            task = asyncio.create_task(self._reply(event.stream, self._asked.pop(event.stream)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reply(self, stream: int, asked: Asked) -> None:
        with suppress(PeerClosed):  # the client reset the stream
            reply = answer(asked)
            if reply.delay:
                await asyncio.sleep(reply.delay)
            if reply.reset:
                self._http2.reset(stream, Code.INTERNAL_ERROR)
            else:
                await self._send(stream, asked, reply)
            self._flush()

    async def _send(self, stream: int, asked: Asked, reply: Reply) -> None:
        http2 = self._http2
        pieces = reply.pieces or [(0.0, reply.body[: reply.cut])]
        no_body = asked.method == "HEAD" or not (pieces[0][1] or reply.trailers)
        head = Headers([(name.lower(), text) for name, text in reply.head()])
        http2.send_head(stream, reply.status, head, end_stream=no_body)
        if no_body:
            return
        for wait, data in pieces:
            self._flush()
            await asyncio.sleep(wait * self._pace)
            await self._send_data(stream, data)
        if reply.cut is not None:
            http2.reset(stream, Code.INTERNAL_ERROR)
        else:
            trailers = Headers([(name.lower(), text) for name, text in reply.trailers])
            http2.send_trailers(stream, trailers)

    async def _send_data(self, stream: int, data: bytes) -> None:
        """Send `data` as the client opens its windows."""
        while data := data[self._http2.send_data(stream, data) :]:
            self._flush()
            self._moved.clear()
            await self._moved.wait()
