"""How the engine starts and ends: drained, in a sentence, never in a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.engine import COMMAND, ROOT, Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.peers import Answer, Nginx, clean_env, curl, listens, wait_for


class Call:
    """A curl in the background."""

    def __init__(self, *arguments: str) -> None:
        self.answer: Answer | None = None
        self._arguments = arguments
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.answer = curl(*self._arguments)

    def wait(self) -> Answer:
        """What it said."""
        self._thread.join(30)
        assert self.answer is not None
        return self.answer


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rama capture` that is expected to end by itself."""
    return subprocess.run(
        [*COMMAND, "capture", *arguments],
        cwd=ROOT,
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_end_first(
    engine: Engine, fault_origin: FaultOrigin, number: signal.Signals
) -> None:
    call = Call("-x", engine.proxy, f"{fault_origin.url}/slow?wait=1")
    wait_for(lambda: fault_origin.heads, "the request to arrive")
    engine.signal(number)
    wait_for(lambda: not listens(engine.port), "the port to close")
    assert call.wait().body == b"slow"
    assert engine.wait() == 0
    (flow,) = engine.flows()
    assert flow.state == "done"


def test_a_second_signal_ends_it_at_once(engine: Engine, fault_origin: FaultOrigin) -> None:
    call = Call("-x", engine.proxy, f"{fault_origin.url}/silence")
    wait_for(lambda: fault_origin.heads, "the request to arrive")
    engine.signal(signal.SIGTERM)
    wait_for(lambda: not listens(engine.port), "the port to close")
    begin = time.monotonic()
    engine.signal(signal.SIGTERM)
    assert engine.wait() == 128 + signal.SIGTERM
    assert time.monotonic() - begin < 2
    assert call.wait().exit_code != 0
    (flow,) = engine.flows()
    assert (flow.state, bool(flow.error)) == ("error", True)


def test_the_shutdown_timeout_bounds_the_drain(tmp_path: Path, fault_origin: FaultOrigin) -> None:
    with Engine(tmp_path, "--shutdown-timeout", "1s") as engine:
        call = Call("-x", engine.proxy, f"{fault_origin.url}/silence")
        wait_for(lambda: fault_origin.heads, "the request to arrive")
        begin = time.monotonic()
        engine.signal(signal.SIGTERM)
        assert engine.wait() == 0
        assert 0.9 < time.monotonic() - begin < 4
        call.wait()


def test_it_ends_with_the_terminal_that_started_it(engine: Engine, nginx: Nginx) -> None:
    assert curl("-x", engine.proxy, f"{nginx.http}/1k").status == 200
    assert engine.process.stdin is not None
    engine.process.stdin.close()
    assert engine.wait() == 0
    assert len(engine.flows()) == 1


def test_a_port_in_use_is_one_sentence(engine: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    run = start("-p", str(engine.port), "-w", str(other))
    assert run.returncode == 1
    assert run.stderr.startswith("rama: ")
    assert run.stderr.count("\n") == 1
    assert str(engine.port) in run.stderr
    run = start("--attached", "-p", str(engine.port), "-w", str(other))
    answer = json.loads(run.stdout)
    assert (answer["ready"], answer["exit_code"]) == (False, 1)
    assert str(engine.port) in answer["error"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", answer["free_port"]))


def newer(path: Path) -> None:
    """A store of a version that does not exist yet."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript("pragma application_id = 0x52414D41; pragma user_version = 999")


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda path: path.write_bytes(b"not a database, but long enough " * 99), "not"),
        (lambda path: path.mkdir(), "not a file"),
        (newer, "newer"),
    ],
    ids=["garbage", "directory", "newer"],
)
def test_a_store_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, make: object, word: str
) -> None:
    store = tmp_path / "flows.db"
    make(store)  # type: ignore[operator]  # parametrize gives no types
    before = store.read_bytes() if store.is_file() else b""
    run = start("-p", "0", "-w", str(store))
    assert run.returncode == 1
    assert run.stderr.startswith("rama: ")
    assert run.stderr.count("\n") == 1
    assert word in run.stderr
    assert (store.read_bytes() if store.is_file() else b"") == before


def test_a_missing_folder_for_the_store_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    run = start("-p", "0", "-w", str(blocked / "flows.db"))
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)


def test_an_authority_without_its_key_is_one_sentence(engine: Engine, tmp_path: Path) -> None:
    (key,) = engine.confdir.rglob("ca-key.pem")
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    arguments = ("-p", "0", "-w", str(tmp_path / "b.db"), "--confdir", str(engine.confdir))
    run = start(*arguments)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "ca-key.pem" in run.stderr


def test_count_and_for_end_a_capture(tmp_path: Path, nginx: Nginx) -> None:
    with Engine(tmp_path, "--count", "2") as engine:
        curl("-x", engine.proxy, f"{nginx.http}/1k", f"{nginx.http}/0")
        assert engine.wait() == 0
        assert len(engine.flows(2)) == 2
    begin = time.monotonic()
    run = start("-p", "0", "-w", str(tmp_path / "b.db"), "--for", "1s")
    assert run.returncode == 0, run.stderr
    assert 0.9 < time.monotonic() - begin < 10


def test_the_proxy_listens_on_loopback_only(engine: Engine) -> None:
    assert engine.ready["listen"] == [f"127.0.0.1:{engine.port}"]
    listening = Path(f"/proc/{engine.pid}/net/tcp").read_text()
    inodes = {os.readlink(link) for link in Path(f"/proc/{engine.pid}/fd").iterdir()}
    ours = [
        line.split()[1]
        for line in listening.splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in inodes
    ]
    assert ours == [f"0100007F:{engine.port:04X}"]
