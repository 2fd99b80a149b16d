"""`rama doctor`: each check says ok, warn or fail, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import shutil
import socket
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from rama_proxy.certs.authority import Authority
from rama_proxy.cli import checks
from rama_proxy.cli.checks import FAIL, OK, WARN, Check, run_checks
from rama_proxy.config import Options
from tests.support.engine import Engine
from tests.support.shell import rama


def check(name: str, **options: object) -> Check:
    """The one check called `name`, under these options."""
    chosen = Options(**{"port": 0, **options})  # type: ignore[arg-type]  # by name
    [found] = [item for item in run_checks(chosen) if item.name == name]
    return found


def test_every_check_has_its_place_and_a_known_state() -> None:
    found = run_checks(Options(port=0))

    assert [item.name for item in found] == [
        "Python", "Libraries", "SQLite", "OpenSSL", "HTTP/2", "Config", "Authority", "Captures",
        "Addons", "Port", "Files", "Terminal", "Clipboard",
    ]  # fmt: skip
    assert {item.state for item in found} <= {OK, WARN, FAIL}
    assert all(item.found for item in found)


def test_for_people_and_for_programs(tmp_path: Path) -> None:
    people = rama("doctor", "-p", "0", RAMA_CONFDIR=str(tmp_path))
    programs = rama("doctor", "-p", "0", "--json", RAMA_CONFDIR=str(tmp_path))

    entries = [json.loads(line) for line in programs.stdout.splitlines()]
    assert people.returncode == programs.returncode == 0, people.stdout
    lines = [line for line in people.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split()[:2] for line in lines] == [
        [entry["state"], entry["name"]] for entry in entries
    ]
    assert f"none in {tmp_path} yet: the first run makes it" in people.stdout
    assert not list(tmp_path.iterdir())
    assert "\x1b" not in people.stdout


def test_a_failure_is_the_exit_code(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("prot = 1\n")

    run = rama("doctor", "--config", config, "-p", "0")

    assert run.returncode == 1
    assert f"fail  Config     {config}, line 1: no option is called 'prot'" in run.stdout
    assert "ok    Python" in run.stdout


def test_a_taken_port_and_one_that_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = check("Port", port=port)
    assert found.state == WARN
    assert f"cannot listen on 127.0.0.1:{port}: the port is in use; port " in found.found

    monkeypatch.setenv("RAMA_CAPTURES", str(tmp_path))
    (tmp_path / "captures").mkdir()
    with Engine(tmp_path / "captures") as engine:
        found = check("Port", port=engine.port)
    assert found.state == OK
    assert f"rama (process {engine.pid}) records into {engine.store}" in found.found
    assert check("Port", port=engine.port).found == f"127.0.0.1:{engine.port} is free"


def test_the_authority(tmp_path: Path) -> None:
    confdir = tmp_path / "conf"
    Authority.load(confdir)
    good = check("Authority", confdir=str(confdir))
    assert (good.state, good.found.split(",")[0]) == (OK, str(confdir / "ca-cert.pem"))

    (confdir / "ca-key.pem").chmod(0o644)
    bad = check("Authority", confdir=str(confdir))
    assert bad.state == FAIL
    assert "is open to others (mode 0644); run: chmod 600" in bad.found
    assert bad.advice == "rama ca check"


def test_an_addon_that_does_not_load() -> None:
    found = check("Addons", addons=("fingerprint", "nonesuch"))

    assert found.state == FAIL
    assert "no addon is called 'nonesuch'" in found.found


def test_an_old_python_and_an_old_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    from rama_proxy.store import schema

    monkeypatch.setattr(checks, "PYTHON_FLOOR", (99, 0))
    assert check("Python").state == FAIL
    for version, state in (((3, 37, 2), FAIL), ((3, 51, 2), WARN), ((3, 51, 3), OK)):
        monkeypatch.setattr(schema, "SQLITE_VERSION", version)
        assert check("SQLite").state == state
    assert check("SQLite").advice == ""


def test_libraries_that_are_missing_or_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("Libraries").state == OK
    wanted = ["click>=99", "h2 >= 4.4.1", "no-such-library", 'datasette>=99; extra == "datasette"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: wanted)

    found = check("Libraries")

    assert found.state == FAIL
    click_version = importlib.metadata.version("click")
    assert found.found == f"click {click_version} is older than 99; no-such-library is missing"
    assert found.advice == "pip install --upgrade rama-tui"


def test_captures_that_cannot_be_written_or_have_little_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setenv("RAMA_CAPTURES", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 5 << 20))
    assert check("Captures").state == WARN
    assert "5 MiB free" in check("Captures").found
    assert not (tmp_path / "not").exists()

    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert check("Captures").state == FAIL


def test_a_low_limit_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 256))

    found = check("Files")

    assert (found.state, found.found) == (WARN, "256 open files: 28 clients")
    assert "ulimit -n" in found.advice


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A good terminal, to be made worse."""
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    for name in ("TMUX", "STY", "TERM_PROGRAM", "NO_COLOR", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "120", "LINES": "40"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("locale.getpreferredencoding", lambda setlocale: "UTF-8")
    return monkeypatch


def test_a_good_terminal(terminal: pytest.MonkeyPatch) -> None:
    found = check("Terminal")

    assert found == Check("Terminal", OK, "xterm-256color, 120x40, true colour, UTF-8")
    assert check("Clipboard").state == OK


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"TERM": "dumb"}, "set TERM to what your terminal is"),
        ({"COLUMNS": "60"}, "make the window at least 80x24"),
        ({"LINES": "10"}, "make the window at least 80x24"),
        ({"COLORTERM": "", "TERM": "xterm"}, "set COLORTERM=truecolor"),
    ],
)
def test_a_terminal_that_could_be_better(
    terminal: pytest.MonkeyPatch, settings: dict[str, str], advice: str
) -> None:
    for name, value in settings.items():
        terminal.setenv(name, value)

    found = check("Terminal")

    assert found.state == WARN
    assert found.advice.startswith(advice)


def test_a_terminal_without_utf_8(terminal: pytest.MonkeyPatch) -> None:
    terminal.setattr("locale.getpreferredencoding", lambda setlocale: "ISO-8859-1")
    assert "UTF-8 locale" in check("Terminal").advice


def test_the_clipboard_in_tmux_says_what_to_set(
    terminal: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "tmux"
    fake.write_text('#!/bin/sh\ncat "$(dirname $0)/answer"\n')
    fake.chmod(0o755)
    terminal.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    terminal.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    for answer, state in (("on", OK), ("external", WARN), ("", WARN)):
        (tmp_path / "answer").write_text(answer)
        found = check("Clipboard")
        assert found.state == state, answer
    assert found.advice == "tmux set -g set-clipboard on, and the same in ~/.tmux.conf"


@pytest.mark.parametrize(
    ("name", "value"), [("STY", "1.pts-0.host"), ("TERM_PROGRAM", "Apple_Terminal")]
)
def test_terminals_without_a_clipboard(terminal: pytest.MonkeyPatch, name: str, value: str) -> None:
    terminal.setenv(name, value)
    assert check("Clipboard").state == WARN


def test_http2_says_its_engine() -> None:
    found = check("HTTP/2")
    assert found.state == OK
    assert found.found.split()[0] in {"h2", "jh2"}
    assert check("HTTP/2", http2=False).state == WARN
