"""The HTTP/1.1 side of the test origin: h11 puts the steps of an answer on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

import h11

from tests.support.origin_answers import (
    ANSWERS,
    Fields,
    GoAway,
    Head,
    Incoming,
    Reset,
    Step,
    Trailers,
)

NO_LINGER = struct.pack("ii", 1, 0)  # a close then sends RST
ROOM = 1 << 20  # for heads


class Http1Side:
    """One connection. `arrived` takes each request when its head is there."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
        arrived: Callable[[Incoming], None],
    ) -> None:
        self._reader, self._writer, self._number, self._arrived = reader, writer, number, arrived
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=ROOM)
        self._request = Incoming("", "", "", [], self._pull, number)
        self._bodiless = False
        self._trailers: Fields = []

    async def run(self, data: bytes) -> None:
        """Answer one request after the other; `data` has come already."""
        self._h11.receive_data(data)
        while isinstance(event := await self._next(), h11.Request):
            self._request = Incoming(
                f"HTTP/{event.http_version.decode()}",
                event.method.decode(),
                event.target.decode("latin-1"),
                list(event.headers.raw_items()),
                self._pull,
                self._number,
            )
            self._arrived(self._request)
            if not await self._answer():
                break
            self._h11.start_next_cycle()

    async def _next(self) -> object:
        """The next event of h11, None at the end of the connection."""
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self._reader.read(65536))
        return None if isinstance(event, h11.ConnectionClosed) else event

    async def _pull(self) -> bytes | None:
        event = await self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            self._request.trailers = list(event.headers.raw_items())
            return None
        raise ConnectionError("the client left inside a body")

    async def _answer(self) -> bool:
        """Whether the connection can carry another request."""
        self._trailers = []
        async with contextlib.aclosing(ANSWERS[self._request.path](self._request)) as steps:
            async for step in steps:
                if not await self._take(step):
                    return False
        self._send(h11.EndOfMessage(headers=self._trailers))
        await self._writer.drain()
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    async def _take(self, step: Step) -> bool:
        if isinstance(step, Head):
            made = h11.InformationalResponse if step.status < 200 else h11.Response
            self._send(made(status_code=step.status, headers=list(step.fields), reason=b"Said"))
            self._bodiless = step.end or self._request.method == "HEAD"
        elif isinstance(step, bytes) and not self._bodiless:
            self._send(h11.Data(data=step))
        elif isinstance(step, Trailers):
            self._trailers = list(step.fields)
        elif isinstance(step, Reset):
            if step.code:
                sock = self._writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            else:
                self._send(h11.EndOfMessage())
            return False
        elif isinstance(step, GoAway):
            return step.processed
        await self._writer.drain()
        return True

    def _send(self, event: h11.Event) -> None:
        self._writer.write(self._h11.send(event) or b"")
