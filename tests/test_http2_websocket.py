"""WebSockets where an end speaks HTTP/2 (RFC 8441), and tunnels in a stream (RFC 9113 8.5)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rama_proxy.config import Options
from rama_proxy.model.websocket import CLOSE, TEXT
from rama_proxy.protocols.websocket import parse_frame_header, serialize_frame
from tests.support.http2_ends import (
    Exchange,
    Http2End,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.running import Running, origin, running
from tests.support.websocket_peers import client as websocket_client
from tests.support.websocket_peers import echo_server

HANDSHAKE = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"http"),
    (b":path", b"/chat"),
    (b":authority", b"origin.test"),
    (b"sec-websocket-version", b"13"),
    (b"origin", b"http://origin.test"),
]
CONNECT_PROTOCOL = 8  # the setting, RFC 8441 3


def messages(engine: Running) -> list[tuple[int, int, bytes]]:
    """The stored messages: from the client, opcode, data."""
    import sqlite3

    assert engine.proxy.writer.flush(5)
    database = sqlite3.connect(f"file:{engine.store}?mode=ro", uri=True)
    try:
        return database.execute(
            "select from_client, opcode, data from messages order by seq"
        ).fetchall()
    finally:
        database.close()


def masked(opcode: int, data: bytes) -> bytes:
    return serialize_frame(opcode, data, mask=os.urandom(4))


async def got(client: Http2End, exchange: Exchange, size: int) -> None:
    """Wait until `size` bytes are there, or the stream has ended."""
    await client.wait(lambda: len(exchange.body) >= size or exchange.over, f"{size} bytes")


async def talk(client: Http2End) -> Exchange:
    """Open a WebSocket, send a text, get it back, close."""
    await client.wait(lambda: client.settings.get(CONNECT_PROTOCOL) == 1, "the server's SETTINGS")
    exchange = client.send(HANDSHAKE, end=False)
    await client.wait(lambda: bool(exchange.heads) or exchange.over, "the answer")
    assert exchange.status == b"200", exchange
    client.h2.send_data(exchange.number, masked(TEXT, b"hello"))
    client.flush()
    await got(client, exchange, 7)
    assert bytes(exchange.body[:7]) == serialize_frame(TEXT, b"hello")
    client.h2.send_data(exchange.number, masked(CLOSE, b"\x03\xe8bye"))
    client.flush()
    await got(client, exchange, 14)
    client.h2.end_stream(exchange.number)
    client.flush()
    await client.wait(lambda: exchange.over, "the end")
    return exchange


async def websocket_origin(end: Http2End, exchange: Exchange) -> None:
    """Echo the frames of an extended CONNECT."""
    end.h2.send_headers(exchange.number, [(b":status", b"200"), (b"x-origin", b"h2")])
    end.flush()
    used = 0
    while True:
        await got(end, exchange, used + 1)
        while found := parse_frame_header(exchange.body, used):
            header, size = found
            start = used + size
            key = int.from_bytes((header.mask * header.length)[: header.length], "big")
            data = int.from_bytes(exchange.body[start : start + header.length], "big") ^ key
            used = start + header.length
            echoed = serialize_frame(header.opcode, data.to_bytes(header.length, "big"))
            end.h2.send_data(exchange.number, echoed)
            end.flush()
            if header.opcode == CLOSE:
                end.h2.end_stream(exchange.number)
                end.flush()
                return


async def test_an_http2_client_and_an_http1_server(tmp_path: Path) -> None:
    async with echo_server() as server:
        mode = server.url.replace("ws:", "reverse:http:").removesuffix("/echo")
        options = Options(mode=mode, upstream_http="1.1")
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            await talk(client)
            await engine.ended()
            (flow,) = engine.flows()
            stored = messages(engine)
    assert (flow.kind, flow.error) == ("websocket", "")
    assert (flow.request.method, flow.request.path) == ("CONNECT", "/chat")
    assert (flow.request.protocol, flow.request.pseudo_order) == ("websocket", "mPspa")
    assert flow.request.url.endswith("/chat")
    assert "extended CONNECT sent as Upgrade: websocket" in flow.notes
    assert [row for row in stored if row[1] == TEXT] == [(1, TEXT, b"hello"), (0, TEXT, b"hello")]


async def test_both_speak_http2(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        seen.append(exchange.heads[0])
        await websocket_origin(end, exchange)

    seen: list[list[tuple[bytes, bytes]]] = []
    async with http2_origin(handler, connect_protocol=True) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", keep_host=True)
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            exchange = await talk(client)
            await engine.ended()
            (flow,) = engine.flows()
            stored = messages(engine)
    assert dict(exchange.heads[0])[b"x-origin"] == b"h2"
    assert seen == [HANDSHAKE]
    assert (flow.kind, flow.error, flow.notes) == ("websocket", "", [])
    assert [row[1] for row in stored] == [TEXT, TEXT, CLOSE, CLOSE]


async def test_an_http1_client_and_an_http2_server(tmp_path: Path) -> None:
    async with (
        http2_origin(websocket_origin, connect_protocol=True) as server,
        running(tmp_path, Options(upstream_http="2")) as engine,
    ):
        url = f"ws://127.0.0.1:{server.port}/chat"
        proxy = "http://{}:{}".format(*engine.proxy.addresses[0])
        async with websocket_client(url, proxy) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
        await engine.ended()
        (flow,) = engine.flows()
    assert (flow.kind, flow.error) == ("websocket", "")
    assert "Upgrade: websocket sent as extended CONNECT" in flow.notes
    assert "status 200 sent as 101" in flow.notes


async def test_a_server_without_extended_connect_is_asked_by_http1(tmp_path: Path) -> None:
    """Such a server may still take WebSockets on a connection of HTTP/1."""

    async def handler(end: Http2End, exchange: Exchange) -> None:
        end.answer(exchange, [(b":status", b"200")])

    async with http2_origin(handler) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}")
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            exchange = client.send(HANDSHAKE, end=False)
            await client.wait(lambda: exchange.over, "an answer")
            await engine.ended()
            (flow,) = engine.flows()
    assert exchange.status == b"502"  # this one speaks HTTP/2 alone
    assert flow.error.startswith("the server")
    assert server.exchanges == []


async def test_a_tunnel_in_a_stream(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with (
        origin(answer) as port,
        running(tmp_path) as engine,
        http2_client(*await engine.connect()) as client,
    ):
        authority = b"127.0.0.1:%d" % port
        exchange = client.send([(b":method", b"CONNECT"), (b":authority", authority)], end=False)
        await client.wait(lambda: bool(exchange.heads), "the answer")
        assert exchange.heads == [[(b":status", b"200")]]
        for number in range(2):
            asked = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number
            client.h2.send_data(exchange.number, asked)
            client.flush()
            await got(client, exchange, len(answer) * (number + 1))
        assert bytes(exchange.body) == answer * 2
        client.h2.end_stream(exchange.number)
        client.flush()
        await client.wait(lambda: exchange.over, "the end")
        await engine.ended(2)
        flows = engine.flows()
    assert [flow.request.path for flow in flows] == ["/0", "/1"]
    assert {flow.request.version for flow in flows} == {"HTTP/1.1"}


async def test_a_tunnel_to_nowhere_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as engine, http2_client(*await engine.connect()) as client:
        authority = b"127.0.0.1:1"
        exchange = client.send([(b":method", b"CONNECT"), (b":authority", authority)], end=False)
        await client.wait(lambda: exchange.over, "the answer")
        await engine.ended()
        (flow,) = engine.flows()
    assert exchange.status == b"502"
    assert flow.error == "cannot connect to 127.0.0.1:1: connection refused"


async def test_a_request_to_the_proxy_itself(tmp_path: Path) -> None:
    """HTTP/2 to the proxy, without a tunnel: :scheme and :authority say where to."""
    seen: list[bytes] = []
    async with (
        origin(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", seen=seen) as port,
        running(tmp_path) as engine,
        http2_client(*await engine.connect()) as client,
    ):
        fields = request_fields("/x")
        fields[1] = (b":authority", b"127.0.0.1:%d" % port)
        asked = [client.ask(fields) for _ in range(8)]
        answers = await asyncio.gather(*asked)
        await engine.ended(8)
        flows = engine.flows()
    assert {bytes(answer.body) for answer in answers} == {b"ok"}
    assert seen == [b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n\r\n" % port] * 8
    assert {flow.request.url for flow in flows} == {f"http://127.0.0.1:{port}/x"}
