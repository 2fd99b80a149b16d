"""Addons at exchanges over HTTP/2: what they change, answer and end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from rama_proxy import Flow, Response
from rama_proxy.config import Options
from tests.support.http2_ends import (
    Exchange,
    Http2End,
    Http2Origin,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.running import Running, running

OK = [(b":status", b"200"), (b"content-type", b"text/plain")]


@asynccontextmanager
async def edited(
    area: Path, addon: object, **options: object
) -> AsyncIterator[tuple[Running, Http2Origin, Http2End]]:
    """A proxy with `addon` before an origin that echoes, the origin, and a client."""

    async def echo(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        end.answer(exchange, OK, bytes(exchange.body) or b"none", trailers=[(b"x-end", b"1")])

    async with http2_origin(echo) as server:
        mode = f"reverse:http://127.0.0.1:{server.port}"
        settings = Options(mode=mode, keep_host=True, **options)  # type: ignore[arg-type]
        async with running(area, settings) as engine, http2_client(*await engine.connect()) as end:
            engine.proxy.hooks.set_addons([addon])
            yield engine, server, end


async def test_a_request_is_changed(tmp_path: Path) -> None:
    class Change:
        def request(self, flow: Flow) -> None:
            assert flow.request.text == "before"
            flow.request.text = "after that"
            flow.request.headers["x-new"] = "1"
            flow.request.path = "/other"

    async with http2_origin(answer_with_fields) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", keep_host=True)
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            engine.proxy.hooks.set_addons([Change()])
            got = await client.ask(request_fields("/x", method="POST"), b"before")
            await engine.ended()
            (flow,) = engine.flows()
    (seen,) = server.exchanges
    fields = dict(seen.heads[0])
    assert (fields[b":path"], fields[b"x-new"], fields[b"content-length"]) == (
        b"/other",
        b"1",
        b"10",
    )
    assert bytes(seen.body) == b"after that"
    assert got.status == b"200"
    assert "request edited by an addon" in flow.notes


async def answer_with_fields(end: Http2End, exchange: Exchange) -> None:
    await end.request(exchange)
    end.answer(exchange, OK, b"ok")


async def test_a_response_is_changed(tmp_path: Path) -> None:
    class Change:
        def response(self, flow: Flow) -> None:
            assert flow.response is not None
            flow.response.text = flow.response.text.upper() + "!"
            flow.response.status_code = 201

    async with edited(tmp_path, Change()) as (engine, _, client):
        got = await client.ask(request_fields("/x", method="POST"), b"abc")
        await engine.ended()
        (flow,) = engine.flows()
    assert got.heads == [[(b":status", b"201"), *OK[1:], (b"content-length", b"4")]]
    assert bytes(got.body) == b"ABC!"
    assert flow.response is not None
    assert flow.response.body.edited


async def test_an_addon_answers(tmp_path: Path) -> None:
    class Answer:
        def request(self, flow: Flow) -> None:
            flow.response = Response.make(418, b"short and stout", {"X-Tea": "pot"})

    async with edited(tmp_path, Answer()) as (engine, server, client):
        got = await client.ask(request_fields("/x"))
        head = await client.ask(request_fields("/x", method="HEAD"))
        await engine.ended(2)
    assert server.exchanges == []
    assert got.status == b"418"
    assert (b"x-tea", b"pot") in got.heads[0]
    assert bytes(got.body) == b"short and stout"
    assert (head.status, bytes(head.body)) == (b"418", b"")


async def test_a_killed_flow_is_reset(tmp_path: Path) -> None:
    class Kill:
        def requestheaders(self, flow: Flow) -> None:
            if flow.request.path == "/kill":
                flow.kill()

    async with edited(tmp_path, Kill()) as (engine, _, client):
        got = await client.ask(request_fields("/kill"))
        other = await client.ask(request_fields("/other"))
        await engine.ended(2)
    assert (got.heads, got.reset) == ([], ErrorCodes.INTERNAL_ERROR)
    assert other.status == b"200"


async def test_another_host_is_named(tmp_path: Path) -> None:
    class Move:
        def requestheaders(self, flow: Flow) -> None:
            flow.request.host = "127.0.0.2"

    seen: list[Exchange] = []

    async def handler(end: Http2End, exchange: Exchange) -> None:
        seen.append(exchange)
        await answer_with_fields(end, exchange)

    async with http2_origin(handler) as server:
        options = Options(
            mode=f"reverse:http://127.0.0.1:{server.port}",
            keep_host=True,
            resolve=(f"127.0.0.2:{server.port}:127.0.0.1",),
        )
        async with (
            running(tmp_path, options) as engine,
            http2_client(*await engine.connect()) as client,
        ):
            engine.proxy.hooks.set_addons([Move()])
            got = await client.ask(request_fields("/x"))
            await engine.ended()
    assert got.status == b"200"
    assert dict(seen[0].heads[0])[b":authority"] == b"127.0.0.2:%d" % server.port


async def test_a_body_beyond_the_limit_streams_through(tmp_path: Path) -> None:
    class Look:
        def request(self, flow: Flow) -> None:
            pass

        def response(self, flow: Flow) -> None:
            pass

    body = b"x" * 40_000
    async with edited(tmp_path, Look(), body_limit=10_000) as (engine, server, client):
        got = await client.ask(request_fields("/x", method="POST"), body[:16000])
        await engine.ended()
        (flow,) = engine.flows()
    assert bytes(server.exchanges[0].body) == body[:16000]
    assert bytes(got.body) == body[:16000]
    assert "request body beyond the body limit: not held back" in flow.notes
    assert got.trailers == [(b"x-end", b"1")]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_body_that_is_held_back_is_asked_for(tmp_path: Path, at_once: bool) -> None:
    class Look:
        def request(self, flow: Flow) -> None:
            pass

    expect = (b"expect", b"100-continue")
    async with edited(tmp_path, Look()) as (engine, _, client):
        fields = request_fields("/x", expect, method="POST")
        if at_once:
            got = await client.ask(fields, b"body")
        else:
            got = client.send(fields, end=False)
            await client.wait(lambda: bool(got.heads), "a 100")
            client.h2.send_data(got.number, b"body", end_stream=True)
            client.flush()
            await client.wait(lambda: got.over, "the response")
        await engine.ended()
    statuses = [dict(head)[b":status"] for head in got.heads]
    assert statuses == ([b"200"] if at_once else [b"100", b"200"])
    assert bytes(got.body) == b"body"
