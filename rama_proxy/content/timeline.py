"""Where the time of a flow went: spans on one axis, from the marks on flow and connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import ACTIVE, Flow

AHEAD = 1.0  # seconds; a connection ready longer before its request has nothing to do with it
CLOCKS = 0.0005  # seconds; marks of flows and of connections come from the store in two roundings

CLIENT, SERVER, EXCHANGE = "client", "server", "exchange"


class Span(NamedTuple):
    """A phase: seconds from the timeline's zero. `end` is None while it lasts."""

    label: str
    start: float
    end: float | None
    group: str  # CLIENT, SERVER or EXCHANGE


@dataclass(slots=True)
class Timeline:
    """`total` seconds from zero to the last mark; `remarks` say what has no span, and why."""

    spans: list[Span] = field(default_factory=list)
    total: float = 0.0
    remarks: list[str] = field(default_factory=list)


def timeline(flow: Flow) -> Timeline:
    """The phases of `flow` in the order in which they began."""
    begin = flow.timing.begin
    phases: list[Span] = []  # on the clock of the marks
    remarks = []
    for info in (flow.client, flow.server):
        if info is None or info.is_own:
            continue
        ready = _ready(info)
        if ready is not None and begin - ready > AHEAD:
            ahead = duration_text(begin - ready)
            remarks.append(f"{info.side} connection reused: ready {ahead} before the request")
        elif info.side == "client":
            phases += _client_phases(flow)
        else:
            phases += _server_phases(flow, info)
    if flow.server is None:
        remarks.append("no server yet" if flow.state == ACTIVE else "no server was asked")
    phases += _exchange_phases(flow)
    marks = [mark for span in phases for mark in (span.start, span.end) if mark is not None]
    zero, last = min(marks, default=begin), max(marks, default=begin)
    spans = [
        span._replace(
            start=span.start - zero,
            end=None if span.end is None else max(span.end, span.start) - zero,
        )
        for span in phases
    ]
    return Timeline(sorted(spans, key=lambda span: span.start), last - zero, remarks)


def _ready(info: ConnectionInfo) -> float | None:
    """When a connection could be used first."""
    marks = (info.opened, info.resolved, info.connected, info.secured)
    return max((mark for mark in marks if mark is not None), default=None)


def _usable(server: ConnectionInfo) -> bool:
    """Whether a connection was made, and its handshake done if it has one."""
    return server.connected is not None and (server.secured is not None or server.tls is None)


def _client_phases(flow: Flow) -> list[Span]:
    """From the accepted connection to the first request on it."""
    client, server = flow.client, flow.server
    if client.opened is None:
        return []
    if client.secured is None:
        return [Span("client connect", client.opened, flow.timing.begin, CLIENT)]
    # The server's handshake comes first: ours with the client begins when that is done.
    marks = [client.opened, client.connected]
    if server is not None:
        marks += [server.opened, server.connected, server.secured, server.closed]
    start = max(mark for mark in marks if mark is not None and mark <= client.secured)
    asked = server.opened if server else None
    end = asked if asked is not None and client.opened <= asked <= start else start
    return [
        Span("client connect", client.opened, end, CLIENT),
        Span("client TLS", start, client.secured, CLIENT),
    ]


def _server_phases(flow: Flow, server: ConnectionInfo) -> list[Span]:
    """From the look-up of the name to a connection that can be used, or to where it failed."""
    if server.opened is None:
        return []
    failed = server.closed or flow.timing.end
    if server.resolved is None and server.connected is None:
        return [Span("DNS", server.opened, failed, SERVER)]
    resolved = server.resolved or server.opened
    phases = [Span("DNS", server.opened, resolved, SERVER)] if server.resolved else []
    phases.append(Span("server connect", resolved, server.connected or failed, SERVER))
    if server.connected is None:
        return phases
    if server.secured is not None:
        phases.append(Span("server TLS", server.connected, server.secured, SERVER))
    elif server.tls is not None and flow.error:
        phases.append(Span("server TLS", server.connected, failed, SERVER))
    return phases


def _exchange_phases(flow: Flow) -> list[Span]:
    """Request, wait and response, as far as the flow got."""
    timing, server = flow.timing, flow.server
    begin, sent, answered = timing.begin, timing.request_end, timing.response_begin
    if server is not None and sent is None and not _usable(server):
        return []  # nothing could be sent
    if server is not None and server.opened is not None and server.opened >= begin - CLOCKS:
        begin = max(begin, _ready(server) or begin)  # dialled for this request
    if sent is None and answered is None:
        return [Span("request", begin, timing.end, EXCHANGE)]
    if sent is None or (answered is not None and answered < sent):
        sent = answered  # answered before all of the request was sent
    assert sent is not None
    phases = [Span("request", min(begin, sent), sent, EXCHANGE)]
    if answered is None:
        return [*phases, Span("wait", sent, timing.end, EXCHANGE)]
    return [
        *phases,
        Span("wait", sent, answered, EXCHANGE),
        Span("response", answered, timing.end, EXCHANGE),
    ]


def duration_text(seconds: float) -> str:
    """`seconds` in at most four digits and a unit: "310 µs", "2.1 ms", "1.25 s", "3 min 20 s"."""
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.09995:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
