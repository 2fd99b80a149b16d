"""What is over is forgotten at once, without waiting for the garbage collector."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
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
