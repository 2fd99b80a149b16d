"""Exchanges over HTTP/2 through the running engine: versions, ends, windows, hooks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from rama_proxy.config import Options
from rama_proxy.relay import http2_links, upstream
from tests.support.http2_ends import (
    Exchange,
    Http2End,
    Http2Origin,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.running import Running, closed, origin, running

OK = [(b":status", b"200"), (b"content-type", b"text/plain")]


async def echo(end: Http2End, exchange: Exchange) -> None:
    """Answer with the path and the body's size."""
    await end.request(exchange)
    path = dict(exchange.heads[0])[b":path"]
    end.answer(exchange, OK, b"%b %d" % (path, len(exchange.body)))


@asynccontextmanager
async def proxied(
    area: Path, handler: object = echo, **options: object
) -> AsyncIterator[tuple[Running, Http2Origin, Http2End]]:
    """A reverse proxy of h2c before an origin, and a client of it."""
    async with http2_origin(handler) as server:  # type: ignore[arg-type]  # each test's own
        settings = Options(mode=f"reverse:http://127.0.0.1:{server.port}", **options)  # type: ignore[arg-type]
        async with running(area, settings) as engine, http2_client(*await engine.connect()) as end:
            yield engine, server, end


async def test_requests_of_one_client_share_a_connection(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (engine, server, client):
        asked = [client.ask(request_fields(f"/{number}")) for number in range(20)]
        answers = await asyncio.gather(*asked)
        await engine.ended(20)
        flows = engine.flows()
    assert [bytes(answer.body) for answer in answers] == [b"/%d 0" % n for n in range(20)]
    assert len(server.ends) == 1
    assert {flow.request.version for flow in flows} == {"HTTP/2"}
    assert {flow.response.version for flow in flows if flow.response} == {"HTTP/2"}
    assert len({flow.server.id for flow in flows if flow.server}) == 1


async def test_nothing_is_altered(tmp_path: Path) -> None:
    more = [(b"x-b", b"1"), (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2")]
    fields = [
        (b":method", b"POST"),
        (b":path", b"/p?q"),
        (b":scheme", b"http"),
        (b":authority", b"origin.test"),
        *more,
    ]
    answer = [*OK, (b"x-z", b"9"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]

    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        end.h2.send_headers(exchange.number, [(b":status", b"103"), (b"link", b"</a>")])
        end.answer(exchange, answer, b"body", trailers=[(b"x-sum", b"7")])

    async with proxied(tmp_path, handler, keep_host=True) as (engine, server, client):
        got = await client.ask(fields, b"hello")
        await engine.ended()
        (flow,) = engine.flows()
    (seen,) = server.exchanges
    assert seen.heads == [fields]
    assert seen.body == b"hello"
    assert got.heads == [[(b":status", b"103"), (b"link", b"</a>")], answer]
    assert bytes(got.body) == b"body"
    assert got.trailers == [(b"x-sum", b"7")]
    assert flow.request.pseudo_order == "mpsa"
    assert flow.request.headers.fields == more
    assert flow.response is not None
    assert flow.response.trailers is not None
    assert flow.response.trailers.fields == [(b"x-sum", b"7")]
    assert [one.status for one in flow.response.informational] == [103]
    assert flow.notes == []


async def test_http2_in_http1_out(tmp_path: Path) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
    seen: list[bytes] = []
    async with origin(answer, seen=seen) as port:
        options = Options(mode=f"reverse:http://127.0.0.1:{port}", upstream_http="1.1")
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            got = await client.ask(request_fields("/x", (b"cookie", b"a=1"), (b"cookie", b"b=2")))
            await engine.ended()
            (flow,) = engine.flows()
    assert seen == [b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncookie: a=1; b=2\r\n\r\n" % port]
    assert got.heads == [[(b":status", b"200")]]
    assert bytes(got.body) == b"abc"
    assert got.trailers == [(b"x-sum", b"1")]
    assert (flow.request.version, flow.response and flow.response.version) == ("HTTP/2", "HTTP/1.1")
    assert "2 cookie fields joined" in flow.notes


async def test_http1_in_http2_out(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        end.answer(exchange, OK, b"abc", trailers=[(b"x-sum", b"1")])

    async with http2_origin(handler) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", upstream_http="2")
        async with running(tmp_path, options) as engine:
            reader, writer = await engine.connect()
            writer.write(
                b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2;ext\r\nhi\r\n0\r\n\r\n"
            )
            got = await reader.readuntil(b"0\r\nx-sum: 1\r\n\r\n")
            writer.close()
            await engine.ended()
    assert got == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
    )
    (seen,) = server.exchanges
    assert seen.body == b"hi"
    assert dict(seen.heads[0])[b":authority"] == b"127.0.0.1:%d" % server.port


@pytest.mark.parametrize("code", [ErrorCodes.CANCEL, ErrorCodes.HTTP_1_1_REQUIRED])
async def test_a_reset_of_the_server_reaches_the_client(tmp_path: Path, code: int) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        end.reset(exchange, code)

    async with proxied(tmp_path, handler) as (engine, _, client):
        got = await client.ask(request_fields("/"))
        await engine.ended()
        (flow,) = engine.flows()
    assert (got.heads, got.reset) == ([], code)
    assert flow.error == f"the server reset the stream: {ErrorCodes(code).name}"


async def test_a_reset_in_the_body_reaches_the_client(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        end.h2.send_headers(exchange.number, OK)
        end.h2.send_data(exchange.number, b"part")
        end.reset(exchange, ErrorCodes.INTERNAL_ERROR)

    async with proxied(tmp_path, handler) as (engine, _, client):
        got = await client.ask(request_fields("/"))
        await engine.ended()
    assert (got.status, got.reset) == (b"200", ErrorCodes.INTERNAL_ERROR)


async def test_a_reset_of_the_client_reaches_the_server(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        pass

    async with proxied(tmp_path, handler) as (engine, server, client):
        asked = client.send(request_fields("/"))
        other = client.send(request_fields("/other"))
        await client.wait(lambda: True)
        async with asyncio.timeout(5):
            while len(server.exchanges) < 2:  # noqa: ASYNC110  no event for a test
                await asyncio.sleep(0.005)
        client.reset(asked, ErrorCodes.CANCEL)
        await engine.ended()
        (end,) = server.ends
        await end.wait(lambda: server.exchanges[0].over, "a reset at the server")
        flow = engine.flows()[0]
        assert not other.over
    assert server.exchanges[0].reset == ErrorCodes.CANCEL
    assert flow.error == "the client reset the stream: CANCEL"


async def test_a_refused_stream_is_sent_again(tmp_path: Path) -> None:
    refused: list[int] = []

    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        if not refused:
            refused.append(exchange.number)
            end.reset(exchange, ErrorCodes.REFUSED_STREAM)
        else:
            await echo(end, exchange)

    async with proxied(tmp_path, handler) as (engine, server, client):
        got = await client.ask(request_fields("/again", method="POST"), b"body")
        await engine.ended()
    assert (got.status, bytes(got.body)) == (b"200", b"/again 4")
    assert len(server.exchanges) == 2


async def test_what_a_goaway_left_out_goes_on_a_new_connection(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        if not end.goaway and end is first[0]:
            end.goaway = 1
            end.h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=0)
            end.flush()
        else:
            await echo(end, exchange)

    async with proxied(tmp_path, handler) as (engine, server, client):
        first = server.ends
        got = await client.ask(request_fields("/x"))
        await engine.ended()
    assert (got.status, bytes(got.body)) == (b"200", b"/x 0")
    assert len(server.ends) == 2


async def test_a_slow_reader_on_one_stream_stalls_no_other(tmp_path: Path) -> None:
    size = 4 << 20

    async def handler(end: Http2End, exchange: Exchange) -> None:
        if dict(exchange.heads[0])[b":path"] != b"/large":
            await echo(end, exchange)
            return
        end.h2.send_headers(exchange.number, OK)
        left = size
        while left:
            await end.wait(
                lambda: end.h2.local_flow_control_window(exchange.number) > 0, "a window"
            )
            room = min(end.h2.local_flow_control_window(exchange.number), 16384, left)
            left -= room
            end.h2.send_data(exchange.number, bytes(room), end_stream=not left)
            end.flush()
            await asyncio.sleep(0)

    async with proxied(tmp_path, handler) as (_, _, client):
        client.acknowledge = False
        large = client.send(request_fields("/large"))
        await client.wait(lambda: len(large.body) >= 65535, "what the windows allow")
        client.h2.increment_flow_control_window(1 << 20)  # of the connection, not of the stream
        client.flush()
        small = await client.ask(request_fields("/small"))
        assert (small.status, bytes(small.body)) == (b"200", b"/small 0")
        assert not large.over
        client.acknowledge = True
        client.h2.increment_flow_control_window(1 << 30, large.number)
        client.h2.increment_flow_control_window(1 << 30)
        client.flush()
        await client.wait(lambda: large.over, "the large body")
    assert len(large.body) == size


async def test_streams_wait_for_their_turn_at_a_narrow_server(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        most.append(len([one for one in end.exchanges.values() if not one.ended]))
        await echo(end, exchange)

    most: list[int] = []
    async with proxied(tmp_path, handler) as (engine, server, client):
        await client.ask(request_fields("/first"))
        (end,) = server.ends
        end.h2.update_settings({3: 2})  # MAX_CONCURRENT_STREAMS
        end.flush()
        asked = [client.ask(request_fields(f"/{number}")) for number in range(50)]
        answers = await asyncio.gather(*asked)
        await engine.ended(51)
    assert [bytes(answer.body) for answer in answers] == [b"/%d 0" % n for n in range(50)]
    assert len(server.ends) == 1


async def test_http2_can_be_switched_off(tmp_path: Path) -> None:
    async with running(tmp_path, Options(http2=False)) as engine:
        async with http2_client(*await engine.connect()) as client:
            await client.wait(lambda: client.goaway is not None, "a GOAWAY")
        await engine.ended()
        (flow,) = engine.flows()
    assert client.goaway == ErrorCodes.HTTP_1_1_REQUIRED
    assert "--no-http2" in flow.error


async def test_a_stop_lets_streams_end_and_then_the_connection(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def handler(end: Http2End, exchange: Exchange) -> None:
        await go_on.wait()
        await echo(end, exchange)

    async with http2_origin(handler) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}")
        async with running(tmp_path, options) as engine:
            engine.proxy.options.shutdown_timeout = 10.0
            async with http2_client(*await engine.connect()) as client:
                asked = client.send(request_fields("/slow"))
                async with asyncio.timeout(5):
                    while not server.exchanges:  # noqa: ASYNC110  no event for a test
                        await asyncio.sleep(0.005)
                begin = asyncio.get_running_loop().time()
                stopping = asyncio.ensure_future(engine.proxy.stop())
                await asyncio.sleep(0)
                go_on.set()
                await client.wait(lambda: client.ended, "the end of the connection")
                assert bytes(asked.body) == b"/slow 0"
                await stopping
                assert asyncio.get_running_loop().time() - begin < 5
    assert client.goaway == 0


async def test_requests_take_turns_on_connections_of_http1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "MAX_HTTP1", 3)
    open_now, most = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(0)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await closed(writer)
        open_now -= 1

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = Options(mode=f"reverse:http://127.0.0.1:{port}", upstream_http="1.1")
    async with running(tmp_path, options) as engine:
        async with http2_client(*await engine.connect()) as client:
            asked = [client.ask(request_fields(f"/{number}")) for number in range(60)]
            answers = await asyncio.gather(*asked)
        await engine.ended(60)
    server.close()
    async with asyncio.timeout(5):
        while open_now:  # noqa: ASYNC110  no event for a test
            await asyncio.sleep(0.005)
    assert {bytes(answer.body) for answer in answers} == {b"ok"}
    assert most == 3


async def test_the_oldest_idle_connection_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks many servers through one connection holds few of theirs open."""
    monkeypatch.setattr(http2_links, "MAX_OPEN", 2)
    async with (
        contextlib.AsyncExitStack() as stack,
        running(tmp_path, Options(upstream_http="2")) as engine,
        http2_client(*await engine.connect()) as client,
    ):
        servers = [await stack.enter_async_context(http2_origin(echo)) for _ in range(4)]
        for server in (*servers, servers[0]):
            fields = request_fields("/x")
            fields[1] = (b":authority", b"127.0.0.1:%d" % server.port)
            assert bytes((await client.ask(fields)).body) == b"/x 0"
        first, *_ = servers[0].ends
        await first.wait(lambda: first.ended, "the end of the first connection")
        assert first.goaway == ErrorCodes.NO_ERROR
        assert [len(server.ends) for server in servers] == [2, 1, 1, 1]
        assert not servers[3].ends[0].ended
