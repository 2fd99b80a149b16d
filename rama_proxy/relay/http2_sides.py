"""The two ends of one exchange over HTTP/2; `sides` says what each method does."""

from __future__ import annotations

from rama_proxy.errors import (
    ConnectionProblem,
    PeerClosed,
    PeerStalled,
    PeerTimeout,
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
from rama_proxy.relay.http1_sides import IDEMPOTENT
from rama_proxy.relay.http2_link import Link
from rama_proxy.relay.http2_stream import Http2Stream
from rama_proxy.relay.sides import NO_PART, Part

MAX_READ = 256 * 1024  # bytes of a body passed on at once


class Http2Client:
    """The client's end: one of its streams."""

    __slots__ = ("_flow", "_pending", "head_sent", "stream")

    def __init__(self, stream: Http2Stream, flow: Flow) -> None:
        self.stream = stream
        self.head_sent = False
        self._flow = flow
        self._pending: tuple[int, Headers] | None = None

    @property
    def body_done(self) -> bool:
        return self.stream.eof and not self.stream.parts

    @property
    def trailers(self) -> Headers | None:
        return self.stream.trailers

    @property
    def begun(self) -> bool:
        return self.head_sent and self._pending is None

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
        self._pending = status, headers
        self.head_sent = True

    def send_body(self, part: Part) -> None:
        if part[1]:
            self.flush()
            self.stream.write(part[1])

    def end(self, trailers: Headers | None) -> None:
        if trailers is not None:
            trailers = translate.trailers_to_http2(trailers)
        if self._pending is None or trailers:
            self.flush()
            self.stream.end(trailers)
        else:
            self._send_pending(end=True)

    def flush(self) -> None:
        if self._pending is not None:
            self._send_pending(end=False)

    def _send_pending(self, *, end: bool) -> None:
        assert self._pending is not None
        (status, headers), self._pending = self._pending, None
        self.stream.link.send_head(self.stream, status, headers, end=end)

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
        self._pending = None


class Http2Server:
    """The server's end: a stream that is opened with the request's head."""

    __slots__ = ("_link", "_method", "_open", "_tunnel", "stream")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._method = ""
        self._open: tuple[list[Field], Headers] | None = None
        self._tunnel = False
        self.stream = link.make_stream()

    # --- the request

    def send_request(self, request: Request, *, edited: bool, has_body: bool) -> list[str]:
        asked = request.version != translate.HTTP2 and is_websocket(request.headers.get("upgrade"))
        pseudo, headers, notes = translate.request_to_http2(
            request, protocol="websocket" if asked else ""
        )
        self._method = request.method
        self._tunnel = asked or request.method == "CONNECT"
        self._open = pseudo, headers
        return notes

    def send_body(self, part: Part) -> None:
        if part[1]:
            self.flush()
            self.stream.write(part[1])

    def end(self, trailers: Headers | None) -> None:
        if self._tunnel:
            self.flush()  # the stream stays open for what it will carry
            return
        if trailers is not None:
            trailers = translate.trailers_to_http2(trailers)
        if self._open is None or trailers:
            self.flush()
            self.stream.end(trailers)
        else:
            self._send_open(end=True)

    def flush(self) -> None:
        if self._open is not None:
            self._send_open(end=False)

    def _send_open(self, *, end: bool) -> None:
        assert self._open is not None
        (pseudo, headers), self._open = self._open, None
        self._link.open(self.stream, pseudo, headers, end=end)

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

    @property
    def trailers(self) -> Headers | None:
        return self.stream.trailers

    def read_body(self) -> Part:
        stream = self.stream
        if stream.parts:
            data = stream.take(MAX_READ)
            return data, data
        if stream.error is not None:
            raise self._ended("in the response's body")
        return NO_PART

    def _ended(self, where: str) -> UpstreamError:
        error = self.stream.error
        if isinstance(error, PeerStalled):
            return UpstreamTimeout("the server stopped reading")
        if isinstance(error, PeerTimeout):
            return UpstreamTimeout(f"the server sent {error}")
        if isinstance(error, UpstreamError):
            return error
        return UpstreamError(f"the server ended the stream {where}")

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
