"""What a filter can ask about a flow. One row of OPERATORS is one operator, and all there is to it.

Each row says the same thing twice: as a predicate on a flow in memory and as a condition on the
store's `flows f`. A condition is never NULL, so that NOT turns it round as it does the predicate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rama_proxy.filters.search import (
    in_body,
    in_field,
    in_headers,
    in_messages,
    search_body,
    search_bytes,
    search_field,
    search_headers,
    search_lines,
    search_text,
)
from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.model.flow import Flow

Predicate = Callable[[Flow], bool]

# What conditions call: whoever runs them registers these, and `rama_unpack(codec, data)`, which
# gives the wire bytes of a row of the store's bodies.
FUNCTIONS: dict[str, tuple[int, Callable[..., int]]] = {
    "rama_text": (2, search_text),
    "rama_lines": (2, search_lines),
    "rama_headers": (2, search_headers),
    "rama_field": (3, search_field),
    "rama_body": (3, search_body),
    "rama_bytes": (2, search_bytes),
}

_ASSETS = "text/javascript|application/(x-)?javascript|text/css|image/|font/|application/font"


class Where(NamedTuple):
    """A condition on the store's `flows f`, with its bound parameters."""

    sql: str
    params: tuple[str | int, ...] = ()


class Condition(NamedTuple):
    """An operator with its argument: as a predicate and for the store."""

    matches: Predicate
    where: Where


Make = Callable[[str], Condition]


@dataclass(slots=True, frozen=True)
class Operator:
    """One `~code`. `takes` says what follows it: "", "regex", "body regex" or "number"."""

    code: str
    takes: str
    help: str
    make: Make


def _is(matches: Predicate, sql: str) -> Make:
    """A fact; there is no argument."""
    condition = Condition(matches, Where(sql))
    return lambda argument: condition


def _number(matches: Callable[[int, Flow], bool], sql: str) -> Make:
    """A number; `sql` has it as its only parameter."""

    def make(argument: str) -> Condition:
        number = int(argument)
        return Condition(lambda flow: matches(number, flow), Where(sql, (number,)))

    return make


def _regex(matches: Callable[[str, Flow], object], sql: str) -> Make:
    """A regex, checked before; it is each of the parameters of `sql`."""
    count = sql.count("?")

    def make(pattern: str) -> Condition:
        return Condition(lambda flow: bool(matches(pattern, flow)), Where(sql, (pattern,) * count))

    return make


def _of_response(sql: str) -> str:
    """What `sql` says of the request, said of the response."""
    return sql.replace("f.req_", "f.resp_")


def _both(sql: str) -> str:
    return "(" + sql + " OR " + _of_response(sql) + ")"


def _address(address: Address | None) -> str | None:
    return None if address is None else f"{address[0]}:{address[1]}"


def _server_address(server: ConnectionInfo | None) -> str | None:
    return None if server is None else _address(server.address)


def _status(flow: Flow) -> int | None:
    return None if flow.response is None else flow.response.status


def _annotation(*names: str) -> Make:
    """One of the client's annotations `names`; each is a column of connections."""
    columns = " OR ".join(["rama_text(?, c." + name + ")" for name in names])
    return _regex(
        lambda pattern, flow: any(
            search_text(pattern, flow.client.annotations.get(name)) for name in names
        ),
        _CLIENT + "(" + columns + "))",
    )


_HTTP = frozenset({"http", "websocket"})
_IS_HTTP = "f.kind IN ('http', 'websocket')"
_HEADERS = "rama_headers(?, f.req_headers)"
_TYPE = "rama_field(?, 'content-type', f.req_headers)"
_BODY = (
    "EXISTS (SELECT 1 FROM bodies b WHERE b.id = f.req_body_id"
    " AND rama_body(?, rama_unpack(b.codec, b.data), f.req_encoding))"
)
_MESSAGES = "EXISTS (SELECT 1 FROM messages m WHERE m.flow_id = f.id AND rama_body(?, m.data, NULL)"
_BODY_OR_SENT = "(" + _BODY + " OR " + _MESSAGES + " AND m.from_client))"
_BODY_OR_GOT = "(" + _of_response(_BODY) + " OR " + _MESSAGES + " AND NOT m.from_client))"
_CLIENT = "EXISTS (SELECT 1 FROM connections c WHERE c.id = f.client_id AND "
_SERVER = "EXISTS (SELECT 1 FROM connections c WHERE c.id = f.server_id AND "


_make_type_of_response = _regex(
    lambda pattern, flow: in_field(pattern, "content-type", flow.response), _of_response(_TYPE)
)

