"""How an HTTP/2 client began, from the wire to its hook, the store and the filter."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rama_proxy.config import Options
from rama_proxy.filters import parse_filter
from rama_proxy.protocols.http2_frames import (
    HEADERS,
    PREFACE,
    serialize_frame,
    serialize_settings,
)
from rama_proxy.protocols.http2_start import parse_start
from rama_proxy.store.reader import Reader
from tests.support.http2_ends import (
    Exchange,
    Http2End,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.running import running
from tests.support.starts import CHROMIUM, NGHTTP

SCRIPT = """
import asyncio

calls = []


async def http2_start(data):
    calls.append(data)
    await asyncio.sleep(0)
    data.client.annotations["call"] = f"{len(calls)} {data.start.pseudo_order}"


def requestheaders(flow):
    flow.comment = flow.client.annotations.get("call", "none")
"""


async def echo(end: Http2End, exchange: Exchange) -> None:
    await end.request(exchange)
    end.answer(exchange, [(b":status", b"200")], b"ok")


async def test_the_hook_is_called_once_before_the_first_request(tmp_path: Path) -> None:
    script = tmp_path / "watch.py"
    script.write_text(SCRIPT)
    async with http2_origin(echo) as server:
        mode = f"reverse:http://127.0.0.1:{server.port}"
        options = Options(mode=mode, scripts=(str(script),))
        async with running(tmp_path, options) as engine:
            for _ in range(2):
                async with http2_client(*await engine.connect()) as client:
                    await client.ask(request_fields("/first"))
                    more = [client.ask(request_fields(f"/{number}")) for number in range(5)]
                    await asyncio.gather(*more)
            await engine.ended(12)
            flows = engine.flows()
    assert [flow.comment for flow in flows] == ["1 masp"] * 6 + ["2 masp"] * 6


@pytest.mark.parametrize(
    ("start", "akamai_hash"),
    [
        (CHROMIUM, "52d84b11737d980aef856699f885ca86"),
        (NGHTTP, "ada93706ea1b5cca53f2b62779d154cd"),
    ],
    ids=["chromium", "nghttp"],
)
async def test_a_client_is_found_by_its_fingerprint(
    start: bytes, akamai_hash: str, tmp_path: Path
) -> None:
    async with http2_origin(echo) as server:
        options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", addons=("fingerprint",))
        async with running(tmp_path, options) as engine:
            _, writer = await engine.connect()
            writer.write(start)
            await engine.ended()
            writer.close()
            async with http2_client(*await engine.connect()) as client:
                await client.ask(request_fields("/"))
            await engine.ended(2)
            first, _ = engine.flows()
            with Reader(engine.store) as reader:
                found = list(reader.ids(parse_filter(f"~h2fp ^{akamai_hash}$").where()))
    assert first.error == ""
    assert found == [first.id]
    assert first.client.annotations["h2fp_text"] == parse_start(start).akamai
    assert first.client.h2_start == start
    assert first.server is not None
    assert first.server.annotations == {}
    assert parse_start(first.server.h2_start).stream == 1


async def test_a_malformed_first_request_has_its_client_known(tmp_path: Path) -> None:
    block = b"\x82\x84\x87\x01\1a\0\1A\1b"  # GET / of a, and a name in capitals (RFC 9113 8.2.1)
    settings = serialize_settings([(4, 70_000)])
    options = Options(mode="reverse:http://127.0.0.1:1", addons=("fingerprint",))
    async with running(tmp_path, options) as engine:
        _, writer = await engine.connect()
        writer.write(PREFACE + settings + serialize_frame(HEADERS, 5, 1, block))
        await engine.ended()
        writer.close()
        (flow,) = engine.flows()
    assert flow.notes == ["malformed: never sent on"]
    assert flow.client.annotations["h2fp_text"] == "4:70000|00|0|m,p,s,a"
