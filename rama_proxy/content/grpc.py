"""gRPC bodies and Protocol Buffers as text: each message with what it is, and decoded."""

from __future__ import annotations

from collections.abc import Iterator

from rama_proxy.content.charset import is_utf8
from rama_proxy.content.hexdump import hexdump
from rama_proxy.content.jsontext import pretty_json
from rama_proxy.content.origin import Origin
from rama_proxy.content.protobuf_text import beginning_text, message_text
from rama_proxy.model.coding import MAX_DECODED
from rama_proxy.model.grpc import Result, codec_of, framing_of
from rama_proxy.model.message import Response
from rama_proxy.model.websocket import FLAG_NAMES, INCOMPLETE, TRUNCATED, UNREAD
from rama_proxy.protocols.grpc import GrpcMessage, Splitter
from rama_proxy.protocols.grpc_result import result_of
from rama_proxy.units import format_size

MAX_MESSAGES = 1000  # of a body
MAX_SHOWN = 8 * 1024 * 1024  # bytes of text
MAX_HEX = 4096  # bytes of a message that is shown as bytes
_PIECE = 64 * 1024  # of a body; what is not shown need not be decompressed


def call_result(response: Response | None) -> Result | None:
    """How a gRPC call ended, as far as trailers or body say so; None for other responses."""
    return result_of(response)


def pretty_protobuf(data: bytes, origin: Origin) -> tuple[bytes, str]:
    """The lines of a body that is one message, and a note. Raises ValueError where it is none."""
    text, note = message_text(data, origin.schema, origin.message_type)
    return text.encode("utf-8", "replace"), note


def pretty_grpc(data: bytes, origin: Origin) -> tuple[bytes, str]:
    """Every message of a body below a line that says what it is, and a note.

    Raises ValueError for a body that is not even framed.
    """
    parts: list[str] = []
    notes: list[str] = []
    size = count = 0
    splitter = _splitter(origin)
    for message in _split(splitter, data):
        count += not message.ends
        if size > MAX_SHOWN or count > MAX_MESSAGES:
            notes.append(f"only the first {count - 1:,} messages")
            break
        name = "end of the stream" if message.ends else f"message {count}"
        text, note = body_text(message.data, message.flags, origin, ends=message.ends)
        parts.append(f"{_heading(name, message, origin, note)}\n{text}".rstrip("\n"))
        size += len(parts[-1])
    if splitter.problem and not parts:
        raise ValueError(splitter.problem)
    if splitter.problem:
        notes.append(splitter.problem)
    return "\n\n".join(parts).encode("utf-8", "replace"), "; ".join(notes)


def _splitter(origin: Origin) -> Splitter:
    framing = framing_of(origin.media_type)
    if framing is None:
        raise ValueError(f"{origin.media_type or 'no media type'} says no framing")
    return Splitter(framing, origin.compression, MAX_DECODED)


def _split(splitter: Splitter, data: bytes) -> Iterator[GrpcMessage]:
    for start in range(0, len(data), _PIECE):
        yield from splitter.feed(data[start : start + _PIECE])
    if (message := splitter.end()) is not None:
        yield message


def _heading(name: str, message: GrpcMessage, origin: Origin, note: str) -> str:
    facts = [f"# {name}", format_size(message.size)]
    if message.compressed:
        facts.append(f"{origin.compression or 'compressed'} from {format_size(message.packed)}")
    if not message.ends and (kind := origin.message_type) is not None:
        facts.append(kind.name)
    facts += [text for flag, text in FLAG_NAMES.items() if message.flags & flag]
    return ", ".join([*facts, note] if note else facts)


def body_text(data: bytes, flags: int, origin: Origin, *, ends: bool = False) -> tuple[str, str]:
    """One message as text, decoded by what its body's media type says, and a note. Never fails.

    `flags` are those of model.websocket; `ends`: it is the frame that ends a stream.
    """
    codec = codec_of(origin.media_type)
    if flags & UNREAD:
        return _as_bytes(data), ""
    if ends or codec == "json":
        if is_utf8(data):
            text, note = pretty_json(data) if data[:1] in b"{[" else (data, "")
            return text.decode("utf-8", "replace").replace("\r\n", "\n"), note
        return _as_bytes(data), ""
    if codec != "proto":
        return (data.decode(), "") if is_utf8(data) else (_as_bytes(data), "")
    try:
        if flags & (TRUNCATED | INCOMPLETE):
            return beginning_text(data, origin.schema, origin.message_type), ""
        return message_text(data, origin.schema, origin.message_type)
    except ValueError as error:
        return _as_bytes(data), f"cannot be decoded: {error}"


def _as_bytes(data: bytes) -> str:
    more = f"… {format_size(len(data) - MAX_HEX)} more\n" if len(data) > MAX_HEX else ""
    return hexdump(data[:MAX_HEX]) + more
