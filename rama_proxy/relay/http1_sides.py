"""The two ends of one exchange over HTTP/1: what `exchange` needs to know of the version.

A body goes by as pairs of wire bytes and payload: between two HTTP/1 ends the wire bytes go on as
they are, chunk extensions and all.
"""

from __future__ import annotations

from rama_proxy.errors import (
    PeerClosed,
    PeerStalled,
    PeerTimeout,
    ProtocolError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.net.channel import Channel
from rama_proxy.protocols import http1


class ClientSide:
    """The client's end: gives the request's body, takes the response."""

    __slots__ = ("head_sent", "pending", "reader", "stream")

    def __init__(self, stream: Channel, request: Request) -> None:
        self.stream = stream
        self.reader = http1.body_reader(http1.request_framing(request))
        self.pending = b""
        self.head_sent = False

    @property
    def body_done(self) -> bool:
        """Whether the request's body has been read to its end."""
        return self.reader.done

    @property
    def trailers(self) -> Headers | None:
        """The trailers of the request, once its body is done."""
        return self.reader.trailers

    def read_body(self) -> tuple[bytes, bytes]:
        """What there is of the request's body. Raises PeerClosed, PeerTimeout, ProtocolError."""
        stream = self.stream
        if stream.buf:
            found = self.reader.read(stream.buf)
            if found[0] or self.reader.done:
                return found
        if stream.eof:
            raise stream.error or PeerClosed("the client closed in the middle of the request body")
        return b"", b""

    def send_head(self, response: Response, *, rebuilt: bool) -> None:
        """Send a response's head: its raw bytes, or rebuilt from its fields."""
        if response.raw and not rebuilt:
            self.pending += response.raw
        else:
            self.pending += http1.serialize_response(response)
        if response.status >= 200 or response.status == 101:
            self.head_sent = True

    def send_body(self, wire: bytes) -> None:
        """Send bytes of the response's body as they are on the wire."""
        if self.pending:
            wire = self.pending + wire
            self.pending = b""
        self.stream.write(wire)

    def flush(self) -> None:
        """Send a head that waits for its body."""
        if self.pending:
            self.stream.write(self.pending)
            self.pending = b""


class ServerSide:
    """The server's end: takes the request, gives the response."""

    __slots__ = ("max_fields", "max_head", "method", "reader", "reused", "stream")

    def __init__(self, stream: Channel, method: str, max_head: int, max_fields: int) -> None:
        self.stream = stream
        self.method = method
        self.max_head = max_head
        self.max_fields = max_fields
        self.reader: http1.BodyReader | None = None
        self.reused = False

    def read_head(self) -> Response | None:
        """The next response head, 1xx ones included; None while it is incomplete.

        Raises UpstreamError where none can come any more or it is malformed.
        """
        stream = self.stream
        if stream.buf:
            try:
                found = http1.parse_response(stream.buf, self.max_fields)
            except ProtocolError as error:
                raise UpstreamError(f"the server's response is malformed: {error}") from error
            if found is not None and found[1] <= self.max_head:
                response, used = found
                del stream.buf[:used]
                return response
            if len(stream.buf) > self.max_head:
                raise UpstreamError(f"the server's head is larger than {self.max_head} bytes")
        if stream.eof:
            raise self._ended("before its response" if not stream.buf else "in the response's head")
        return None

    def start_body(self, response: Response) -> http1.Framing:
        """Make ready to read the body of `response`."""
        try:
            framing = http1.response_framing(response, self.method)
        except ProtocolError as error:
            raise UpstreamError(f"the server's response is malformed: {error}") from error
        self.reader = http1.body_reader(framing)
        return framing

    @property
    def body_done(self) -> bool:
        """Whether the response's body has been read to its end."""
        return self.reader is not None and self.reader.done

    @property
    def trailers(self) -> Headers | None:
        """The trailers of the response, once its body is done."""
        return self.reader.trailers if self.reader is not None else None

    def read_body(self) -> tuple[bytes, bytes]:
        """What there is of the response's body. Raises UpstreamError if the server broke off."""
        stream = self.stream
        reader = self.reader
        assert reader is not None
        if stream.buf:
            try:
                found = reader.read(stream.buf)
            except ProtocolError as error:
                raise UpstreamError(f"the server's body is malformed: {error}") from error
            if found[0] or reader.done:
                return found
        if stream.eof and not reader.done:
            if stream.error is not None:
                raise self._ended("in the response's body")
            try:
                reader.eof()
            except ProtocolError as error:
                raise UpstreamError(f"the server closed early: {error}") from error
        return b"", b""

    def _ended(self, where: str) -> UpstreamError:
        error = self.stream.error
        if isinstance(error, PeerStalled):
            return UpstreamTimeout("the server stopped reading")
        if isinstance(error, PeerTimeout):
            return UpstreamTimeout(f"the server sent {error}")
        if isinstance(error, UpstreamError):
            return error
        detail = f" ({error})" if error is not None else ""
        return UpstreamError(f"the server closed the connection {where}{detail}")
