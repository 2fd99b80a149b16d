"""`rama replay`: through an engine that runs, without one, and what it says."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.store.reader import Reader
from tests.support.engine import COMMAND, ROOT, Engine
from tests.support.peers import Nginx, clean_env, curl, wait_for
from tests.support.pty import Pty
from tests.support.shell import Shell, rama


@pytest.fixture
def engine(tmp_path: Path, nginx: Nginx) -> Iterator[Engine]:
    """A running engine that has recorded one request."""
    with Engine(tmp_path) as running:
        curl("-x", running.proxy, "-H", "x-MiXed: 1", f"{nginx.http}/1k")
        running.flows(1)
        yield running


def lines(output: str) -> list[dict[str, object]]:
    """The JSON objects of an output."""
    return [json.loads(line) for line in output.splitlines()]


def test_a_running_engine_sends_it_again(engine: Engine) -> None:
    run = rama("replay", "1", engine.store)
    assert (run.returncode, run.stderr) == (0, "")
    attempt, summary = run.stdout.splitlines()
    assert attempt.split()[:4] == ["2", "200", "1", "KiB"]
    assert attempt.endswith("replay of 1")
    assert summary.startswith("1 request, 0 errors, p50 ")
    first, second = engine.flows(2)
    assert second.parent_id == 1
    assert second.request.raw == first.request.raw
    assert b"x-MiXed: 1\r\n" in second.request.raw
    assert "replays          2" in rama("show", "1", engine.store).stdout
    shown = rama("show", "2", engine.store).stdout
    assert "replay of        1" in shown
    assert "none, Rama itself sent the request" in shown
    assert "client connect" not in shown


def test_many_times_over_as_json(engine: Engine) -> None:
    run = rama("replay", "~u 1k", engine.store, "--count", "30", "--concurrency", "5", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    *attempts, last = lines(run.stdout)
    assert sorted(attempt["flow"] for attempt in attempts) == list(range(2, 32))  # type: ignore[type-var]
    assert {(attempt["origin"], attempt["status"]) for attempt in attempts} == {(1, 200)}
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert (summary["sent"], summary["errors"], summary["refused"]) == (30, 0, 0)
    assert summary["rate"] > 0
    assert {flow.parent_id for flow in engine.flows(31)} == {None, 1}


def test_several_flows_by_their_numbers(engine: Engine) -> None:
    run = rama("replay", "1", "9", "1", engine.store)
    assert run.returncode == 1
    assert "flow 9 cannot be replayed: there is no such flow" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("2 requests, 0 errors, 1 refused, p50 ")
    engine.flows(3)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["9"], 1, "rama: flow 9 cannot be replayed: there is no such flow"),
        (["~d nowhere"], 1, "rama: no flow matches '~d nowhere'"),
        (["~zz"], 2, "the filter does not parse"),
        (["1", "--concurrency", "65"], 2, "65 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_said(
    engine: Engine, arguments: list[str], code: int, reason: str
) -> None:
    run = rama("replay", arguments[0], engine.store, *arguments[1:])
    assert (run.returncode, run.stdout) == (code, "")
    assert reason in run.stderr


def test_a_body_kept_in_part_is_not_sent(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--body-limit", "3") as engine:
        curl("-x", engine.proxy, "-d", "hello", f"{nginx.http}/1k")
        engine.flows(1)
        run = rama("replay", "1", engine.store)
    assert run.returncode == 1
    assert run.stderr == (
        "rama: flow 1 cannot be replayed: only a part of its body of 5 bytes was kept\n"
    )


def test_a_server_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Engine(tmp_path) as engine:
        curl("-x", engine.proxy, f"http://127.0.0.1:{port}/")
        engine.flows(1)
        run = rama("replay", "1", engine.store)
        _, second = engine.flows(2)
    assert run.returncode == 1
    assert "---" in run.stdout
    assert f"127.0.0.1:{port}" in run.stdout
    assert "1 request, 1 error, " in run.stdout
    assert second.error
    assert second.response is None


def test_a_finished_store_gets_an_engine_of_its_own(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path) as engine:
        curl("-x", engine.proxy, f"{nginx.http}/1k")
        engine.flows(1)
    run = rama("replay", "1", engine.store, "--confdir", engine.confdir)
    assert (run.returncode, run.stderr) == (0, "")
    assert "replay of 1" in run.stdout
    with Reader(engine.store) as reader:
        assert list(reader.ids()) == [1, 2]
        second = reader.flow(2)
        assert reader.meta("control_path") == ""
    assert second is not None
    assert (second.parent_id, second.state) == (1, "done")


def test_an_interrupt_ends_the_replay_and_not_the_engine(engine: Engine, nginx: Nginx) -> None:
    with Shell("replay", "1", engine.store, "--count", "1000000", "--json") as shell:
        shell.prints(5)
        shell.signal(signal.SIGINT)
        assert shell.end() == 130
    wait_for(lambda: engine.status()["active"] == 0, "the end of the replay")
    flows = engine.status()["flows"]
    curl("-x", engine.proxy, f"{nginx.http}/1k")
    wait_for(lambda: engine.status()["flows"] == flows + 1, "the next flow, and no other")


def test_a_reader_that_leaves_ends_it(engine: Engine) -> None:
    command = [*COMMAND, "replay", "1", str(engine.store), "--count", "1000000", "--json"]
    run = subprocess.Popen(command, cwd=ROOT, env=clean_env(), stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert json.loads(run.stdout.readline())["origin"] == 1
    run.stdout.close()
    assert run.wait(20) == 0
    wait_for(lambda: engine.status()["active"] == 0, "the end of the replay")


def test_a_terminal_shows_how_far_it_is(engine: Engine) -> None:
    command = [*COMMAND, "replay", "1", str(engine.store), "--count", "200"]
    with Pty(command) as terminal:
        terminal.wait_for(b"200 requests, 0 errors")
        assert terminal.exit_code() == 0
    assert b"replaying" in terminal.output
    assert b"replay of 1" not in terminal.output
