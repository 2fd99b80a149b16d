"""The server's end of an exchange over HTTP/1; `sides` says what each method does."""

from __future__ import annotations

import base64
import os

from rama_proxy.errors import (
    ProtocolError,
    RamaError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.net.channel import Channel
from rama_proxy.net.pool import Key
from rama_proxy.protocols import http1, translate
from rama_proxy.relay.edits import rebuilt
from rama_proxy.relay.sides import IDEMPOTENT, NO_PART, Part, server_ended
from rama_proxy.relay.wiring import Conn, close_upstream


class Http1Server:
    """The server's end: takes the request, gives the response."""

    __slots__ = (
        "_busy",
        "_chunking",
        "_conn",
        "_head",
        "_key",
        "_method",
        "_pending",
        "_reader",
        "_reused",
        "_websocket_key",
        "stream",
    )

    def __init__(self, conn: Conn, key: Key, stream: Channel, *, reused: bool) -> None:
        self.stream = stream
        self._reused = reused
        self._conn = conn
        self._busy = True  # as `conn.links` counts
        self._key = key
        self._method = ""
        self._head = b""  # as it was sent
        self._websocket_key = ""  # that we made, for a client that speaks HTTP/2
        self._reader: http1.BodyReader | None = None
        self._pending = b""
        self._chunking = False  # the request comes from HTTP/2, and has no length

    # --- the request

    def send_request(self, request: Request, *, edited: bool, has_body: bool) -> list[str]:
        self._method = request.method
        notes: list[str] = []
        if request.version == translate.HTTP2:
            if request.protocol:
                self._websocket_key = base64.b64encode(os.urandom(16)).decode()
            request, notes = translate.request_to_http1(
                request, has_body=has_body, websocket_key=self._websocket_key
            )
            self._method = request.method
            self._chunking = request.headers.get_bytes(b"transfer-encoding") is not None
        elif edited:
            request = rebuilt(request)
        head, more = http1.hop_request(request, absolute=False)
        self._head = head
        self._pending += head
        return notes + more

    def send_body(self, part: Part) -> None:
        wire = http1.chunk(part[1]) if self._chunking else part[0]
        if self._pending:
            self._pending += wire
        elif wire:
            self.stream.write(wire)

    def end(self, trailers: Headers | None) -> None:
        if self._chunking:
            self._chunking = False
            self.send_body((http1.last_chunk(trailers), b""))

    def flush(self) -> None:
        if self._pending:
            self.stream.write(self._pending)
            self._pending = b""

    # --- the response

    def read_head(self) -> Response | None:
        stream, options = self.stream, self._conn.wiring.options
        if stream.buf:
            try:
                found = http1.parse_response(stream.buf, options.max_fields)
            except ProtocolError as error:
                raise UpstreamError(f"the server's response is malformed: {error}") from error
            if found is not None and found[1] <= options.max_head:
                response, used = found
                del stream.buf[:used]
                if response.status == 101:
                    self._check_upgrade(response)
                return response
            if len(stream.buf) > options.max_head:
                raise UpstreamError(f"the server's head is larger than {options.max_head} bytes")
        if stream.eof:
            raise self._ended("before its response" if not stream.buf else "in the response's head")
        return None

    def _check_upgrade(self, response: Response) -> None:
        if b"\nupgrade:" not in self._head.lower():
            # Or its next bytes would answer requests to others (RFC 9110 15.2.2).
            raise UpstreamError("the server switched protocols unasked")
        key = self._websocket_key
        if key and response.headers.get_bytes(b"sec-websocket-accept") != (
            translate.websocket_accept(key)
        ):
            raise UpstreamError("the server's Sec-WebSocket-Accept is wrong (RFC 6455 4.1)")

    def start_body(self, response: Response) -> str:
        try:
            framing = http1.response_framing(response, self._method)
        except ProtocolError as error:
            raise UpstreamError(f"the server's response is malformed: {error}") from error
        self._reader = http1.body_reader(framing)
        if framing.kind == "tunnel":
            self._free()
        return framing.kind

    @property
    def body_done(self) -> bool:
        return self._reader is not None and self._reader.done

    @property
    def trailers(self) -> Headers | None:
        return self._reader.trailers if self._reader is not None else None

    def read_body(self) -> Part:
        stream = self.stream
        reader = self._reader
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
        return NO_PART

    def _ended(self, where: str) -> UpstreamError:
        return server_ended(self.stream.error, f"the server closed the connection {where}")

    # --- the end

    def may_retry(self, error: RamaError) -> bool:
        """A connection that waited was closed as we used it (RFC 9112 9.3.1)."""
        if not self._reused or self._method not in IDEMPOTENT:
            return False
        return not self.stream.buf and not isinstance(error, UpstreamTimeout)

    def _free(self) -> None:
        if self._busy:
            self._busy = False
            self._conn.links.free()

    async def release(self, *, reusable: bool) -> None:
        self._free()
        stream, conn = self.stream, self._conn
        if stream.eof or not reusable:
            await close_upstream(conn, stream)
            return
        stream.phase = None
        for dropped in conn.pool.give(self._key, stream):
            await close_upstream(conn, dropped)

    async def drop(self, error: RamaError) -> None:
        self._free()
        stream = self.stream
        if isinstance(error, UpstreamError):
            stream.info.error = stream.info.error or str(error)
        if not stream.writable:
            stream.reset()  # it does not take what was sent, and would never see an end
        await close_upstream(self._conn, stream)

    def close(self) -> None:
        self._free()
        self.stream.close()
