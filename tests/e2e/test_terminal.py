"""The whole thing as a person meets it: `rama` in a terminal, curl in another."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import TestAuthority
from tests.support.engine import COMMAND, Engine
from tests.support.peers import Nginx, curl, free_port, listens, wait_for
from tests.support.terminal import Terminal


@dataclass(slots=True)
class Running:
    """`rama` on a screen, and where its parts are."""

    terminal: Terminal
    port: int
    directory: Path

    @property
    def through(self) -> tuple[str, ...]:
        """What makes curl go through it."""
        ca = str(self.directory / "config/ca-cert.pem")
        return ("-x", f"http://127.0.0.1:{self.port}", "--cacert", ca)

    def meta(self, key: str) -> str:
        """A fact from its store."""
        database = sqlite3.connect(f"file:{self.directory / 'flows.db'}?mode=ro", uri=True)
        with contextlib.closing(database):
            query = "select value from meta where key = ?"
            return str(database.execute(query, [key]).fetchone()[0])


@pytest.fixture
def rama(tmp_path: Path, ca: TestAuthority) -> Iterator[Running]:
    """`rama` with its proxy, ready for traffic."""
    port = free_port()
    command = [*COMMAND, "-p", str(port), "-w", str(tmp_path / "flows.db")]
    command += ["--confdir", str(tmp_path / "config"), "--ssl-ca", str(ca.path)]
    with Terminal(tmp_path, command) as terminal:
        terminal.shows(f"127.0.0.1:{port}", f"curl -x http://127.0.0.1:{port}")
        yield Running(terminal, port, tmp_path)


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_row_is_there_200_ms_after_the_exchange(rama: Running, nginx: Nginx) -> None:
    taken = []
    for number in range(7):
        base = nginx.https if number % 2 else nginx.http
        answer = curl(*rama.through, f"{base}/1k?row{number}")
        ended = time.monotonic()
        assert answer.status == 200, answer.error
        rama.terminal.shows(f"row{number}")
        taken.append(time.monotonic() - ended)
    assert statistics.median(taken) < 0.2, taken


def test_open_filter_and_quit(rama: Running, nginx: Nginx) -> None:
    terminal = rama.terminal
    curl(*rama.through, f"{nginx.http}/data.json", f"{nginx.https}/1k", f"{nginx.https}/missing")
    terminal.shows("/data.json", "/1k", "/missing", "404")

    terminal.press("g", "Enter")
    terminal.shows("application/json", '"items"', "User-Agent", "/1k")  # the list stays in view
    terminal.press("Escape")
    wait_for(lambda: '"items"' not in terminal.screen(), "the detail to close")

    terminal.press("/")
    terminal.type("~c 404")
    wait_for(lambda: "/1k" not in terminal.screen(), "the filter to narrow the list")
    terminal.press("Enter")
    assert "/missing" in terminal.shows("1 of 3")
    terminal.press("Escape")
    terminal.shows("/data.json", "/1k", "/missing")

    engine = int(rama.meta("engine_pid"))
    assert alive(engine)
    terminal.press("q")
    assert wait_for(lambda: terminal.exit_code() is not None, "rama to quit")
    assert terminal.exit_code() == 0
    wait_for(lambda: not alive(engine), "the engine to end")
    assert not listens(rama.port)


def test_the_engine_ends_when_the_terminal_is_killed(rama: Running, nginx: Nginx) -> None:
    assert curl(*rama.through, f"{nginx.http}/1k").status == 200
    engine = int(rama.meta("engine_pid"))
    rama.terminal.close()
    wait_for(lambda: not alive(engine), "the engine to end", 30)
    with Terminal(rama.directory, [*COMMAND, str(rama.directory / "flows.db")]) as later:
        later.shows("/1k", "not recording")


def test_a_running_capture_opens_and_goes_on_without_its_viewer(
    engine: Engine, nginx: Nginx, tmp_path: Path
) -> None:
    with Terminal(tmp_path, [*COMMAND, str(engine.store)]) as viewer:
        viewer.shows(f"127.0.0.1:{engine.port}")
        curl("-x", engine.proxy, f"{nginx.http}/1k?live")
        viewer.shows("/1k?live")
        viewer.press("q")
        wait_for(lambda: viewer.exit_code() == 0, "the viewer to quit")
    assert curl("-x", engine.proxy, f"{nginx.http}/1k?after").status == 200
    assert len(engine.flows(2)) == 2


def test_a_port_in_use_is_told_with_a_free_one(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    command = [*COMMAND, "-p", str(engine.port), "-w", str(tmp_path / "second/flows.db")]
    with Terminal(tmp_path / "second", command) as terminal:
        terminal.shows(f"127.0.0.1:{engine.port}", "in use", "--port ")
        assert wait_for(terminal.exit_code, "an exit code") == 1
