"""Requests that no client sent: what goes out, what is stored, and how it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rama_proxy import Flow, Request, Response
from rama_proxy.addon_engine import AddonEngine
from rama_proxy.config import Options
from rama_proxy.errors import RamaError
from rama_proxy.model.flow import FAILED
from rama_proxy.model.headers import Headers
from rama_proxy.store.reader import Reader
from tests.support.certificates import TestAuthority
from tests.support.http2_ends import Exchange, Http2End, http2_origin
from tests.support.recorder import Recorder
from tests.support.running import Running, closed, origin, running

HEAD = (
    b"POST /p%%20q?a=1&a=2 HTTP/1.1\r\nhOST: 127.0.0.1:%d\r\nX-Twice: 1\r\naccept: */*\r\n"
    b"x-twice:  2\r\nContent-LENGTH: 5\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def engine_of(engine: Running) -> AddonEngine:
    """What an addon of `engine` asks."""
    asked = engine.proxy.addons.engine
    assert isinstance(asked, AddonEngine)
    return asked


async def sent_by_client(engine: Running, data: bytes, count: int = 1) -> Flow:
    """The stored flow of a request that a client sent through the proxy."""
    reader, writer = await engine.connect()
    writer.write(data)
    await reader.readuntil(b"\r\n\r\n")
    await engine.ended(count)
    await closed(writer)
    flow = await engine_of(engine).flow(count)
    assert flow is not None
    return flow


async def test_http1_goes_out_byte_for_byte(tmp_path: Path) -> None:
    async with Recorder() as server, running(tmp_path) as engine:
        head = HEAD % server.port
        absolute = head.replace(b"/p", b"http://127.0.0.1:%d/p" % server.port, 1)
        first = await sent_by_client(engine, absolute + b"hello")
        second = await engine_of(engine).submit(first.request, first)
        assert not second.error
        flows = engine.flows()
    assert [bytes(seen.received) for seen in server.seen.values()] == [head + b"hello"] * 2
    assert [flow.parent_id for flow in flows] == [None, 1]
    stored = flows[1]
    assert (stored.request.raw, bytes(stored.request.body)) == (first.request.raw, b"hello")
    assert stored.response is not None
    assert (stored.response.status, bytes(stored.response.body)) == (200, b"ok")
    assert (stored.client.is_own, stored.client.peer) == (True, None)
    assert stored.server is not None
    assert stored.server.address == ("127.0.0.1", server.port)


async def test_chunks_and_trailers_go_out_as_chunks_and_trailers(tmp_path: Path) -> None:
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    body = b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX-Sum: 7\r\n\r\n"
    async with Recorder() as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", keep_host=True)
        async with running(tmp_path, options) as engine:
            first = await sent_by_client(engine, head + body)
            second = await engine_of(engine).submit(first.request, first)
    sent = [bytes(seen.received) for seen in server.seen.values()]
    assert sent == [head + body, head + b"3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n"]
    assert second.request.trailers == Headers([("X-Sum", "7")])
    assert second.request.body.complete


async def test_what_an_edit_says_goes_out(tmp_path: Path) -> None:
    async with Recorder() as server, running(tmp_path) as engine:
        request = Request.make("POST", f"http://127.0.0.1:{server.port}/a", b"one")
        request.raw = b"GET /old HTTP/1.1\r\nHost: old\r\n\r\n"
        request.text = "three"
        flow = await engine_of(engine).submit(request)
        assert request.raw_content == b"three"
    (seen,) = server.seen.values()
    host = f"127.0.0.1:{server.port}"
    expected = f"POST /a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nthree"
    assert seen.received.decode() == expected
    assert flow.parent_id is None
    assert flow.request.raw.endswith(b"Content-Length: 5\r\n\r\n")


async def test_http2_goes_out_in_its_order(tmp_path: Path) -> None:
    fields = [
        (b":method", b"POST"),
        (b":path", b"/p?q"),
        (b":scheme", b"https"),
        (b":authority", b"origin.test:1"),
        (b"x-b", b"1"),
        (b"cookie", b"a=1"),
        (b"accept", b"*/*"),
        (b"cookie", b"b=2"),
    ]
    trailers = [(b"x-sum", b"7")]

    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        end.answer(exchange, [(b":status", b"200")], b"done", trailers=[(b"x-t", b"1")])

    async with (
        http2_origin(handler, TestAuthority(tmp_path).server_context("127.0.0.1")) as server,
        running(tmp_path, Options(ssl_insecure=True)) as engine,
    ):
        request = Request("POST", b"/p?q", "HTTP/2", Headers(fields[4:]))
        request.scheme, request.host, request.port = "https", "127.0.0.1", server.port
        request.authority, request.pseudo_order = "origin.test:1", "mpsa"
        request.body.replace(b"hello")
        request.body.edited = False
        request.trailers = Headers(trailers)
        flow = await engine_of(engine).submit(request)
    (seen,) = server.exchanges
    assert seen.heads == [fields]
    assert (bytes(seen.body), seen.trailers) == (b"hello", trailers)
    assert flow.response is not None
    assert (flow.response.version, bytes(flow.response.body)) == ("HTTP/2", b"done")
    assert flow.response.trailers == Headers([("x-t", "1")])
    assert flow.server is not None
    assert flow.server.alpn == "h2"


async def test_http1_stays_http1_where_the_server_could_do_better(tmp_path: Path) -> None:
    context = TestAuthority(tmp_path).server_context("127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        origin(OK, context) as port,
        running(tmp_path, Options(ssl_insecure=True)) as engine,
    ):
        flow = await engine_of(engine).submit(Request.make("GET", f"https://127.0.0.1:{port}/"))
    assert flow.server is not None
    assert flow.server.tls is not None
    assert (flow.server.tls.alpn_offered, flow.server.alpn) == (("http/1.1",), "http/1.1")
    assert not flow.error


async def test_a_failure_is_the_flows_and_no_answer_is_made_up(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        flow = await engine_of(engine).submit(Request.make("GET", "http://127.0.0.1:1/"))
        (stored,) = engine.flows()
    assert "127.0.0.1" in flow.error
    assert (stored.error, stored.state, stored.response) == (flow.error, FAILED, None)


async def test_what_failed_for_want_of_a_server_can_be_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        head = b"%b http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n%b\r\n"
        first = await sent_by_client(engine, head % (b"GET", b""))
        second = await engine_of(engine).submit(first.request, first)
        assert second.parent_id == 1
        third = await sent_by_client(engine, head % (b"POST", b"Content-Length: 9\r\n"), 3)
        with pytest.raises(ValueError, match="its body never came to an end"):
            await engine_of(engine).submit(third.request, third)


async def test_half_a_response_is_kept_as_half(tmp_path: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf"
    async with origin(half) as port, running(tmp_path) as engine:
        headers = {"Connection": "close"}
        request = Request.make("GET", f"http://127.0.0.1:{port}/", headers=headers)
        flow = await engine_of(engine).submit(request)
    assert "closed" in flow.error
    assert flow.response is not None
    assert bytes(flow.response.body) == b"half"
    assert not flow.response.body.complete


async def test_the_body_limit_holds_and_a_body_in_part_is_refused(tmp_path: Path) -> None:
    async with Recorder() as server, running(tmp_path, Options(body_limit=3)) as engine:
        place = b"127.0.0.1:%d" % server.port
        head = b"POST http://%b/ HTTP/1.1\r\nHost: %b\r\nContent-Length: 5\r\n\r\n"
        first = await sent_by_client(engine, head % (place, place) + b"hello")
        with pytest.raises(ValueError, match="only a part of its body of 5 bytes was kept"):
            await engine_of(engine).submit(first.request, first)
        whole = Request.make("POST", f"http://127.0.0.1:{server.port}/", b"hello")
        second = await engine_of(engine).submit(whole)
        assert len(engine.flows()) == 2
    assert [request[2] for seen in server.seen.values() for request in seen.requests] == [
        b"hello",
        b"hello",
    ]
    assert (bytes(second.request.body), second.request.body.truncated) == (b"hel", True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "CONNECT"}, "a CONNECT opens a tunnel"),
        ({"protocol": "websocket"}, "opens a WebSocket"),
        ({"host": ""}, "names no server"),
        ({"scheme": "ftp"}, "names no server"),
        ({"headers": Headers([("Upgrade", "websocket")])}, "opens a WebSocket"),
        ({"headers": Headers([("Content-Length", "9")])}, "Content-Length says 9"),
        ({"headers": Headers([("Content-Length", "x")])}, "Content-Length"),
        ({"version": "HTTP/2", "headers": Headers([("content-length", "9")])}, "is 9"),
        ({"target": b"/a b"}, "cannot be sent"),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    request = Request.make("GET", "http://127.0.0.1:1/")
    for name, value in change.items():
        setattr(request, name, value)
    async with running(tmp_path) as engine:
        with pytest.raises(ValueError, match=reason):
            await engine_of(engine).submit(request)
        assert engine.flows() == []


async def test_hooks_see_it_as_any_flow(tmp_path: Path) -> None:
    seen: list[str] = []

    class Watch:
        def request(self, flow: Flow) -> None:
            seen.append(f"request {flow.request.text}")
            flow.request.text = "longer than before"

        def response(self, flow: Flow) -> None:
            seen.append("response")
            assert flow.response is not None
            flow.response.text = "edited"

    async with Recorder() as server, running(tmp_path) as engine:
        engine.proxy.hooks.set_addons([Watch()])
        request = Request.make("POST", f"http://127.0.0.1:{server.port}/", b"body")
        flow = await engine_of(engine).submit(request)
    ((_, _, body),) = next(iter(server.seen.values())).requests
    assert seen == ["request body", "response"]
    assert body == b"longer than before"
    assert flow.response is not None
    assert flow.response.text == "edited"


async def test_an_addon_may_answer(tmp_path: Path) -> None:
    class Answer:
        def request(self, flow: Flow) -> None:
            flow.response = Response.make(203, "mine")

    async with running(tmp_path) as engine:
        engine.proxy.hooks.set_addons([Answer()])
        flow = await engine_of(engine).submit(Request.make("GET", "http://127.0.0.1:1/"))
    assert flow.response is not None
    assert (flow.response.status, flow.response.text, flow.error) == (203, "mine", "")


async def test_many_share_connections_and_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with Recorder() as server, running(tmp_path) as engine:
        request = Request.make("GET", f"http://127.0.0.1:{server.port}/")
        async with engine_of(engine).sharing() as sharing:
            for _ in range(5):
                await sharing.submit(request)
            assert len(server.seen) == 1
            flows = await asyncio.gather(*[sharing.submit(request) for _ in range(8)])
        assert len({flow.client.id for flow in flows}) == 1
        assert {flow.response.status for flow in flows if flow.response} == {200}
        assert all(flow.client.closed is not None for flow in flows)
        assert all(flow.server and flow.server.closed for flow in flows)


async def test_a_slow_server_is_given_up_when_the_engine_stops(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(tmp_path) as engine:
        request = Request.make("GET", f"http://127.0.0.1:{port}/")
        task = asyncio.ensure_future(engine_of(engine).submit(request))
        await asked.wait()
        engine.proxy.options.shutdown_timeout = 0.05
    with pytest.raises(asyncio.CancelledError):
        await task
    (flow,) = engine_flows(engine)
    assert flow.error == "cut off as the proxy stopped"
    with pytest.raises(RamaError, match="stopping"):
        await engine_of(engine).submit(request)
    server.close()


def engine_flows(engine: Running) -> list[Flow]:
    """What an engine that has stopped has stored."""
    with Reader(engine.store) as reader:
        return [flow for number in reader.ids() if (flow := reader.flow(number)) is not None]


async def test_a_server_that_never_answers_has_its_time(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(tmp_path, Options(response_timeout=0.2)) as engine:
        flow = await engine_of(engine).submit(Request.make("GET", f"http://127.0.0.1:{port}/"))
    assert flow.error == "the server sent no response within 0.2 s"
    server.close()
