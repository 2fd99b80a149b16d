"""Flows whose bodies have messages inside: calls of the service in descriptors.py, and events."""

from __future__ import annotations

import gzip

from rama_proxy.model.body import Body
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from tests.support.flows import make_flow

ITEM = b"\x0a\x06needle\x20\x02"  # name: "needle" kind: TOY
PACKED = gzip.compress(ITEM, mtime=0)
REQUEST = b"\x00\x00\x00\x00\x04\x0a\x02i7"
RESPONSE = b"\x01\x00\x00\x00" + bytes([len(PACKED)]) + PACKED
EVENTS = b'event: up\ndata: {"a":1}\n\nid: 2\ndata: \x1b[2Jowned\n\n'


def call(number: int, status: str = "") -> Flow:
    """A call that got an item, or one that failed."""
    flow = make_flow(number)
    flow.request = Request(
        "POST", b"/shop.v1.Shop/Get", "HTTP/1.1", Headers([("content-type", "application/grpc")])
    )
    flow.request.scheme, flow.request.host, flow.request.port = "https", "shop.test", 443
    flow.request.body = Body(REQUEST)
    head = [("content-type", "application/grpc+proto"), ("grpc-encoding", "gzip")]
    flow.response = Response(200, "", "HTTP/1.1", Headers(head))
    flow.response.trailers = Headers([("grpc-status", status or "0")])
    if status:
        flow.response.trailers.add("grpc-message", "no such\x1b thing%21")
    else:
        flow.response.body = Body(RESPONSE)
    flow.kind, flow.state, flow.error, flow.notes = "http", "done", "", []
    return flow


def events(number: int) -> Flow:
    flow = make_flow(number)
    flow.response = Response(
        200, "OK", "HTTP/1.1", Headers([("Content-Type", "text/event-stream")])
    )
    flow.response.body = Body(EVENTS)
    flow.kind, flow.state, flow.error, flow.notes = "http", "done", "", []
    return flow
