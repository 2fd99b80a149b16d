"""The two ends of one exchange over HTTP/2; `sides` says what each method does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rama_proxy.errors import (
    ConnectionProblem,
    PeerClosed,
    PeerStalled,
    RamaError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Field, Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols import translate
from rama_proxy.protocols.http2_events import Code
from rama_proxy.protocols.websocket import is_websocket
from rama_proxy.relay.http2_link import Link
from rama_proxy.relay.http2_stream import Http2Stream
from rama_proxy.relay.sides import IDEMPOTENT, NO_PART, Part, server_ended

MAX_READ = 256 * 1024  # bytes of a body passed on at once


class _Http2Side(ABC):
    """What both ends do: a head waits for its body or its end, so that one frame can say both."""

    __slots__ = ("_waits", "stream")

    def __init__(self, stream: Http2Stream) -> None:
        self.stream = stream
        self._waits = False  # a head was given and is not sent yet

    @property
    def trailers(self) -> Headers | None:
        return self.stream.trailers

    @abstractmethod
    def _send_waiting(self, *, end: bool) -> None:
        """Send the head that waits, with `end` as all of the message."""

    def send_body(self, part: Part) -> None:
        if part[1]:
            self.flush()
            self.stream.write(part[1])

    def end(self, trailers: Headers | None) -> None:
        if trailers is not None:
            trailers = translate.trailers_to_http2(trailers)
        if self._waits and not trailers:
            self._waits = False
            self._send_waiting(end=True)
        else:
            self.flush()
            self.stream.end(trailers)

    def flush(self) -> None:
        if self._waits:
            self._waits = False
            self._send_waiting(end=False)


class Http2Client(_Http2Side):
    """The client's end: one of its streams."""

    __slots__ = ("_flow", "_head", "head_sent")

    def __init__(self, stream: Http2Stream, flow: Flow) -> None:
        super().__init__(stream)
        self.head_sent = False
        self._flow = flow
        self._head = (0, Headers())  # status and fields that wait

    @property
    def body_done(self) -> bool:
        return self.stream.eof and not self.stream.parts

    @property
    def has_more(self) -> bool:
        return bool(self.stream.parts)

    @property
    def begun(self) -> bool:
        return self.head_sent and not self._waits

    def read_body(self) -> Part:
        stream = self.stream
        if stream.parts:
            data = stream.take(MAX_READ)
            return data, data
        if stream.error is not None:
            raise stream.error
        return NO_PART

    def send_head(self, response: Response, *, rebuilt: bool, has_body: bool = True) -> None:
        request = self._flow.request
        status, headers, notes = translate.response_to_http2(
            response, websocket=bool(request.protocol)
        )
        if response.raw or response.version == translate.HTTP2:  # else we have made it ourselves
            self._flow.notes.extend(notes)
        self.flush()
        if status < 200:
            self.stream.link.send_head(self.stream, status, headers, end=False)
            return
        self._head, self._waits = (status, headers), True
        self.head_sent = True

    def _send_waiting(self, *, end: bool) -> None:
        self.stream.link.send_head(self.stream, *self._head, end=end)

    def establish(self) -> None:
        self.stream.link.send_head(self.stream, 200, Headers(), end=False)
        self.stream.become_tunnel()

    def become_tunnel(self) -> None:
        self.stream.become_tunnel()

    def check(self) -> None:
        stream = self.stream
        if stream.error is not None and (stream.lost or isinstance(stream.error, PeerStalled)):
            raise stream.error

    def takes_reset(self, error: RamaError) -> bool:
        return isinstance(error, ConnectionProblem) and error.code is not None

    def abort(self, error: RamaError) -> None:
        code = error.code if isinstance(error, ConnectionProblem) else None
        self.stream.abort(Code.INTERNAL_ERROR if code is None or not code else code)

    def take_back(self) -> None:
        self._waits = False


class Http2Server(_Http2Side):
    """The server's end: a stream that is opened with the request's head."""

    __slots__ = ("_head", "_link", "_method", "_tunnel")

    def __init__(self, link: Link) -> None:
        super().__init__(link.make_stream())
        self._link = link
        self._method = ""
        self._head: tuple[list[Field], Headers] = ([], Headers())  # pseudo and other fields
        self._tunnel = False

    # --- the request

    def send_request(self, request: Request, *, edited: bool, has_body: bool) -> list[str]:
        asked = request.version != translate.HTTP2 and is_websocket(request.headers.get("upgrade"))
        pseudo, headers, notes = translate.request_to_http2(
            request, protocol="websocket" if asked else ""
        )
        self._method = request.method
        self._tunnel = asked or request.method == "CONNECT"
        self._head, self._waits = (pseudo, headers), True
        return notes

    def end(self, trailers: Headers | None) -> None:
        if self._tunnel:
            self.flush()  # the stream stays open for what it will carry
        else:
            super().end(trailers)

    def _send_waiting(self, *, end: bool) -> None:
        self._link.open(self.stream, *self._head, end=end)

    # --- the response

    def read_head(self) -> Response | None:
        stream = self.stream
        if stream.heads:
            return translate.response_of(stream.heads.pop(0))
        if stream.eof:
            raise self._ended("before its response")
        return None

    def start_body(self, response: Response) -> str:
        if self._tunnel and 200 <= response.status < 300:
            self.stream.become_tunnel()
            return "tunnel"
        if self._tunnel:
            self.stream.end()
        return "none" if self.body_done else "stream"

    @property
    def body_done(self) -> bool:
        stream = self.stream
        return stream.eof and not stream.parts and stream.error is None

    def read_body(self) -> Part:
        stream = self.stream
        if stream.parts:
            data = stream.take(MAX_READ)
            return data, data
        if stream.error is not None:
            raise self._ended("in the response's body")
        return NO_PART

    def _ended(self, where: str) -> UpstreamError:
        return server_ended(self.stream.error, f"the server ended the stream {where}")

    # --- the end

    def may_retry(self, error: RamaError) -> bool:
        """RFC 9113 8.7: the server says that it has not acted on the request.

        Or the connection had waited, and broke as we used it (RFC 9112 9.3.1).
        """
        stream, link = self.stream, self._link
        if stream.heads or stream.parts or isinstance(error, UpstreamTimeout):
            return False
        if link.ended and link.fault is None and stream.number > 1 and self._method in IDEMPOTENT:
            return True
        return isinstance(error, ConnectionProblem) and error.code == Code.REFUSED_STREAM

    async def release(self, *, reusable: bool) -> None:
        self.stream.abort(Code.CANCEL)

    async def drop(self, error: RamaError) -> None:
        code = error.code if isinstance(error, PeerClosed) else None
        self.stream.abort(Code.CANCEL if code is None else code)
        if self.stream.error is not None:
            self.stream.error.__traceback__ = None  # its frames hold the stream

    def close(self) -> None:
        self.stream.abort(Code.CANCEL)
