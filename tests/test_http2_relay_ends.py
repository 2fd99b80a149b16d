"""Ends over HTTP/2 in the wrong moment: nothing waits for ever, nothing is kept, no window is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from h2.errors import ErrorCodes

from rama_proxy.config import Options
from tests.support.abuse import until
from tests.support.http2_ends import (
    Exchange,
    Handler,
    Http2End,
    Http2Origin,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.running import Running, running

OK = [(b":status", b"200")]
KIB = 1024


def path_of(exchange: Exchange) -> bytes:
    """What was asked for."""
    return dict(exchange.heads[0])[b":path"]


@asynccontextmanager
async def proxied(
    area: Path, handler: Handler, **options: object
) -> AsyncIterator[tuple[Running, Http2Origin, Http2End]]:
    """A reverse proxy of h2c before an origin, and a client of it."""
    async with http2_origin(handler) as server:
        settings = Options(mode=f"reverse:http://127.0.0.1:{server.port}", **options)  # type: ignore[arg-type]
        async with running(area, settings) as engine, http2_client(*await engine.connect()) as end:
            yield engine, server, end


async def send_slowly(end: Http2End, exchange: Exchange, size: int) -> None:
    """Answer with `size` bytes as the windows allow."""
    number = exchange.number
    end.h2.send_headers(number, OK)
    while size and not exchange.reset:
        await end.wait(lambda: end.h2.local_flow_control_window(number) > 0, "a window")
        room = min(end.h2.local_flow_control_window(number), 16384, size)
        size -= room
        end.h2.send_data(number, bytes(room), end_stream=not size)
        end.flush()


class TestWindows:
    """What came and is never read opens the connection's window again: 16 MiB for all streams."""

    async def test_of_downloads_that_the_client_cancels(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            await send_slowly(end, exchange, 10 if path_of(exchange) == b"/small" else 900 * KIB)
            sent.append(exchange.number)

        sent: list[int] = []
        async with proxied(tmp_path, handler) as (engine, _, client):
            client.acknowledge = False
            client.h2.increment_flow_control_window(1 << 30)  # of the connection, not of a stream
            for number in range(30):
                large = client.send(request_fields("/large"))
                await until(lambda n=number: len(sent) > n * 2, "the whole response to be sent")
                small = await client.ask(request_fields("/small"))  # it comes behind the large one
                assert (small.status, len(small.body)) == (b"200", 10)
                client.reset(large, ErrorCodes.CANCEL)
                await engine.ended(number * 2 + 2)
            errors = {flow.error for flow in engine.flows()}
        assert errors == {"", "the client reset the stream: CANCEL"}

    async def test_of_uploads_that_the_server_answers_early(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.acknowledge = False
            if path_of(exchange) == b"/up":
                await come.wait()
                end.h2.increment_flow_control_window(1 << 20)  # of the connection alone
            end.answer(exchange, OK, b"early")

        async with proxied(tmp_path, handler) as (engine, _, client):
            for number in range(40):
                come = asyncio.Event()
                upload = client.send(request_fields("/up", method="POST"), end=False)
                await send_body(client, upload.number, 900 * KIB)
                await client.ask(request_fields("/small"))  # it comes behind the upload
                come.set()
                await client.wait(lambda a=upload: a.over, "the response")
                assert (upload.status, bytes(upload.body)) == (b"200", b"early")
                await engine.ended(number * 2 + 2)


async def send_body(end: Http2End, number: int, size: int) -> None:
    """Send a body as the windows allow."""
    while size:
        await end.wait(lambda: end.h2.local_flow_control_window(number) > 0, "a window")
        room = min(end.h2.local_flow_control_window(number), 16384, size)
        size -= room
        end.h2.send_data(number, bytes(room), end_stream=not size)
        end.flush()
