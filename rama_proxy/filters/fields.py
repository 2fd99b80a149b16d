"""What a filter can ask about a flow. One row of OPERATORS is one operator, and all there is to it:
the predicate, the condition for the store, the help, the word for it and what to complete it with.
"""

from __future__ import annotations

from collections.abc import Callable

from rama_proxy.filters.operator import Make, Operator, fact, network, pair, regex, within
from rama_proxy.filters.ranges import (
    read_duration,
    read_grpc,
    read_number,
    read_since,
    read_size,
    read_status,
    read_time,
)
from rama_proxy.filters.search import (
    in_body,
    in_cookies,
    in_field,
    in_headers,
    in_messages,
    in_pairs,
    search_lines,
    search_metadata,
    search_network,
    search_query,
    search_tags,
    search_text,
)
from rama_proxy.filters.values import (
    client_address,
    duration,
    grpc_status,
    protocol,
    server_address,
    size,
    started,
    status,
    tls_texts,
    ttfb,
)
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.jsontext import to_json

_ASSETS = "text/javascript|application/(x-)?javascript|text/css|image/|font/|application/font"


def _of_response(sql: str) -> str:
    """What `sql` says of the request, said of the response."""
    return sql.replace("f.req_", "f.resp_")


def _both(sql: str) -> str:
    return "(" + sql + " OR " + _of_response(sql) + ")"


def _kind(kind: str) -> Make:
    return fact(lambda flow: flow.kind == kind, "f.kind = '" + kind + "'")


def _text(text: Callable[[Flow], str | None], sql: str) -> Make:
    """A regex in one text; `sql` gives it, or NULL where it is None."""
    return regex(
        lambda pattern, flow: search_text(pattern, text(flow)), "rama_text(?, " + sql + ")"
    )


def _annotation(*names: str) -> Make:
    """One of the client's annotations `names`."""
    # Not by ->>, which ends a text at its first NUL.
    notes = " OR ".join(["rama_note(?, '" + name + "', c.annotations)" for name in names])
    return regex(
        lambda pattern, flow: any(
            search_text(pattern, flow.client.annotations.get(name)) for name in names
        ),
        _CLIENT + "(" + notes + "))",
    )


