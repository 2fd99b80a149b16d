"""Event streams and gRPC through the running engine: each message is a row as it passes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from rama_proxy.config import Options
from rama_proxy.model.websocket import BINARY, TEXT
from rama_proxy.store.reader import Reader
from tests.support.http2_ends import Exchange, Http2End, http2_client, http2_origin, request_fields
from tests.support.running import Running, closed, running

Row = tuple[bool, int, bytes]


async def stored(engine: Running, count: int) -> list[Row]:
    """The stored messages once there are `count`, also of a flow that is no row yet."""
    async with asyncio.timeout(5):
        while True:
            assert engine.proxy.writer.flush(5)
            database = sqlite3.connect(f"file:{engine.store}?mode=ro", uri=True)
            query = "select from_client, opcode, data from messages order by seq"
            rows = [(bool(row[0]), row[1], row[2]) for row in database.execute(query)]
            database.close()
            if len(rows) >= count:
                return rows
            await asyncio.sleep(0.02)


async def test_events_are_rows_while_the_stream_goes_on(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.write(b'event: tick\ndata: {"n": 1}\n\ndata: tw')
        await go_on.wait()
        writer.write(b"o\n\n")
        await closed(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(tmp_path, Options(mode=f"reverse:http://127.0.0.1:{port}")) as engine:
        reader, writer = await engine.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b'{"n": 1}\n\ndata: tw')
        engine.proxy.capture.tick(0.0)
        first = (False, TEXT, b'event: tick\ndata: {"n": 1}')
        assert await stored(engine, 1) == [first]
        go_on.set()
        await reader.read()
        writer.close()
        await engine.ended()
        assert await stored(engine, 2) == [first, (False, TEXT, b"data: two")]
    server.close()


async def test_a_grpc_call(tmp_path: Path) -> None:
    head = [(b":status", b"200"), (b"content-type", b"application/grpc")]
    ask, answer = b"\0\0\0\0\7\n\5hello", b"\0\0\0\0\2\x08\1"

    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        trailers = [(b"grpc-status", b"5"), (b"grpc-message", b"no%20such")]
        end.answer(exchange, head, answer + answer, trailers)

    async with http2_origin(handler) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}")
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            content = (b"content-type", b"application/grpc")
            got = await client.ask(request_fields("/pkg.Svc/Get", content, method="POST"), ask)
            await engine.ended()
            rows = await stored(engine, 3)
            with Reader(engine.store) as reader:
                (row,) = reader.iter_flows()
    assert got.trailers == [(b"grpc-status", b"5"), (b"grpc-message", b"no%20such")]
    assert rows == [(True, BINARY, ask[5:]), *[(False, BINARY, answer[5:])] * 2]
    assert row.grpc_status == 5
