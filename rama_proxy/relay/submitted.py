"""The client's end of a request that no client sent; `sides` says what each method does.

The request's body is all there, and what becomes of the response is in its flow: nobody reads it,
so nobody is slow, leaves, or has to be told of a failure.
"""

from __future__ import annotations

from collections import deque

from rama_proxy.errors import PeerClosed, ProtocolError, RamaError
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.net.channel import Channel
from rama_proxy.protocols import http1, translate
from rama_proxy.relay.sides import NO_PART, Part

PIECE = 256 * 1024  # bytes of a body passed on at once, and in one chunk where it goes in chunks


class Nobody(Channel):
    """A channel with nobody at its other end."""

    __slots__ = ()

    def _transmit(self, data: bytes | bytearray) -> None:
        pass

    def _end(self) -> None:
        pass

    def _shut(self) -> None:
        self.gone_for_good()

    def reset(self) -> None:
        """Close."""
        self.gone_for_good()


class Submitted:
    """Gives `body`, and `last_fields` behind it; forgets what it is sent."""

    __slots__ = ("_parts", "_trailers", "head_sent", "stream")

    def __init__(
        self, stream: Channel, request: Request, body: bytes, last_fields: Headers | None
    ) -> None:
        """`request` says how its body is framed. Raises ProtocolError where the body is another."""
        self.stream = stream
        self.head_sent = False
        self._trailers = last_fields
        self._parts = deque(_parts(request, body, last_fields))

    @property
    def body_done(self) -> bool:
        return not self._parts

    @property
    def trailers(self) -> Headers | None:
        return self._trailers

    @property
    def has_more(self) -> bool:
        return bool(self._parts)

    @property
    def begun(self) -> bool:
        return self.head_sent

    def read_body(self) -> Part:
        return self._parts.popleft() if self._parts else NO_PART

    def send_head(self, response: Response, *, rebuilt: bool, has_body: bool = True) -> None:
        self.head_sent = self.head_sent or response.status >= 200

    def send_body(self, part: Part) -> None:
        pass

    def end(self, trailers: Headers | None) -> None:
        pass

    def flush(self) -> None:
        pass

    def establish(self) -> None:
        pass

    def become_tunnel(self) -> None:
        pass

    def check(self) -> None:
        if self.stream.lost:
            raise self.stream.error or PeerClosed("nobody wants the response any more")

    def takes_reset(self, error: RamaError) -> bool:
        return True  # an answer of ours would look like the server's

    def abort(self, error: RamaError) -> None:
        pass

    def take_back(self) -> None:
        pass


def _parts(request: Request, body: bytes, last_fields: Headers | None) -> list[Part]:
    """The body in pieces as they go out. Raises ProtocolError where its head says otherwise."""
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    if request.version == translate.HTTP2:
        length = request.headers.get("content-length")
        if length is not None and length != str(len(body)):
            raise ProtocolError(f"content-length is {length}, and the body has {len(body)} bytes")
        return [(piece, piece) for piece in pieces]
    framing = http1.request_framing(request)
    if framing.kind == "chunked":
        chunks = [(http1.chunk(piece), piece) for piece in pieces]
        return [*chunks, (http1.last_chunk(last_fields), b"")]
    declared = framing.length if framing.kind == "length" else 0
    if declared != len(body):
        raise ProtocolError(f"Content-Length says {declared}, and the body has {len(body)} bytes")
    return [(piece, piece) for piece in pieces]
