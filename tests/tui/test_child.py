"""The engine as a child: started, heard, ended. The children here are scripts, and one is real."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rama_proxy.errors import StartError
from rama_tui import child
from rama_tui.child import ChildEngine, engine_command
from tests.support.peers import free_port, listens

READY = """
import json, sys
print(json.dumps({"ready": True, "listen": ["127.0.0.1:1"], "store": "x.db", "control": "/s",
                  "token": "t", "ca": "/ca.pem"}), flush=True)
"""


@contextmanager
def running(script: str) -> Iterator[ChildEngine]:
    """A child that runs a Python script."""
    engine = ChildEngine([sys.executable, "-c", script])
    try:
        yield engine
    finally:
        engine.stop()


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_ready_engine_says() -> None:
    with running(READY + "sys.stdin.read()") as engine:
        ready = engine.wait_ready()
        assert ready.listen == ("127.0.0.1:1",)
        assert ready.store == Path("x.db")
        assert (ready.control, ready.token, ready.ca) == ("/s", "t", "/ca.pem")


def test_what_scripts_print_does_not_disturb_or_stop_it() -> None:
    chatter = "print('hello'); print('{}'); print('[1]')\n"
    flood = "\nfor _ in range(20000): print('x' * 100, file=sys.stderr); print('y' * 100)\n"
    with running(chatter + READY + flood + "sys.stdin.read()\nsys.exit(0)") as engine:
        assert engine.wait_ready().token == "t"
        begin = time.monotonic()
        engine.stop()
        assert time.monotonic() - begin < child.DRAIN_TIMEOUT
        assert engine.last_words().endswith("(exit code 0)")


def test_an_engine_that_cannot_start_gives_its_sentence_and_exit_code() -> None:
    refusal = (
        "import json, sys; print(json.dumps({'ready': False, 'error': 'the store is in use',"
        " 'exit_code': 3})); sys.exit(3)"
    )
    with running(refusal) as engine, pytest.raises(StartError) as caught:
        engine.wait_ready()
    assert str(caught.value) == "the store is in use"
    assert caught.value.exit_code == 3


def test_one_that_dies_without_a_word_is_told_by_its_last_line() -> None:
    crash = "import sys; print('first', file=sys.stderr); sys.exit('no module named x')"
    with running(crash) as engine, pytest.raises(StartError) as caught:
        engine.wait_ready()
    assert str(caught.value) == "the engine did not start: no module named x (exit code 1)"
    assert caught.value.exit_code == 1


def test_one_that_is_killed_names_the_signal() -> None:
    suicide = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with running(suicide) as engine, pytest.raises(StartError, match=r"signal 9"):
        engine.wait_ready()


def test_one_that_never_answers_is_ended() -> None:
    with running("import sys; sys.stdin.read()") as engine:
        with pytest.raises(StartError, match=r"not ready after 0\.2 s"):
            engine.wait_ready(0.2)
        assert not alive(engine.pid)


def test_one_that_does_not_end_is_ended_by_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "DRAIN_TIMEOUT", 0.1)
    monkeypatch.setattr(child, "STOP_TIMEOUT", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
    with running(deaf + "time.sleep(60)") as engine:
        engine.wait_ready()
        engine.stop()
        assert not alive(engine.pid)
        assert engine.last_words() == "signal 9"


def test_the_real_engine_starts_and_ends(tmp_path: Path) -> None:
    port = free_port()
    engine = ChildEngine(engine_command(["-p", str(port), "-w", str(tmp_path / "flows.db")]))
    try:
        ready = engine.wait_ready()
        assert ready.listen == (f"127.0.0.1:{port}",)
        assert ready.store == tmp_path / "flows.db"
        assert Path(ready.ca).is_file()
        assert listens(port)
    finally:
        engine.stop()
    assert not alive(engine.pid)
    assert engine.last_words() == "exit code 0"


def test_a_port_in_use_names_it_and_a_free_one(tmp_path: Path) -> None:
    port = free_port()
    first = ChildEngine(engine_command(["-p", str(port), "-w", str(tmp_path / "1.db")]))
    second = ChildEngine(engine_command(["-p", str(port), "-w", str(tmp_path / "2.db")]))
    try:
        errors = []
        for engine in (first, second):
            try:
                engine.wait_ready()
            except StartError as error:
                errors.append(str(error))
        assert len(errors) == 1
        assert f"127.0.0.1:{port}" in errors[0]
        assert "is free" in errors[0]
    finally:
        first.stop()
        second.stop()


def test_waiting_for_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PATIENCE", 0.05)
    told = []
    with running(READY + "import time; sys.stdin.read(); time.sleep(0.4)") as engine:
        engine.wait_ready()
        engine.stop(lambda: told.append("wait"))
    assert told == ["wait"]
