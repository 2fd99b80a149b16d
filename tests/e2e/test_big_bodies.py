"""Bodies larger than memory should be: relayed whole, kept in part, at flat memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.peers import Nginx, clean_env, curl, program

MIB = 1024 * 1024
GIB = 1024 * MIB


def test_1_gib_comes_down_at_flat_memory(engine: Engine, nginx: Nginx) -> None:
    with subprocess.Popen(
        [program("curl"), "-q", "-sS", "-x", engine.proxy, f"{nginx.http}/1g"],
        env=clean_env(),
        stdout=subprocess.PIPE,
    ) as client:
        assert client.stdout is not None
        size = 0
        while part := client.stdout.read(MIB):
            size += len(part)
    assert (client.returncode, size) == (0, GIB)
    assert engine.memory() < 120 * MIB
    (flow,) = engine.flows()
    assert flow.response is not None
    body = flow.response.body
    assert (body.size, body.truncated) == (GIB, True)
    assert len(bytes(body)) == 16 * MIB
    assert (flow.state, flow.error) == ("done", "")


def test_256_mib_over_tls_at_flat_memory(engine: Engine, nginx: Nginx) -> None:
    part = ("-r", f"0-{256 * MIB - 1}", "-o", "/dev/null")
    answer = curl(
        "-x", engine.proxy, "--cacert", engine.ca, *part, f"{nginx.https}/1g", timeout=100
    )
    assert (answer.exit_code, answer.status) == (0, 206), answer.error
    assert engine.memory() < 120 * MIB
    (flow,) = engine.flows()
    assert flow.response is not None
    assert flow.response.body.size == 256 * MIB


def test_256_mib_go_up_at_flat_memory(
    engine: Engine, fault_origin: FaultOrigin, tmp_path: Path
) -> None:
    file = tmp_path / "zeros"
    with file.open("wb") as handle:
        handle.truncate(256 * MIB)
    answer = curl("-x", engine.proxy, "-T", str(file), f"{fault_origin.url}/sink", timeout=100)
    assert answer.body == str(256 * MIB).encode(), answer.error
    assert engine.memory() < 120 * MIB
    (flow,) = engine.flows()
    assert flow.request.body.size == 256 * MIB


@pytest.mark.parametrize("limit", ["0", "1000"])
def test_the_body_limit_is_what_is_kept(tmp_path: Path, nginx: Nginx, limit: str) -> None:
    with Engine(tmp_path, "--body-limit", limit) as engine:
        assert curl("-x", engine.proxy, f"{nginx.http}/100k").body == nginx.file("100k")
        (flow,) = engine.flows()
        assert flow.response is not None
        assert bytes(flow.response.body) == nginx.file("100k")[: int(limit)]
        assert (flow.response.body.size, flow.response.body.truncated) == (100 * 1024, True)
