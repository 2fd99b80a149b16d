"""Lines for flows and messages: complete, aligned, and nothing in them steers a terminal."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator

import click
import pytest

from rama_proxy.cli import console as console_module
from rama_proxy.cli.console import Console, flow_json, flow_line, wants_colour
from rama_proxy.cli.logs import log_options, on_log, say, start_logging
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request, Response

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\x7f"


def flow(url: str = "http://a.test/x", status: int = 200, body: bytes = b"12345") -> Flow:
    made = Flow(ConnectionInfo("client", peer=("127.0.0.1", 5)), Request.make("GET", url))
    made.timing.started = 1_790_000_000.0
    made.timing.begin = 100.0
    made.timing.response_begin = 100.25
    made.timing.end = 101.5
    made.response = Response.make(status, body, {"Content-Type": "text/plain; charset=utf-8"})
    return made


def controls(text: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable()}


def test_a_line() -> None:
    line = flow_line(flow(), colour=False)

    assert re.fullmatch(r"\d\d:\d\d:\d\d GET     200        5 B   1500 ms http://a\.test/x", line)


def test_lines_of_what_did_not_end_well() -> None:
    failed = flow()
    failed.response = None
    failed.timing.end = None
    failed.error = "no \x1b[31mroute"
    failed.kind = "tls"

    assert flow_line(failed, colour=False)[8:] == (
        f" TLS     --- {'':10} {'':9} http://a.test/x (no \u241b[31mroute)"
    )
    tunnel = flow(status=0)
    tunnel.kind = "tcp"
    assert " TCP     --- " in flow_line(tunnel, colour=False)


@pytest.mark.parametrize(
    ("status", "code"), [(101, 36), (204, 32), (304, 36), (404, 33), (500, 31), (0, 31)]
)
def test_colours_by_class(status: int, code: int) -> None:
    shown = str(status) if status else "---"

    assert f"\x1b[{code}m{shown}\x1b[0m" in flow_line(flow(status=status), colour=True)


def test_nothing_captured_reaches_the_terminal() -> None:
    hostile = flow()
    hostile.request.method = HOSTILE
    hostile.request.target = HOSTILE.encode()
    hostile.request.headers.set("Host", HOSTILE)
    hostile.error = HOSTILE

    assert controls(flow_line(hostile, colour=False)) == set()
    line = flow_json(hostile)
    assert controls(line) == set()
    assert json.loads(line)["error"] == HOSTILE
    assert json.loads(line)["method"] == HOSTILE


def test_json_of_a_flow() -> None:
    assert json.loads(flow_json(flow())) | {"id": 0} == {
        "id": 0, "kind": "http", "state": "active", "started": 1_790_000_000.0, "method": "GET",
        "url": "http://a.test/x", "scheme": "http", "host": "a.test", "port": 80, "path": "/x",
        "version": "HTTP/1.1", "status": 200, "grpc_status": None, "resp_type": "text/plain",
        "req_size": 0, "resp_size": 5, "ttfb": 0.25, "total": 1.5, "client": "127.0.0.1:5",
        "error": None,
    }  # fmt: skip


def test_colour_is_wanted_on_a_terminal_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour()


class Pipe:
    """A pipe to write to, whose reading end the test has."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.stream = os.fdopen(self.writing, "w", encoding="ascii")


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.stream.close()
    os.close(pipe.reading)


def test_the_console_writes_in_order_and_in_any_encoding(pipe: Pipe) -> None:
    console = Console(pipe.stream, lambda error: None)
    for number in range(100):
        console.put(f"{number} ä")
    console.close()

    assert os.read(pipe.reading, 65536).decode("ascii").splitlines() == [
        f"{number} \\xe4" for number in range(100)
    ]


def test_a_full_pipe_costs_lines_and_not_time(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "MAX_WAITING", 10)
    console = Console(pipe.stream, lambda error: None)
    for _ in range(100):
        console.put("x" * 65536)
    assert 80 <= console.left_out < 100
    console.close(timeout=0.01)  # gives up

    left = (100 - console.left_out) * 65537
    while left:  # what was taken is written once somebody reads
        left -= len(os.read(pipe.reading, 1 << 20))


def test_a_broken_pipe_is_told_once() -> None:
    pipe = Pipe()
    os.close(pipe.reading)
    told: list[OSError | None] = []
    console = Console(pipe.stream, told.append)
    console.put("a")
    console._thread.join(5)
    console.put("b")
    console.close()

    assert told == [None]
    pipe.stream.close()


# --- messages


@pytest.fixture
def root_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    names = ("rama", "rama.capture")
    levels = [logging.getLogger(name).level for name in names]
    yield
    root.handlers, root.level = before
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)


def messages(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What is said under these flags."""

    @click.command()
    @log_options
    @click.pass_context
    def command(ctx: click.Context, /, **params: object) -> None:
        start_logging(ctx)
        say("listening", port=1)
        on_log("debug", "engine", "small")
        on_log("info", "scripts", "loaded")
        on_log("warning", "engine", "slow \x1b[31m")
        on_log("error", "script.request", "Traceback\n  line\u202e")
        logging.getLogger("asyncio").info("chatter")

    command.main(list(arguments), standalone_mode=False)
    return capsys.readouterr().err.splitlines()


@pytest.mark.usefixtures("root_logging")
def test_messages_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    expected = [
        "rama: listening",
        "rama: warning: engine: slow \u241b[31m",
        "rama: error: script.request: Traceback",
        "  line\u2039202E\u203a",
    ]
    assert messages(capsys) == expected
    assert messages(capsys, "-q") == expected[2:]
    verbose = messages(capsys, "-v")
    assert [line[13:] for line in verbose[:2]] == ["rama: listening", "rama: scripts: loaded"]
    assert len(messages(capsys, "-vv")) == 6


@pytest.mark.usefixtures("root_logging")
def test_messages_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    lines = messages(capsys, "--log-format", "json")
    entries = [json.loads(line) for line in lines]

    assert [entry["level"] for entry in entries] == ["info", "warning", "error"]
    assert entries[0]["port"] == 1
    assert entries[2]["source"] == "script.request"
    assert entries[2]["message"] == "Traceback\n  line\u202e"
    assert controls("".join(lines)) == set()
