"""Searching values with a filter's regex: the same functions for flows in memory and for SQL.

Each gives 1 or 0, and 0 for NULL. All ignore case. Text is searched as text; bodies as bytes, so
that a pattern's letters beyond ASCII are the UTF-8 that a body has.
"""

from __future__ import annotations

import contextlib
import functools
import re

import msgspec

from rama_proxy.errors import FilterError
from rama_proxy.model.coding import MAX_DECODED, CodingError, decode_prefix
from rama_proxy.model.flow import Flow
from rama_proxy.model.grpc import framing_of
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Message
from rama_proxy.protocols.grpc import Splitter
from rama_proxy.protocols.grpc_result import compression_of

# A repeat of nothing but a repeat, such as (a+)+ or (\w*)*: says what the inner one says, and takes
# time that doubles with every letter.
_ENDLESS = re.compile(r"\((?:\?:|\?P<\w+>)?(?:\\.|\[\^?\]?[^\]]*\]|[^()\\\[\]])[*+]\)[*+{]")

_PIECE = 64 * 1024  # of a body; what comes behind a match need not be decompressed

_decode_json = msgspec.json.Decoder(list[tuple[str, str]]).decode


@functools.lru_cache(maxsize=256)
def _text_regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@functools.lru_cache(maxsize=256)
def _line_regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


@functools.lru_cache(maxsize=256)
def _byte_regex(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.IGNORECASE | re.DOTALL)


def check_regex(pattern: str, position: int, of_bytes: bool = False) -> None:
    """Raise FilterError, at `position` in its expression, for a regex that cannot be used."""
    try:
        pattern.encode()  # not so with what argv had in it that is no text
        _ = _byte_regex(pattern) if of_bytes else _text_regex(pattern)
    except (re.error, UnicodeEncodeError, OverflowError, RecursionError) as error:
        offset = getattr(error, "pos", None) or 0
        raise FilterError(f"bad regex {pattern!r}: {error}", position + offset) from error
    endless = _ENDLESS.search(pattern)
    if endless:
        raise FilterError(
            f"a repeat of a repeat, {endless.group()!r}, can take for ever",
            position + endless.start(),
            "leave one of the two out",
        )


def search_text(pattern: str, text: str | None) -> int:
    """Whether the regex is found in `text`."""
    return text is not None and _text_regex(pattern).search(text) is not None


def search_lines(pattern: str, text: str | None) -> int:
    """The same, with ^ and $ at each line."""
    return text is not None and _line_regex(pattern).search(text) is not None


def search_headers(pattern: str, fields: str | None) -> int:
    """Whether the regex is found in the lines "name: value" of a header list in JSON."""
    return fields is not None and search_lines(pattern, _lines(_decode_json(fields)))


def search_field(pattern: str, name: str, fields: str | None) -> int:
    """Whether the regex is found in a value of field `name` of a header list in JSON."""
    if fields is None:
        return 0
    return any(
        search_text(pattern, value) for key, value in _decode_json(fields) if key.lower() == name
    )


def search_body(pattern: str, data: bytes | None, content_encoding: str | None) -> int:
    """Whether the regex is found in a body once its content coding is undone.

    At most the first 16 MiB are searched; what cannot be decoded is searched as it is.
    """
    if not data:
        return 0
    with contextlib.suppress(CodingError):
        data, _ = decode_prefix(data, content_encoding)
    return _byte_regex(pattern).search(data) is not None


def search_bytes(pattern: str, data: bytes) -> int:
    """Whether the regex is found in `data` as it is."""
    return _byte_regex(pattern).search(data) is not None


def in_headers(pattern: str, message: Message | None) -> bool:
    """As `search_headers`, for a message."""
    return message is not None and bool(search_lines(pattern, _lines(_pairs(message.headers))))


def in_field(pattern: str, name: str, message: Message | None) -> bool:
    """As `search_field`, for a message."""
    return message is not None and any(
        search_text(pattern, value) for key, value in _pairs(message.headers) if key.lower() == name
    )


def in_body(pattern: str, message: Message | None) -> bool:
    """As `search_body`, for a message."""
    if message is None:
        return False
    encoding = message.headers.joined("content-encoding")
    return bool(search_body(pattern, message.raw_content, encoding))


def in_messages(pattern: str, flow: Flow, from_client: bool | None = None) -> bool:
    """As `search_body`, for the messages that are in memory.

    Those are the latest of a WebSocket, and what was kept of bodies that have gRPC's.
    """
    if flow.websocket is None:
        return (from_client is not False and _in_grpc(pattern, flow.request)) or (
            from_client is not True and _in_grpc(pattern, flow.response)
        )
    return any(
        search_body(pattern, message.content, None)
        for message in flow.websocket.messages
        if from_client is None or message.from_client is from_client
    )


def _in_grpc(pattern: str, message: Message | None) -> bool:
    """Whether the regex is found in a message of a gRPC body, decompressed."""
    framing = None if message is None else framing_of(message.media_type)
    if message is None or framing is None:
        return False
    data = message.raw_content
    with contextlib.suppress(CodingError):
        data, _ = decode_prefix(data, message.headers.joined("content-encoding"))
    splitter = Splitter(framing, compression_of(message.headers), MAX_DECODED)
    for start in range(0, len(data), _PIECE):
        for found in splitter.feed(data[start : start + _PIECE]):
            if search_body(pattern, found.data, None):
                return True
    last = splitter.end()
    return last is not None and bool(search_body(pattern, last.data, None))


def _lines(pairs: list[tuple[str, str]]) -> str:
    return "\n".join([f"{name}: {value}" for name, value in pairs])


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    """The text of all fields; latin-1 for all where one is not UTF-8, as the store has it."""
    try:
        return [(name.decode(), value.decode()) for name, value in headers.fields]
    except UnicodeDecodeError:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.fields]
