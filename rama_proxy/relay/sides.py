"""The two ends of one exchange, as `exchange` sees them whatever HTTP version each end speaks.

A body goes by in parts: wire bytes and the payload in them. Between two HTTP/1 ends the wire bytes
go on as they are, chunk extensions and all; every other pair passes on the payload. The ends are in
`http1_client`, `http1_server` and `http2_sides`.
"""

from __future__ import annotations

from typing import Protocol

from rama_proxy.errors import (
    PeerStalled,
    PeerTimeout,
    RamaError,
    UpstreamError,
    UpstreamTimeout,
)
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.net.channel import Channel

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 9.2.2
Part = tuple[bytes, bytes]  # wire bytes, payload; the same where the wire adds nothing
NO_PART: Part = (b"", b"")


class ClientSide(Protocol):
    """The client's end: gives the request's body, takes the response.

    `head_sent`: a final response was begun. What the hop demands goes to the flow's notes.
    """

    head_sent: bool

    @property
    def stream(self) -> Channel:
        """What carries it."""

    @property
    def body_done(self) -> bool:
        """Whether the request's body has been read to its end."""

    @property
    def trailers(self) -> Headers | None:
        """The trailers of the request, once its body is done."""

    @property
    def has_more(self) -> bool:
        """Whether a part of the request's body has come and was not read."""

    @property
    def begun(self) -> bool:
        """Whether the client may have seen a part of the final response."""

    def read_body(self) -> Part:
        """What there is of the request's body. Raises PeerClosed, PeerTimeout, ProtocolError."""

    def send_head(self, response: Response, *, rebuilt: bool, has_body: bool = True) -> None:
        """Send a response's head: as received, or rebuilt from its fields.

        It waits for its body, or for `flush`. Raises ProtocolError for what cannot be sent.
        """

    def send_body(self, part: Part) -> None:
        """Send a part of the response's body."""

    def end(self, trailers: Headers | None) -> None:
        """The response is complete."""

    def flush(self) -> None:
        """Send a head that waits for its body."""

    def establish(self) -> None:
        """Answer a CONNECT: what follows belongs to the tunnel."""

    def become_tunnel(self) -> None:
        """What comes is no HTTP from here on: it is read from the channel."""

    def check(self) -> None:
        """Raise PeerClosed or PeerStalled when nobody is there to take the response."""

    def takes_reset(self, error: RamaError) -> bool:
        """Whether `error` is told best by ending the stream as the server ended its own."""

    def abort(self, error: RamaError) -> None:
        """End the response so that the client sees a failure, not an end."""

    def take_back(self) -> None:
        """Drop a head that waits for its body."""


class ServerSide(Protocol):
    """The server's end: takes the request, gives the response."""

    @property
    def stream(self) -> Channel:
        """What carries it."""

    def send_request(self, request: Request, *, edited: bool, has_body: bool) -> list[str]:
        """Send the request's head; it waits for `flush`. Gives what the hop demanded.

        Raises ProtocolError for what cannot be sent.
        """

    def send_body(self, part: Part) -> None:
        """Send a part of the request's body."""

    def end(self, trailers: Headers | None) -> None:
        """The request is complete."""

    def flush(self) -> None:
        """Send what waits."""

    def read_head(self) -> Response | None:
        """The next response head, 1xx ones included; None while it is incomplete.

        Raises UpstreamError where none can come any more or it is malformed.
        """

    def start_body(self, response: Response) -> str:
        """Make ready to read the body of `response`; gives the kind of its framing."""

    @property
    def body_done(self) -> bool:
        """Whether the response's body has been read to its end."""

    @property
    def trailers(self) -> Headers | None:
        """The trailers of the response, once its body is done."""

    def read_body(self) -> Part:
        """What there is of the response's body. Raises UpstreamError if the server broke off."""

    def may_retry(self, error: RamaError) -> bool:
        """Whether the server cannot have acted on the request that failed with `error`."""

    async def release(self, *, reusable: bool) -> None:
        """The exchange is over; the connection waits for another where it can."""

    async def drop(self, error: RamaError) -> None:
        """The exchange failed: end what carried it."""

    def close(self) -> None:
        """End at once, with no time left for hooks."""


def server_ended(error: RamaError | None, otherwise: str) -> UpstreamError:
    """What the end of a server's channel by `error` means for the exchange; else `otherwise`."""
    if isinstance(error, PeerStalled):
        return UpstreamTimeout("the server stopped reading")
    if isinstance(error, PeerTimeout):
        return UpstreamTimeout(f"the server sent {error}")
    if isinstance(error, UpstreamError):
        return error
    detail = f" ({error})" if error is not None else ""
    return UpstreamError(f"{otherwise}{detail}")
