"""What two other HTTP/1 parsers make of the same bytes: h11, and llhttp through httptools.

Each reader takes the bytes of one connection and gives a Reading of the first message on it, None
if the message is not at its end, or the refusal's message as str.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import h11
import httptools

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Field
from rama_proxy.model.message import Request, Response
from rama_proxy.protocols.http1 import (
    BodyReader,
    body_reader,
    hop_request,
    parse_request,
    parse_response,
    request_framing,
    response_framing,
)

ROOM = 1 << 20  # h11 must not refuse for size what we let pass


class Reading(NamedTuple):
    """One message: first line in parts, fields, body, trailers."""

    start: tuple[bytes, ...]
    fields: list[Field]
    body: bytes
    trailers: list[Field]


Verdict = Reading | str | None


def our_request(data: bytes) -> Verdict:
    """The verdict of `rama_proxy.protocols.http1` on a request."""
    buf = bytearray(data)
    try:
        answer = parse_request(buf)
        if answer is None:
            return None
        request, used = answer
        del buf[:used]
        reader = body_reader(request_framing(request))
        start = (request.method.encode(), request.target, request.version[5:].encode())
        return _ours(start, request, reader, buf)
    except ProtocolError as error:
        return str(error)


def our_response(data: bytes, method: str = "GET") -> Verdict:
    """The verdict of `rama_proxy.protocols.http1` on the answer to `method` and its end."""
    buf = bytearray(data)
    try:
        answer = parse_response(buf)
        if answer is None:
            return None
        response, used = answer
        del buf[:used]
        reader = body_reader(response_framing(response, method))
        start = (str(response.status).encode(), response.version[5:].encode())
        return _ours(start, response, reader, buf)
    except ProtocolError as error:
        return str(error)


def forwarded(data: bytes) -> tuple[bytes, Reading] | None:
    """What a request becomes on its way to the server, and our reading of that; None if nothing."""
    ours = our_request(data)
    buf = bytearray(data)
    if not isinstance(ours, Reading):
        return None
    answer = parse_request(buf)
    assert answer is not None
    del buf[: answer[1]]
    head, _ = hop_request(answer[0], absolute=False)
    body = body_reader(request_framing(answer[0])).read(buf)[0]
    again = parse_request(bytearray(head))
    assert again is not None
    start = (ours.start[0], again[0].target, ours.start[2])
    return head + body, ours._replace(start=start, fields=again[0].headers.fields)


def passed_on(data: bytes) -> bytes | None:
    """What of a response goes to the client that sent a GET; None if nothing may."""
    if not isinstance(our_response(data), Reading):
        return None
    buf = bytearray(data)
    answer = parse_response(buf)
    assert answer is not None
    del buf[: answer[1]]
    return answer[0].raw + body_reader(response_framing(answer[0], "GET")).read(buf)[0]


def _ours(
    start: tuple[bytes, ...], message: Request | Response, reader: BodyReader, buf: bytearray
) -> Reading | None:
    body = reader.read(buf)[1]
    if isinstance(message, Response) and not buf:
        reader.eof()
    if not reader.done:
        return None
    trailers = reader.trailers.fields if reader.trailers else []
    return Reading(start, message.headers.fields, body, trailers)


def h11_request(data: bytes) -> Verdict:
    """h11's verdict on a request."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=ROOM)
    return _h11(connection, data, at_end=False)


def h11_response(data: bytes, method: str = "GET") -> Verdict:
    """h11's verdict on the answer to `method`, with the connection closed behind it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=ROOM)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return _h11(connection, data, at_end=True)


def _h11(connection: h11.Connection, data: bytes, *, at_end: bool) -> Verdict:
    start: tuple[bytes, ...] = ()
    fields: list[Field] = []
    body = b""
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if not at_end:
                    return None
                at_end = False
                connection.receive_data(b"")
            elif isinstance(event, h11.Request):
                start = (event.method, event.target, event.http_version)
                fields = event.headers.raw_items()
            elif isinstance(event, h11.Response | h11.InformationalResponse):
                start = (str(event.status_code).encode(), event.http_version)
                fields = event.headers.raw_items()
                if isinstance(event, h11.InformationalResponse):
                    return Reading(start, fields, b"", [])
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return Reading(start, fields, body, event.headers.raw_items())
            else:  # PAUSED behind a tunnel, or ConnectionClosed before a message
                return Reading(start, fields, body, []) if start else None
    except h11.RemoteProtocolError as error:
        return f"h11: {error}"


class _Collector:
    """The callbacks of an httptools parser, up to the end of the first message."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.start: tuple[bytes, ...] = ()
        self.target = b""
        self.fields: list[Field] = []
        self.trailers: list[Field] = []
        self.body = b""
        self.done = False

    def on_url(self, url: bytes) -> None:
        if not self.done:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.done:
            (self.trailers if self.start else self.fields).append((name, value))

    def on_headers_complete(self) -> None:
        if self.done:
            return
        version = self.parser.get_http_version().encode()
        if isinstance(self.parser, httptools.HttpRequestParser):
            self.start = (self.parser.get_method(), self.target, version)
        else:
            self.start = (str(self.parser.get_status_code()).encode(), version)

    def on_body(self, body: bytes) -> None:
        if not self.done:
            self.body += body

    def on_message_complete(self) -> None:
        self.done = True

    def reading(self) -> Reading:
        """What was collected."""
        return Reading(self.start, self.fields, self.body, self.trailers)


def llhttp_request(data: bytes) -> Verdict:
    """llhttp's verdict on a request."""
    collector = _Collector()
    collector.parser = httptools.HttpRequestParser(collector)
    refused = _feed(collector.parser, data)
    if collector.done:
        return collector.reading()
    return refused or None


def llhttp_response(data: bytes) -> Verdict:
    """llhttp's verdict on a response; it does not know what was asked for."""
    collector = _Collector()
    collector.parser = httptools.HttpResponseParser(collector)
    refused = _feed(collector.parser, data)
    if collector.done:
        return collector.reading()
    if refused:
        return refused
    return collector.reading() if collector.start and _until_close(collector.fields) else None


def _until_close(fields: list[Field]) -> bool:
    """Whether no field says how long the body is; httptools cannot tell llhttp of the end."""
    lower = [(name.lower(), value.lower().strip()) for name, value in fields]
    return not any(
        name == b"content-length" or (name == b"transfer-encoding" and value.endswith(b"chunked"))
        for name, value in lower
    )


def _feed(parser: Any, data: bytes) -> str:
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return ""
    except httptools.HttpParserError as error:
        return f"llhttp: {error}"
    return ""
