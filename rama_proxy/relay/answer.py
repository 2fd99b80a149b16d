"""Answers that the proxy itself gives, and what a failed exchange does to its client."""

from __future__ import annotations

from rama_proxy.errors import PeerClosed, PeerTimeout, RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Response
from rama_proxy.protocols import http1
from rama_proxy.relay.http1_sides import ClientSide
from rama_proxy.relay.wiring import Conn


class Killed(RamaError):
    """An addon or a person ended the flow."""


def error_response(status: int, message: str) -> Response:
    """The answer that tells a client what went wrong."""
    response = Response.make(
        status, "", {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
    )
    text = f"rama: {status} {response.reason}: {message}\n"
    response.body.chunks = [text.encode("utf-8", "replace")]
    response.body.size = len(response.body.chunks[0])
    response.headers.set("Content-Length", str(response.body.size))
    return response


def send_response(conn: Conn, response: Response, *, head_only: bool = False) -> None:
    """Write a response that was made here."""
    body = b"" if head_only else bytes(response.body)
    conn.client.write(http1.serialize_response(response) + body)


async def refuse(conn: Conn, flow: Flow, error: RamaError) -> None:
    """Answer with the error, unless the client has gone, write the flow down and close."""
    wiring = conn.wiring
    flow.error = str(error)
    if not isinstance(error, PeerClosed):
        flow.response = error_response(status_of(error, 400), flow.error)
        send_response(conn, flow.response, head_only=flow.request.method == "HEAD")
    if wiring.hooks.error:
        await wiring.hooks.run(wiring.hooks.error, flow)
    wiring.capture.end(flow)
    await conn.client.linger(wiring.phases.linger)


def tell_failure(flow: Flow, client: ClientSide, error: RamaError) -> None:
    """Tell the client of an exchange that failed, as far as that is still possible.

    Before a response has begun that is an answer; in the middle of one only a reset shows that it
    is not whole. Who killed the flow wants no answer, and who has gone gets none.
    """
    flow.error = str(error)
    stream = client.stream
    begun = client.head_sent and not client.pending
    if isinstance(error, Killed) or begun:
        stream.reset()
    elif stream.lost or isinstance(error, PeerClosed):
        stream.close()
    else:
        client.pending = b""
        flow.response = error_response(status_of(error, 502), flow.error)
        client.send_head(flow.response, rebuilt=True)
        client.send_body(b"" if flow.request.method == "HEAD" else bytes(flow.response.body))


def status_of(error: RamaError, default: int) -> int:
    """The status that answers `error`. A client that is too slow itself gets 408."""
    if isinstance(error, PeerTimeout):
        return 408
    status = getattr(error, "status", default)
    return status if isinstance(status, int) and status >= 400 else default
