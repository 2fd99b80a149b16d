"""Searching values with a filter's regex: the same functions for flows in memory and for SQL.

Each gives 1 or 0, and 0 for NULL. All ignore case. Text is searched as text, bodies as bytes.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qsl

import msgspec

from rama_proxy.filters.regex import byte_regex, line_regex, text_regex
from rama_proxy.model.coding import MAX_DECODED, CodingError, decode_prefix
from rama_proxy.model.flow import Flow
from rama_proxy.model.grpc import framing_of
from rama_proxy.model.headers import Headers
from rama_proxy.model.jsontext import from_json
from rama_proxy.model.message import Message
from rama_proxy.protocols.grpc import Splitter
from rama_proxy.protocols.grpc_result import compression_of

_PIECE = 64 * 1024  # of a body; what comes behind a match need not be decompressed

_decode_json = msgspec.json.Decoder(list[tuple[str, str]]).decode


def search_text(pattern: str, text: str | None) -> int:
    """Whether the regex is found in `text`."""
    return text is not None and text_regex(pattern).search(_utf8(text)) is not None


def search_lines(pattern: str, text: str | None) -> int:
    """The same, with ^ and $ at each line."""
    return text is not None and line_regex(pattern).search(_utf8(text)) is not None


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


def search_pairs(argument: str, fields: str | None) -> int:
    """Whether a header list in JSON has the field that `name=value` says."""
    return fields is not None and _in_pairs(argument, _decode_json(fields))


def search_cookies(argument: str, fields: str | None) -> int:
    """Whether a header list in JSON has, in Cookie or Set-Cookie, what `name=value` says."""
    return fields is not None and _in_pairs(argument, _cookies(_decode_json(fields)))


def search_query(argument: str, path: str) -> int:
    """Whether the query of `path`, unquoted, has what `name=value` says."""
    query = path.partition("?")[2]
    return _in_pairs(argument, parse_qsl(query, keep_blank_values=True))


def search_note(pattern: str, name: str, annotations: str | None) -> int:
    """Whether the regex is found in annotation `name` of a JSON object."""
    found = from_json(annotations) if annotations else None
    return isinstance(found, dict) and search_text(pattern, found.get(name))


def search_metadata(pattern: str, metadata: str | None) -> int:
    """Whether the regex is found in a line "key: value" of a JSON object."""
    found = from_json(metadata) if metadata else {}
    items = found.items() if isinstance(found, dict) else [("metadata", found)]
    return search_text(pattern, "\n".join([f"{key}: {value}" for key, value in items]))


def search_tags(pattern: str, tags: str | None) -> int:
    """Whether the regex is found in one of a JSON list of tags."""
    return tags is not None and any(search_text(pattern, str(tag)) for tag in from_json(tags))


def search_network(network: str, address: str | None) -> int:
    """Whether `address` is in `network`; one alone is a network of one address."""
    try:
        return address is not None and ip_address(address.partition("%")[0]) in _network(network)
    except ValueError:
        return 0


def search_body(pattern: str, data: bytes | None, content_encoding: str | None) -> int:
    """Whether the regex is found in a body once its content coding is undone.

    At most the first 16 MiB are searched; what cannot be decoded is searched as it is.
    """
    if not data:
        return 0
    with contextlib.suppress(CodingError):
        data, _ = decode_prefix(data, content_encoding)
    return byte_regex(pattern).search(data) is not None


def search_bytes(pattern: str, data: bytes) -> int:
    """Whether the regex is found in `data` as it is."""
    return byte_regex(pattern).search(data) is not None


def in_headers(pattern: str, message: Message | None) -> bool:
    """As `search_headers`, for a message."""
    return message is not None and bool(search_lines(pattern, _lines(_pairs(message.headers))))


def in_field(pattern: str, name: str, message: Message | None) -> bool:
    """As `search_field`, for a message."""
    return message is not None and any(
        search_text(pattern, value) for key, value in _pairs(message.headers) if key.lower() == name
    )


def in_pairs(argument: str, message: Message | None) -> bool:
    """As `search_pairs`, for a message."""
    return message is not None and _in_pairs(argument, _pairs(message.headers))


def in_cookies(argument: str, message: Message | None) -> bool:
    """As `search_cookies`, for a message."""
    return message is not None and _in_pairs(argument, _cookies(_pairs(message.headers)))


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


@functools.lru_cache(maxsize=256)
def split_pair(argument: str) -> tuple[str, str | None]:
    """`name=value` as two regexes: one for a whole name, one to be found in its value."""
    name, equals, value = argument.partition("=")
    return f"^(?:{name})$", value if equals else None


def _in_pairs(argument: str, pairs: list[tuple[str, str]]) -> bool:
    name, value = split_pair(argument)
    return any(
        search_text(name, key) and (value is None or bool(search_text(value, found)))
        for key, found in pairs
    )


def _cookies(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The cookies of a header list, as they are written."""
    found: list[str] = []
    for name, value in pairs:
        match name.lower():
            case "cookie":
                found += value.split(";")
            case "set-cookie":
                found.append(value.partition(";")[0])
    parts = [cookie.partition("=") for cookie in found]
    return [(name.strip(), value.strip()) for name, _, value in parts]


@functools.lru_cache(maxsize=256)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _lines(pairs: list[tuple[str, str]]) -> str:
    return "\n".join([f"{name}: {value}" for name, value in pairs])


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    """The text of all fields; latin-1 for all where one is not UTF-8, as the store has it."""
    try:
        return [(name.decode(), value.decode()) for name, value in headers.fields]
    except UnicodeDecodeError:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.fields]


# What conditions call: whoever runs them registers these, and `rama_unpack(codec, data)`, which
# gives the wire bytes of a row of the store's bodies.
FUNCTIONS: dict[str, tuple[int, Callable[..., int]]] = {
    "rama_text": (2, search_text),
    "rama_lines": (2, search_lines),
    "rama_headers": (2, search_headers),
    "rama_field": (3, search_field),
    "rama_pairs": (2, search_pairs),
    "rama_cookies": (2, search_cookies),
    "rama_query": (2, search_query),
    "rama_note": (3, search_note),
    "rama_metadata": (2, search_metadata),
    "rama_tags": (2, search_tags),
    "rama_network": (2, search_network),
    "rama_body": (3, search_body),
    "rama_bytes": (2, search_bytes),
}
