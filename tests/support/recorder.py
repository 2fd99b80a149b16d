"""A server with h11 as its reader: what reached it, byte for byte and as requests.

It answers each request that h11 takes; what h11 refuses ends the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import h11
import httptools

Message = tuple[bytes, bytes, bytes]  # method, target, body
BODY = b"ok"
ROOM = 1 << 20  # for heads: the proxy's limits are tried, not h11's


@dataclass(slots=True)
class Seen:
    """One connection: its bytes, and the requests in them with their bodies."""

    received: bytearray = field(default_factory=bytearray)
    requests: list[Message] = field(default_factory=list)
    refused: str = ""
    unfinished: Message = (b"", b"", b"")


class Recorder:
    """Listens on a port of 127.0.0.1. `seen` maps the client's port to its connection."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Recorder:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        seen = self.seen[writer.get_extra_info("peername")[1]] = Seen()
        judge = h11.Connection(h11.SERVER, max_incomplete_event_size=ROOM)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                seen.received += data
                try:
                    judge.receive_data(data)
                    writer.write(self._answers(judge, seen))
                except h11.RemoteProtocolError as error:
                    seen.refused = str(error)
                    break
                if judge.our_state is h11.MUST_CLOSE:
                    break
        writer.close()

    @staticmethod
    def _answers(judge: h11.Connection, seen: Seen) -> bytes:
        """What to send for the requests that have ended; they are noted in `seen`."""
        sent = b""
        while (event := judge.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
            if isinstance(event, h11.Request):
                seen.unfinished = (event.method, event.target, b"")
            elif isinstance(event, h11.Data):
                method, target, body = seen.unfinished
                seen.unfinished = (method, target, body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                seen.requests.append(seen.unfinished)
                fields = [("Content-Length", str(len(BODY)))]
                answer = h11.Response(status_code=200, headers=fields)
                for part in (answer, h11.Data(data=BODY), h11.EndOfMessage()):
                    sent += judge.send(part) or b""
                if judge.our_state is h11.MUST_CLOSE:
                    break
                judge.start_next_cycle()
        return sent


def llhttp_requests(data: bytes) -> list[Message]:
    """The requests that llhttp reads in the bytes of a connection; it must not refuse any."""
    found: list[Message] = []

    class Collector:
        def on_message_begin(self) -> None:
            self.target = self.body = b""

        def on_url(self, url: bytes) -> None:
            self.target += url

        def on_body(self, body: bytes) -> None:
            self.body += body

        def on_message_complete(self) -> None:
            found.append((parser.get_method(), self.target, self.body))

    parser = httptools.HttpRequestParser(Collector())
    parser.feed_data(data)
    return found
