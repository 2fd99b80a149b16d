"""What addons may change about a message, how that is noticed, and what has to follow from it."""

from __future__ import annotations

from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Field, Headers
from rama_proxy.model.message import Message, Request, Response, authority_of
from rama_proxy.protocols import http1, translate
from rama_proxy.relay.sides import Part

State = tuple[object, ...]
EDITED_REQUEST = "request edited by an addon"
EDITED_RESPONSE = "response edited by an addon"


def request_state(request: Request) -> State:
    """Everything of a request's head that an edit can change."""
    fields: list[Field] = request.headers.fields
    return (
        request.headers.get_bytes(b"host"),
        (request.scheme, request.host, request.port),
        request.method,
        request.target,
        request.authority,
        request.version,
        tuple(fields),
    )


def response_state(response: Response) -> State:
    """Everything of a response's head that an edit can change."""
    return (response.status, response.reason, response.version, tuple(response.headers.fields))


def settle_request(flow: Flow, before: State, held: list[Part] | None) -> list[Part] | None:
    """Make the rest of the request agree with what was edited, and note it.

    `held` are the parts of a body that was not sent on yet, None if it streams through. Gives
    what to send in their place.
    """
    request = flow.request
    if request.body.edited:
        if held is None:
            flow.notes.append("an edit of the request body came too late and was not sent")
        else:
            data = bytes(request.body)
            held = [(data, data)] if data else []
            set_length(request, len(data))
            request.trailers = None
    place = (request.scheme, request.host, request.port)
    if place != before[1] and request.headers.get_bytes(b"host") == before[0]:
        if request.version == translate.HTTP2:
            translate.set_authority(request, authority_of(*place))
        else:
            request.headers.set("Host", authority_of(*place))
    if request_state(request) != before:
        flow.notes.append(EDITED_REQUEST)
    return held


def set_length(message: Message, size: int) -> None:
    """Make the framing fields say that the body is `size` bytes (RFC 9112 6.2)."""
    message.headers.remove("Transfer-Encoding")
    message.headers.remove("Trailer")
    name = "content-length" if message.version == translate.HTTP2 else "Content-Length"
    message.headers.set(name, str(size))


def rewrite_host(request: Request, value: str) -> str:
    """Let `request` name `value` as its host; what was changed in words, "" if nothing."""
    if request.version == translate.HTTP2:
        return translate.set_authority(request, value)
    return http1.set_host(request, value)


def rebuilt(request: Request) -> Request:
    """A request with the same fields whose raw head says what they say."""
    copy = Request(
        request.method, request.target, request.version, Headers.of(request.headers.fields)
    )
    copy.raw = http1.serialize_request(request)
    copy.scheme, copy.host, copy.port = request.scheme, request.host, request.port
    copy.authority = request.authority
    return copy
