"""A connection of the demo's clients that speaks HTTP/2: all requests of a visit at once."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from rama_proxy.demo.visit import Visit
from rama_proxy.model.headers import Headers
from rama_proxy.protocols import http2_events as events
from rama_proxy.protocols.http2 import Http2Connection
from rama_proxy.protocols.http2_limits import Limits

READ_SIZE = 64 * 1024


class Http2Client:
    """Sends visits on `sock`, one at a time."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self.sock = sock
        self._http2 = Http2Connection(client_side=True, limits=limits)

    def exchange(self, visit: Visit) -> tuple[int, bool]:
        """The status of the first response, when all are there; and whether another may follow.

        Raises OSError where the connection ends before.
        """
        http2 = self._http2
        statuses = {self._ask(visit, url): 0 for url in visit.urls}
        open_streams = set(statuses)
        while open_streams:
            self.sock.sendall(http2.data_to_send())
            data = self.sock.recv(READ_SIZE)
            if not data:
                raise ConnectionResetError("the proxy closed")
            for event in http2.receive(data, time.monotonic()):
                if isinstance(event, events.ResponseHead):
                    statuses[event.stream] = event.status
                elif isinstance(event, events.Data):
                    http2.acknowledge(event.stream, event.flow_length)
                open_streams.discard(_ended(event))
            if http2.closed:
                raise ConnectionResetError("the proxy broke HTTP/2")
        if http2.has_output:
            self.sock.sendall(http2.data_to_send())
        return next(iter(statuses.values())), not http2.refusing

    def _ask(self, visit: Visit, url: str) -> int:
        """The stream of a request; its body is small and fits any window."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        pseudo = {
            "m": (b":method", visit.method.encode()),
            "a": (b":authority", parts.netloc.encode()),
            "s": (b":scheme", parts.scheme.encode()),
            "p": (b":path", target.encode()),
        }
        fields = [(name.lower(), text) for name, text in visit.all_fields]
        if visit.body:
            fields.insert(0, ("content-length", str(len(visit.body))))
        stream = self._http2.open(
            [pseudo[initial] for initial in visit.agent.pseudo],
            Headers(fields),
            end_stream=not visit.body,
        )
        if visit.body:
            self._http2.send_data(stream, visit.body, end_stream=True)
        return stream


def _ended(event: events.Event) -> int:
    """The stream whose last event this is, 0 if it is not."""
    match event:
        case events.ResponseHead(end_stream=True) | events.Data(end_stream=True):
            return event.stream
        case events.Trailers() | events.StreamReset() | events.Fault():
            return event.stream
    return 0
