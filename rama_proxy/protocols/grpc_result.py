"""How a gRPC call ended: read from the trailers, the head, or the frame that ends a web stream."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from rama_proxy.model.coding import CodingError, codings, decode_prefix
from rama_proxy.model.grpc import CODES, CONNECT, Framing, Result, framing_of
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Response
from rama_proxy.protocols.grpc import COMPRESSED, PREFIX, Base64Stream

MAX_FRAMES = 100_000  # looked at to find the one that ends a stream
MAX_BASE64 = 1024 * 1024  # bytes of a body in base64 in which it is looked for
MAX_END = 64 * 1024  # bytes of the frame that ends a stream; it holds trailers
MAX_MESSAGE = 8 * 1024  # characters of grpc-message that are read

_CONNECT_CODES = {name.lower(): code for code, (name, _) in CODES.items()} | {"canceled": 1}


def result_of(response: Response | None) -> Result | None:
    """How the call of `response` ended, None where it does not say, or is no gRPC.

    grpc-status stands in the trailers, or in the head where there is nothing else. A body that
    ends in a frame of trailers is read as far as it was kept.
    """
    if response is None or (framing := framing_of(response.media_type)) is None:
        return None
    for headers in (response.trailers, response.headers):
        if headers is not None and (result := result_in(headers)) is not None:
            return result
    if not framing.end_flag:
        return None
    try:
        encoding = response.headers.joined("content-encoding")
        body, _ = decode_prefix(bytes(response.body), encoding)
        frame = last_frame(body, framing)
        if frame is None:
            return None
        return end_result(framing, *frame, compression_of(response.headers))
    except CodingError:
        return None


def compression_of(headers: Headers) -> str:
    """The compression of the messages that a head announces."""
    return headers.get("grpc-encoding") or headers.get("connect-content-encoding") or ""


def result_in(headers: Headers) -> Result | None:
    """The result that stands in a head or in trailers."""
    text = (headers.get("grpc-status") or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    message = (headers.get("grpc-message") or "")[:MAX_MESSAGE]
    return Result(int(text), unquote(message, errors="replace"))


def last_frame(body: bytes, framing: Framing) -> tuple[int, bytes] | None:
    """The flags and the content of the frame that ends a stream, None where `body` has it not."""
    if framing.is_base64:
        body = Base64Stream().feed(body) if len(body) <= MAX_BASE64 else b""
    at = 0
    for _ in range(MAX_FRAMES):
        if at + PREFIX > len(body):
            break
        flags = body[at]
        end = at + PREFIX + int.from_bytes(body[at + 1 : at + PREFIX], "big")
        if flags & framing.end_flag:
            return (flags, body[at + PREFIX : end]) if end <= len(body) else None
        at = end
    return None


def end_result(framing: Framing, flags: int, data: bytes, coding: str) -> Result | None:
    """The result in the frame that ends a stream. Raises CodingError."""
    if flags & COMPRESSED and codings(coding):
        data, _ = decode_prefix(data, coding, MAX_END)
    data = data[:MAX_END]
    if framing is CONNECT:
        return _connect_result(data)
    return result_in(Headers.of([_field(line) for line in data.splitlines()]))


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip(), value.strip()


def _connect_result(data: bytes) -> Result | None:
    """The result in Connect's JSON: {"error": {"code": "not_found", "message": ...}}."""
    try:
        end = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(end, dict):
        return None
    error = end.get("error")
    if not isinstance(error, dict):
        return Result(0)
    code = _CONNECT_CODES.get(str(error.get("code")), 2)
    return Result(code, str(error.get("message") or "")[:MAX_MESSAGE])