def _of_connections(
    matches: Callable[[str, ConnectionInfo], object], sql: str, make: Callable[..., Make] = regex
) -> Make:
    """What is so of the connection to the client or of that to the server."""
    return make(
        lambda text, flow: any(
            side is not None and matches(text, side) for side in (flow.client, flow.server)
        ),
        _EITHER + "(" + sql + "))",
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
_EITHER = "EXISTS (SELECT 1 FROM connections c WHERE c.id IN (f.client_id, f.server_id) AND "
_PROTOCOL = (
    "CASE f.kind WHEN 'http' THEN f.scheme || '/' || replace(f.version, 'HTTP/', '')"
    " WHEN 'websocket' THEN CASE f.scheme WHEN 'https' THEN 'wss' ELSE 'ws' END ELSE f.kind END"
)

_make_type_of_response = regex(
    lambda pattern, flow: in_field(pattern, "content-type", flow.response), _of_response(_TYPE)
)

_ROWS = (
    Operator("all", "", "every flow", fact(lambda flow: True, "1")),
    Operator("http", "", "HTTP", fact(lambda flow: flow.kind in _HTTP, _IS_HTTP)),
    Operator("websocket", "", "a WebSocket", _kind("websocket")),
    Operator("tcp", "", "a tunnel", _kind("tcp")),
    Operator("udp", "", "UDP", _kind("udp")),
    Operator("dns", "", "DNS", _kind("dns")),
    Operator("e", "", "has an error", fact(lambda flow: bool(flow.error), "f.error IS NOT NULL")),
    Operator(
        "q", "", "a request without response",
        fact(lambda flow: flow.kind in _HTTP and flow.response is None,
             "(" + _IS_HTTP + " AND f.status IS NULL)"),
    ),
    Operator(
        "s", "", "has a response",
        fact(lambda flow: flow.kind in _HTTP and flow.response is not None,
             "(" + _IS_HTTP + " AND f.status IS NOT NULL)"),
    ),
    Operator(
        "a", "", "an asset: script, style, image or font",
        lambda argument: _make_type_of_response(argument._replace(text=_ASSETS)),
    ),
    Operator("marked", "", "is marked", fact(lambda flow: bool(flow.mark), "f.mark IS NOT NULL")),
    Operator(
        "replay", "", "replays another flow",
        fact(lambda flow: flow.parent_id is not None, "f.parent_id IS NOT NULL"),
    ),
    Operator(
        "replayq", "", "its request is that of another flow",
        fact(lambda flow: flow.parent_id is not None, "f.parent_id IS NOT NULL"),
    ),
    Operator(
        "replays", "", "its response is that of another flow; Rama makes none",
        fact(lambda flow: False, "0"),
    ),
    Operator(
        "c", "status", "status code, or a class or range of them",
        within("status", read_status, status, "f.status"),
        "status", ("2xx", "3xx", "4xx", "5xx", "404", ">=400"),
    ),
    Operator(
        "grpc", "gRPC status", "how a gRPC call ended",
        within("gRPC status", read_grpc, grpc_status, "f.grpc_status"),
        "grpc", (">0", "not_found", "unavailable", "deadline_exceeded"),
    ),
    Operator(
        "m", "regex", "method", _text(lambda flow: flow.request.method, "f.method"),
        "method", ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT"),
    ),
    Operator(
        "d", "regex", "host, as asked for or as connected to",
        regex(lambda pattern, flow: search_text(pattern, flow.request.host)
              or search_text(pattern, flow.request.pretty_host),
              "(rama_text(?, f.host) OR rama_text(?, f.named_host))"),
        "host",
    ),
    Operator("u", "regex", "URL", _text(lambda flow: flow.request.pretty_url, "f.url"), "url"),
    Operator(
        "qs", "name=value", "a parameter of the query, or name alone",
        pair(lambda text, flow: search_query(text, flow.request.path), "rama_query(?, f.path)"),
        "query",
    ),
    Operator(
        "h", "regex", "a header line, \"name: value\"",
        regex(lambda pattern, flow: in_headers(pattern, flow.request)
              or in_headers(pattern, flow.response), _both(_HEADERS)),
    ),
    Operator(
        "hq", "regex", "a header line of the request",
        regex(lambda pattern, flow: in_headers(pattern, flow.request), _HEADERS),
    ),
    Operator(
        "hs", "regex", "a header line of the response",
        regex(lambda pattern, flow: in_headers(pattern, flow.response), _of_response(_HEADERS)),
    ),
    Operator(
        "hdr", "name=value", "a header field, or name alone",
        pair(lambda text, flow: in_pairs(text, flow.request) or in_pairs(text, flow.response),
             _both("rama_pairs(?, f.req_headers)")),
        "header", ("content-type=", "authorization=", "user-agent=", "referer=", "set-cookie="),
    ),
    Operator(
        "ck", "name=value", "a cookie sent or set, or name alone",
        pair(lambda text, flow: in_cookies(text, flow.request) or in_cookies(text, flow.response),
             _both("rama_cookies(?, f.req_headers)")),
        "cookie",
    ),
    Operator(
        "t", "regex", "Content-Type",
        regex(lambda pattern, flow: in_field(pattern, "content-type", flow.request)
              or in_field(pattern, "content-type", flow.response), _both(_TYPE)),
        "type", ("json", "html", "image", "javascript", "css", "grpc", "event-stream"),
    ),
    Operator(
        "tq", "regex", "Content-Type of the request",
        regex(lambda pattern, flow: in_field(pattern, "content-type", flow.request), _TYPE),
    ),
    Operator("ts", "regex", "Content-Type of the response", _make_type_of_response),
    Operator(
        "b", "body regex", "a body, decoded, or a message of a WebSocket or of gRPC",
        regex(lambda pattern, flow: in_body(pattern, flow.request)
              or in_body(pattern, flow.response) or in_messages(pattern, flow),
              "(" + _both(_BODY) + " OR " + _MESSAGES + "))", of_bytes=True),
        "body",
    ),
    Operator(
        "bq", "body regex", "the body of the request, or a message of the client",
        regex(lambda pattern, flow: in_body(pattern, flow.request)
              or in_messages(pattern, flow, True), _BODY_OR_SENT, of_bytes=True),
    ),
    Operator(
        "bs", "body regex", "the body of the response, or a message of the server",
        regex(lambda pattern, flow: in_body(pattern, flow.response)
              or in_messages(pattern, flow, False), _BODY_OR_GOT, of_bytes=True),
    ),
    Operator(
        "size", "size", "bytes of both bodies",
        within("size", read_size, size, "(f.req_size + coalesce(f.resp_size, 0))"),
        "size", (">1m", ">100k", "<1k", "1k-64k"),
    ),
    Operator(
        "dur", "duration", "how long it took",
        within("duration", read_duration, duration, "f.t_total_us"),
        "duration", (">500ms", ">1s", ">10s", "<100ms"),
    ),
    Operator(
        "ttfb", "duration", "time to the head of the response",
        within("duration", read_duration, ttfb, "f.t_ttfb_us"),
        "ttfb", (">500ms", ">1s", "<100ms"),
    ),
    Operator(
        "since", "since", "began in the last 10m, or since 14:30",
        within("since", read_since, started, "f.started_at"),
        values=("10m", "1h", "1d"),
    ),
    Operator(
        "at", "time", "when it began: a day, a minute or a second, local time",
        within("time", read_time, started, "f.started_at"), "time",
    ),
    Operator(
        "src", "regex", "the client's address, \"ip:port\"",
        regex(lambda pattern, flow: search_text(pattern, client_address(flow)),
              _CLIENT + "rama_text(?, c.peer || ':' || c.peer_port))"),
        "client",
    ),
    Operator(
        "dst", "regex", "the server's address, \"host:port\"",
        regex(lambda pattern, flow: search_text(pattern, server_address(flow)),
              _SERVER + "rama_text(?, c.host || ':' || c.port))"),
        "server",
    ),
    Operator(
        "ip", "network", "IP of the client or the server, or a network it is in",
        _of_connections(
            lambda text, side: side.peer is not None and search_network(text, side.peer[0]),
            "rama_network(?, c.peer)", network),
        "ip", ("127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16", "::1"),
    ),
    Operator(
        "up", "regex", "the upstream proxy it went through",
        regex(lambda pattern, flow: flow.server is not None
              and search_text(pattern, flow.server.via or None),
              _SERVER + "rama_text(?, c.via))"),
        "upstream",
    ),
    Operator(
        "proto", "regex", "protocol, as http/1.1, https/2, wss or tcp", _text(protocol, _PROTOCOL),
        "proto", ("https/2", "https/1.1", "http/1.1", "ws", "tcp"),
    ),
    Operator(
        "ver", "regex", "HTTP version of the request or the response",
        regex(lambda pattern, flow: search_text(pattern, flow.request.version)
              or (flow.response is not None and search_text(pattern, flow.response.version)),
              "(rama_text(?, f.version) OR rama_text(?, f.resp_version))"),
        "version", ("HTTP/1.0", "HTTP/1.1", "HTTP/2"),
    ),
    Operator(
        "tls", "regex", "TLS version, cipher or group, with the client or the server",
        _of_connections(
            lambda pattern, side: any(search_text(pattern, text) for text in tls_texts(side)),
            "rama_text(?, c.tls_version) OR rama_text(?, c.cipher) OR rama_text(?, c.tls_group)"),
        "tls", ("TLSv1.3", "TLSv1.2", "X25519MLKEM768"),
    ),
    Operator(
        "sni", "regex", "server name that the client named in TLS",
        regex(lambda pattern, flow: search_text(pattern, flow.client.sni or None),
              _CLIENT + "rama_text(?, c.sni))"),
        "sni",
    ),
    Operator(
        "alpn", "regex", "protocol that TLS agreed on, with the client or the server",
        _of_connections(lambda pattern, side: search_text(pattern, side.alpn or None),
                        "rama_text(?, c.alpn)"),
        "alpn", ("h2", "http/1.1"),
    ),
    Operator("ja3", "regex", "JA3 of the client", _annotation("ja3"), "ja3"),
    Operator("ja4", "regex", "JA4 of the client", _annotation("ja4"), "ja4"),
    Operator(
        "h2fp", "regex", "HTTP/2 fingerprint of the client, its hash or its text",
        _annotation("h2fp", "h2fp_text"), "h2fp",
    ),
    Operator(
        "id", "number", "number of the flow",
        within("number", read_number, lambda flow: flow.id, "f.id"), "id",
    ),
    Operator(
        "tag", "regex", "a tag",
        regex(lambda pattern, flow: bool(flow.tags)
              and search_tags(pattern, to_json(sorted(flow.tags))), "rama_tags(?, f.tags)"),
        "tag",
    ),
    Operator("marker", "regex", "mark", _text(lambda flow: flow.mark, "coalesce(f.mark, '')"),
             "marker"),
    Operator(
        "comment", "regex", "comment",
        regex(lambda pattern, flow: search_lines(pattern, flow.comment),
              "rama_lines(?, coalesce(f.comment, ''))"),
        "comment",
    ),
    Operator(
        "meta", "regex", "metadata of addons, \"key: value\"",
        regex(lambda pattern, flow: search_metadata(
            pattern, to_json(flow.metadata) if flow.metadata else None),
            "rama_metadata(?, f.metadata)"),
        "meta",
    ),
)  # fmt: skip

OPERATORS: dict[str, Operator] = {operator.code: operator for operator in _ROWS}
