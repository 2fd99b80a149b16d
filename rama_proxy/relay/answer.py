"""Answers that the proxy itself gives, and what a failed exchange does to its client."""

from __future__ import annotations

from rama_proxy.errors import PeerClosed, PeerTimeout, RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Response
from rama_proxy.protocols.translate import HTTP2
from rama_proxy.relay.sides import ClientSide
from rama_proxy.relay.wiring import Conn


class Killed(RamaError):
    """An addon or a person ended the flow."""


def error_response(status: int, message: str, version: str = "") -> Response:
    """The answer that tells a client what went wrong."""
    fields = {"Content-Type": "text/plain; charset=utf-8"}
    if version != HTTP2:
        fields["Connection"] = "close"
    response = Response.make(status, "", fields)
    text = f"rama: {status} {response.reason}: {message}\n"
    response.body.chunks = [text.encode("utf-8", "replace")]
    response.body.size = len(response.body.chunks[0])
    response.headers.set("Content-Length", str(response.body.size))
    return response


def send_response(flow: Flow, client: ClientSide, response: Response) -> None:
    """Send a response that was made here, whole."""
    data = b"" if flow.request.method == "HEAD" else bytes(response.body)
    client.send_head(response, rebuilt=True, has_body=bool(data))
    client.send_body((data, data))
    client.end(None)
    client.flush()


async def refuse(conn: Conn, flow: Flow, error: RamaError, client: ClientSide) -> None:
    """Answer with the error, unless the client has gone, write the flow down and close."""
    wiring = conn.wiring
    flow.error = str(error)
    if not isinstance(error, PeerClosed):
        status = status_of(error, 400)
        flow.response = error_response(status, flow.error, flow.request.version)
        send_response(flow, client, flow.response)
    if wiring.hooks.error:
        await wiring.hooks.run(wiring.hooks.error, flow)
    wiring.capture.end(flow)
    await client.stream.linger(wiring.phases.linger)


def tell_failure(flow: Flow, client: ClientSide, error: RamaError) -> None:
    """Tell the client of an exchange that failed, as far as that is still possible.

    Before a response has begun that is an answer; in the middle of one only a reset shows that it
    is not whole. Who killed the flow wants no answer, and who has gone gets none.
    """
    flow.error = str(error)
    stream = client.stream
    if isinstance(error, Killed) or client.begun or client.takes_reset(error):
        client.abort(error)
    elif stream.lost or isinstance(error, PeerClosed):
        stream.close()
    else:
        client.take_back()
        status = status_of(error, 502)
        flow.response = error_response(status, flow.error, flow.request.version)
        send_response(flow, client, flow.response)


def status_of(error: RamaError, default: int) -> int:
    """The status that answers `error`. A client that is too slow itself gets 408."""
    if isinstance(error, PeerTimeout):
        return 408
    status = getattr(error, "status", default)
    return status if isinstance(status, int) and status >= 400 else default
