"""What filters ask about a flow in memory, as the store's columns have it."""

from __future__ import annotations

from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.protocols.grpc_result import result_of


def status(flow: Flow) -> int | None:
    """The response's status."""
    return None if flow.response is None else flow.response.status


def grpc_status(flow: Flow) -> int | None:
    """How a gRPC call ended."""
    result = result_of(flow.response)
    return None if result is None else result.code


def size(flow: Flow) -> int:
    """Bytes of both bodies that went by."""
    answer = 0 if flow.response is None else flow.response.body.size
    return flow.request.body.size + answer


def started(flow: Flow) -> int:
    """When it began, in microseconds since 1970."""
    return round(flow.timing.started * 1_000_000)


def duration(flow: Flow) -> int | None:
    """The microseconds to its end, None while it goes on."""
    return _since_begin(flow, flow.timing.end)


def ttfb(flow: Flow) -> int | None:
    """The microseconds to the end of the response's head."""
    return _since_begin(flow, flow.timing.response_begin)


def _since_begin(flow: Flow, mark: float | None) -> int | None:
    return None if mark is None else round((mark - flow.timing.begin) * 1_000_000)


def client_address(flow: Flow) -> str | None:
    """The client's "ip:port"."""
    return _address(flow.client.peer)


def server_address(flow: Flow) -> str | None:
    """The "host:port" that was asked for."""
    return None if flow.server is None else _address(flow.server.address)


def _address(address: Address | None) -> str | None:
    return None if address is None else f"{address[0]}:{address[1]}"


def protocol(flow: Flow) -> str:
    """The protocol as the list shows it: "https/2", "wss", "tcp"."""
    scheme = flow.request.scheme
    if flow.kind == "websocket":
        return "wss" if scheme == "https" else "ws"
    if flow.kind != "http":
        return flow.kind
    return f"{scheme}/{flow.request.version.replace('HTTP/', '')}"


def tls_texts(side: ConnectionInfo) -> tuple[str | None, ...]:
    """Version, cipher and group of a connection's TLS."""
    tls = side.tls
    return () if tls is None else (tls.version or None, tls.cipher or None, tls.group or None)
