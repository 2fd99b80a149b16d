"""The client's end of an exchange over HTTP/1; `sides` says what each method does."""

from __future__ import annotations

from rama_proxy.errors import (
    PeerClosed,
    PeerStalled,
    RamaError,
)
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_proxy.net.channel import Channel
from rama_proxy.protocols import http1, translate
from rama_proxy.protocols.http1 import Framing
from rama_proxy.protocols.websocket import is_websocket
from rama_proxy.relay.sides import NO_PART, Part

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
NO_BODY = Framing("none")


class Http1Client:
    """The client's end: gives the request's body, takes the response."""

    __slots__ = ("_chunking", "_flow", "_pending", "_reader", "head_sent", "stream")

    def __init__(self, stream: Channel, flow: Flow, framing: Framing = NO_BODY) -> None:
        self.stream = stream
        self.head_sent = False
        self._flow = flow
        self._reader = http1.body_reader(framing)
        self._pending = b""
        self._chunking = False  # the response comes from HTTP/2, and has no length

    @property
    def body_done(self) -> bool:
        return self._reader.done

    @property
    def trailers(self) -> Headers | None:
        return self._reader.trailers

    @property
    def has_more(self) -> bool:
        return bool(self.stream.buf)

    @property
    def begun(self) -> bool:
        return self.head_sent and not self._pending

    def read_body(self) -> Part:
        stream = self.stream
        if stream.buf:
            found = self._reader.read(stream.buf)
            if found[0] or self._reader.done:
                return found
        if stream.eof:
            raise stream.error or PeerClosed("the client closed in the middle of the request body")
        return NO_PART

    def send_head(self, response: Response, *, rebuilt: bool, has_body: bool = True) -> None:
        if response.raw and not rebuilt:
            self._pending += response.raw
        else:
            if response.version == translate.HTTP2:
                response = self._translated(response, has_body)
            self._pending += http1.serialize_response(response)
        if response.status >= 200 or response.status == 101:
            self.head_sent = True

    @property
    def _of_http2(self) -> bool:
        response = self._flow.response
        return response is not None and response.version == translate.HTTP2

    def _translated(self, response: Response, has_body: bool) -> Response:
        flow = self._flow
        key = flow.request.headers.get("sec-websocket-key") or ""
        made, notes = translate.response_to_http1(
            response,
            flow.request,
            has_body=has_body,
            websocket_key=key if is_websocket(flow.request.headers.get("upgrade")) else "",
        )
        self._chunking = made.headers.get_bytes(b"transfer-encoding") is not None
        flow.notes.extend(notes)
        return made

    def send_body(self, part: Part) -> None:
        wire = http1.chunk(part[1]) if self._chunking else part[0]
        if self._pending:
            wire = self._pending + wire
            self._pending = b""
        if wire:
            self.stream.write(wire)

    def end(self, trailers: Headers | None) -> None:
        if self._chunking:
            self._chunking = False
            self.send_body((http1.last_chunk(trailers), b""))
        elif trailers is not None and self._of_http2:
            self._flow.notes.append("trailers dropped: the message has a length, no chunks")

    def flush(self) -> None:
        if self._pending:
            self.stream.write(self._pending)
            self._pending = b""

    def establish(self) -> None:
        self.stream.write(ESTABLISHED)

    def become_tunnel(self) -> None:
        pass  # its bytes are in the channel's buffer either way

    def check(self) -> None:
        stream = self.stream
        if stream.lost or (stream.eof and self._reader.done):
            if isinstance(stream.error, PeerStalled):
                raise stream.error
            raise PeerClosed("the client closed before it had the whole response")

    def takes_reset(self, error: RamaError) -> bool:
        return False

    def abort(self, error: RamaError) -> None:
        self.stream.reset()

    def take_back(self) -> None:
        self._pending = b""
