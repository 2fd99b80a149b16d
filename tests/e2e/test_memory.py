"""What is over is forgotten at once, without waiting for the garbage collector."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from h2.errors import ErrorCodes

from tests.support.abuse import on_uvloop
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.http2_ends import Exchange, Http2End, http2_client, http2_origin, request_fields
from tests.support.http2_frames import PREFACE, SETTINGS, frame, get, say
from tests.support.peers import Nginx, curl

SCRIPT = """
import collections, gc, json, pathlib

def running():
    gc.collect()
    gc.disable()

def done():
    kinds = collections.Counter(type(item).__name__ for item in gc.get_objects())
    pathlib.Path({path!r}).write_text(json.dumps(kinds))
"""


def test_a_closed_connection_leaves_no_cycles(
    tmp_path: Path, nginx: Nginx, fault_origin: FaultOrigin, ca: TestAuthority
) -> None:
    script, counted = tmp_path / "count.py", tmp_path / "kinds.json"
    script.write_text(SCRIPT.format(path=str(counted)))
    with Engine(tmp_path, "--ssl-ca", str(ca.path), "--script", str(script)) as engine:
        trusting = ("-x", engine.proxy, "--cacert", engine.ca)
        for _ in range(10):
            assert curl(*trusting, f"{nginx.https}/1k").status == 200
            assert curl(*trusting, f"{nginx.http}/1k").status == 200
            assert curl("-x", engine.proxy, f"{nginx.https}/1k").exit_code == 60
            assert curl(*trusting, f"{fault_origin.url}/garbage").status == 502
        engine.flows(40)
    kinds = json.loads(counted.read_text())
    ours = ("ConnectionInfo", "Exchange", "Flow", "Stream", "TlsEngine", "traceback")
    # what the pool holds, and what the last exchanges still have, may be there
    assert {kind: kinds[kind] for kind in ours if kinds.get(kind, 0) > 8} == {}


@on_uvloop
async def test_a_closed_http2_connection_leaves_no_cycles(tmp_path: Path) -> None:
    async def answer(end: Http2End, exchange: Exchange) -> None:
        if dict(exchange.heads[0])[b":path"] == b"/reset":
            end.reset(exchange, ErrorCodes.INTERNAL_ERROR)
        else:
            end.answer(exchange, [(b":status", b"200")], b"hi")

    script, counted = tmp_path / "count.py", tmp_path / "kinds.json"
    script.write_text(SCRIPT.format(path=str(counted)))
    async with http2_origin(answer) as server:
        mode = f"--mode=reverse:http://127.0.0.1:{server.port}"
        with Engine(tmp_path, mode, "--script", str(script)) as engine:
            for _ in range(20):
                pair = await asyncio.open_connection("127.0.0.1", engine.port)
                async with http2_client(*pair) as client:
                    asked = [client.ask(request_fields(path)) for path in ("/a", "/reset", "/b")]
                    await asyncio.gather(*asked)
                await say(engine.port, PREFACE + SETTINGS + get(1) + frame(0, 0, 99, b"x"))
            await asyncio.to_thread(engine.flows, 100)
    kinds = json.loads(counted.read_text())
    ours = [
        "ConnectionInfo",
        "Exchange",
        "Flow",
        "Stream",
        "Http2Stream",
        "Link",
        "Links",
        "Conn",
        "Http2Connection",
    ]
    ours += ["Http2Server", "Http2Client", "_Server"]
    assert {kind: kinds[kind] for kind in ours if kinds.get(kind, 0) > 8} == {}