_ROWS = (
    Operator("all", "", "every flow", _is(lambda flow: True, "1")),
    Operator("http", "", "HTTP", _is(lambda flow: flow.kind in _HTTP, _IS_HTTP)),
    Operator("tcp", "", "a tunnel", _is(lambda flow: flow.kind == "tcp", "f.kind = 'tcp'")),
    Operator("e", "", "has an error", _is(lambda flow: bool(flow.error), "f.error IS NOT NULL")),
    Operator(
        "q", "", "a request without response",
        _is(lambda flow: flow.kind in _HTTP and flow.response is None,
            "(" + _IS_HTTP + " AND f.status IS NULL)"),
    ),
    Operator(
        "s", "", "has a response",
        _is(lambda flow: flow.kind in _HTTP and flow.response is not None,
            "(" + _IS_HTTP + " AND f.status IS NOT NULL)"),
    ),
    Operator(
        "a", "", "an asset: script, style, image or font",
        lambda argument: _make_type_of_response(_ASSETS),
    ),
    Operator("marked", "", "is marked", _is(lambda flow: bool(flow.mark), "f.mark IS NOT NULL")),
    Operator(
        "c", "number", "status code",
        _number(lambda number, flow: _status(flow) == number, "f.status IS ?"),
    ),
    Operator(
        "m", "regex", "method",
        _regex(lambda pattern, flow: search_text(pattern, flow.request.method),
               "rama_text(?, f.method)"),
    ),
    Operator(
        "d", "regex", "host, as asked for or as connected to",
        _regex(lambda pattern, flow: search_text(pattern, flow.request.host)
               or search_text(pattern, flow.request.pretty_host),
               "(rama_text(?, f.host) OR rama_text(?, f.named_host))"),
    ),
    Operator(
        "u", "regex", "URL",
        _regex(lambda pattern, flow: search_text(pattern, flow.request.pretty_url),
               "rama_text(?, f.url)"),
    ),
    Operator(
        "h", "regex", "a header line, \"name: value\"",
        _regex(lambda pattern, flow: in_headers(pattern, flow.request)
               or in_headers(pattern, flow.response), _both(_HEADERS)),
    ),
    Operator(
        "hq", "regex", "a header line of the request",
        _regex(lambda pattern, flow: in_headers(pattern, flow.request), _HEADERS),
    ),
    Operator(
        "hs", "regex", "a header line of the response",
        _regex(lambda pattern, flow: in_headers(pattern, flow.response), _of_response(_HEADERS)),
    ),
    Operator(
        "t", "regex", "Content-Type",
        _regex(lambda pattern, flow: in_field(pattern, "content-type", flow.request)
               or in_field(pattern, "content-type", flow.response), _both(_TYPE)),
    ),
    Operator(
        "tq", "regex", "Content-Type of the request",
        _regex(lambda pattern, flow: in_field(pattern, "content-type", flow.request), _TYPE),
    ),
    Operator("ts", "regex", "Content-Type of the response", _make_type_of_response),
    Operator(
        "b", "body regex", "a body, decoded, or a message of a WebSocket or of gRPC",
        _regex(lambda pattern, flow: in_body(pattern, flow.request)
               or in_body(pattern, flow.response) or in_messages(pattern, flow),
               "(" + _both(_BODY) + " OR " + _MESSAGES + "))"),
    ),
    Operator(
        "bq", "body regex", "the body of the request, or a message of the client",
        _regex(lambda pattern, flow: in_body(pattern, flow.request)
               or in_messages(pattern, flow, True), _BODY_OR_SENT),
    ),
    Operator(
        "bs", "body regex", "the body of the response, or a message of the server",
        _regex(lambda pattern, flow: in_body(pattern, flow.response)
               or in_messages(pattern, flow, False), _BODY_OR_GOT),
    ),
    Operator(
        "src", "regex", "the client's address, \"ip:port\"",
        _regex(lambda pattern, flow: search_text(pattern, _address(flow.client.peer)),
               _CLIENT + "rama_text(?, c.peer || ':' || c.peer_port))"),
    ),
    Operator(
        "dst", "regex", "the server's address, \"host:port\"",
        _regex(lambda pattern, flow: search_text(pattern, _server_address(flow.server)),
               _SERVER + "rama_text(?, c.host || ':' || c.port))"),
    ),
    Operator(
        "comment", "regex", "comment",
        _regex(lambda pattern, flow: search_lines(pattern, flow.comment or None),
               "rama_lines(?, f.comment)"),
    ),
    Operator("ja3", "regex", "JA3 of the client", _annotation("ja3")),
    Operator("ja4", "regex", "JA4 of the client", _annotation("ja4")),
    Operator(
        "h2fp", "regex", "HTTP/2 fingerprint of the client, its hash or its text",
        _annotation("h2fp", "h2fp_text"),
    ),
)  # fmt: skip

OPERATORS: dict[str, Operator] = {operator.code: operator for operator in _ROWS}
