"""`rama capture` as people and scripts run it: lines, limits, signals, messages, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from rama_proxy.control.client import ask
from rama_proxy.store.reader import Reader
from tests.support.engine import COMMAND, ROOT
from tests.support.peers import Nginx, clean_env, curl, free_port
from tests.support.shell import Shell, rama


class Held:
    """A server whose one answer comes when the test says so."""

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.connection: socket.socket | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        if self.connection is not None:
            self.connection.close()

    def request(self, shell: Shell) -> subprocess.Popen[bytes]:
        """A curl whose request has arrived here through the proxy of `shell`."""
        url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/held"
        client = subprocess.Popen(
            ["curl", "-q", "-sS", "-x", f"http://127.0.0.1:{shell.port}", url],
            env=clean_env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(10)
        assert self.connection.recv(4096).startswith(b"GET /held HTTP/1.1\r\n")
        return client

    def answer(self) -> None:
        """Send the answer."""
        assert self.connection is not None
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")


def get(shell: Shell, *urls: str) -> list[int]:
    """The statuses that curl gets for `urls` through the proxy."""
    proxy = f"http://127.0.0.1:{shell.port}"
    return [curl("-g", "-x", proxy, "-o", os.devnull, url).status for url in urls]


def stored(path: Path) -> list[str]:
    with Reader(path) as reader:
        return [f"{row.method} {row.path} {row.status}" for row in reader.iter_flows()]


def test_a_line_for_each_flow_and_a_summary(nginx: Nginx, tmp_path: Path) -> None:
    store = tmp_path / "flows.db"
    with Shell("capture", "-p", "0", "-w", store) as shell:
        assert get(shell, f"{nginx.http}/1k?a=%1b[31m", f"{nginx.http}/nothing") == [200, 404]
        lines = shell.prints(2)
        shell.signal(signal.SIGINT)
        assert shell.end() == 0

    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d GET     200      1 KiB +\d+ ms {re.escape(nginx.http)}/1k\?a=%1b\[31m",
        lines[0],
    )
    assert re.search(rf" GET     404 .* {re.escape(nginx.http)}/nothing$", lines[1])
    assert f"recording into {store}; clients have to trust /" in shell.errors[0]
    assert re.fullmatch(
        rf"rama: 2 flows, 0 errors, [\d.]+ KiB; recorded in {store}", shell.errors[-1]
    )
    assert stored(store) == ["GET /1k?a=%1b[31m 200", "GET /nothing 404"]
    assert stat.S_IMODE(store.stat().st_mode) == 0o600


def test_an_error_stands_behind_its_line(tmp_path: Path) -> None:
    port = free_port()
    with Shell("capture", "-p", "0", "-w", tmp_path / "s.db", "--count", "1") as shell:
        assert get(shell, f"http://127.0.0.1:{port}/") == [502]
        assert shell.end() == 0

    assert shell.output[0].endswith(
        f"http://127.0.0.1:{port}/ (cannot connect to 127.0.0.1:{port}: connection refused)"
    )


def test_json_lines_for_programs(nginx: Nginx, tmp_path: Path) -> None:
    with Shell("capture", "-p", "0", "-w", tmp_path / "s.db", "--json", "--count", "1") as shell:
        get(shell, f"{nginx.http}/data.json?q=a")
        assert shell.end() == 0

    flow = json.loads(shell.output[0])
    assert flow["id"] == 1
    assert (flow["method"], flow["status"], flow["state"]) == ("GET", 200, "done")
    assert flow["path"] == "/data.json?q=a"
    assert flow["url"] == f"{nginx.http}/data.json?q=a"
    assert flow["resp_size"] == len(nginx.file("data.json"))
    assert flow["resp_type"] == "application/json"
    assert 0 < flow["ttfb"] <= flow["total"] < 10
    assert flow["client"].startswith("127.0.0.1:")
    assert flow["error"] is None


def test_a_filter_selects_what_is_printed_and_counted_not_what_is_stored(
    nginx: Nginx, tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    options = ("-p", "0", "-w", store, "--count", "2")
    with Shell("capture", *options, "~u", "/1k") as shell:
        get(shell, f"{nginx.http}/0", f"{nginx.http}/1k?1", f"{nginx.http}/0", f"{nginx.http}/1k?2")
        assert shell.end() == 0

    assert [line.rpartition("/")[2] for line in shell.output] == ["1k?1", "1k?2"]
    assert shell.errors[-1].startswith("rama: 2 of 4 flows, ")
    assert len(stored(store)) == 4


def test_for_ends_by_itself(tmp_path: Path) -> None:
    with Shell("capture", "-p", "0", "-w", tmp_path / "s.db", "--for", "100ms") as shell:
        assert shell.end() == 0

    assert shell.errors[-1] == f"rama: 0 flows, 0 errors, 0 B; recorded in {tmp_path}/s.db"


@pytest.fixture
def held() -> Iterator[Held]:
    with Held() as server:
        yield server


def test_a_signal_lets_flows_end(held: Held, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    with Shell("capture", "-p", "0", "-w", store) as shell:
        client = held.request(shell)
        shell.signal(signal.SIGTERM)
        shell.says("waiting up to 10s for 1 flow; Ctrl-C again to stop now")
        held.answer()
        assert client.communicate(timeout=20)[0] == b"late"
        assert shell.end() == 0

    assert stored(store) == ["GET /held 200"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_second_signal_stops_at_once(
    held: Held, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    store = tmp_path / "s.db"
    with Shell("capture", "-p", "0", "-w", store) as shell:
        client = held.request(shell)
        shell.signal(number)
        shell.says("waiting")
        shell.signal(number)
        assert shell.end(seconds=5) == code
        client.communicate(timeout=20)

    with Reader(store) as reader:
        assert [row.error for row in reader.iter_flows()] == ["cut off as the proxy stopped"]
        assert reader.meta("ended_at")


def test_a_reader_that_leaves_ends_it_quietly(nginx: Nginx, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    reading, writing = os.pipe()
    with Shell("capture", "-p", "0", "-w", store, stdout=writing) as shell:
        os.close(writing)
        get(shell, f"{nginx.http}/1k")
        assert os.read(reading, 4096).endswith(b"/1k\n")
        os.close(reading)
        get(shell, f"{nginx.http}/0")
        assert shell.end() == 0

    assert len(shell.errors) == 2, shell.errors
    assert len(stored(store)) == 2


def test_a_reader_that_does_not_read_holds_nobody_up(nginx: Nginx, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    url = f"{nginx.http}/0?{'x' * 4000}"
    with Shell("capture", "-p", "0", "-w", tmp_path / "s.db", stdout=writing) as shell:
        os.close(writing)
        proxy = f"http://127.0.0.1:{shell.port}"
        answer = curl("-x", proxy, "-o", os.devnull, *[url] * 40)  # a pipe holds 64 KiB
        assert (answer.exit_code, answer.status) == (0, 200)
        shell.signal(signal.SIGINT)
        assert shell.end() == 0
    os.close(reading)

    assert shell.errors[-1].startswith("rama: 40 flows, ")


def test_without_standard_streams_it_records(nginx: Nginx, tmp_path: Path) -> None:
    command = [*COMMAND, "capture", "-p", "0", "-w", str(tmp_path / "s.db"), "--for", "50ms"]
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&-', "sh", *command],
        cwd=ROOT, env=clean_env(), stderr=subprocess.PIPE, text=True, timeout=30,
    )  # fmt: skip

    assert closed.returncode == 0
    assert "rama: 0 flows, 0 errors" in closed.stderr
    assert "Traceback" not in closed.stderr


def test_an_ipv6_address_is_named_in_brackets(tmp_path: Path) -> None:
    options = ("-p", "0", "--listen-host", "::1", "-w", tmp_path / "s.db", "--for", "10ms")

    assert "rama: listening on [::1]:" in rama("capture", *options).stderr


def test_a_taken_port_is_named_and_a_free_one_offered(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = rama("capture", "-p", str(port), "-w", tmp_path / "s.db")

    assert run.returncode == 1
    assert re.fullmatch(
        rf"rama: cannot listen on 127\.0\.0\.1:{port}: the port is in use; "
        r"port (\d+) is free: use --port \1\n",
        run.stderr,
    )
    assert not list(tmp_path.iterdir())


def test_a_start_that_fails_leaves_a_store_that_was_there_alone(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    rama("capture", "-p", "0", "-w", store, "--for", "1ms")
    before = store.stat().st_size

    assert rama("capture", "-p", "0", "-w", store, "-s", "/nowhere/a.py").returncode == 1

    assert store.stat().st_size == before


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["-w", "/nowhere/s.db"], 1, " /nowhere/s.db: No such file or directory\n"),
        (["-w", "/dev/null"], 1, "rama: /dev/null is not a file\n"),
        (["-s", "/nowhere/a.py"], 1, "rama: "),
        (["--addon", "nonesuch"], 1, "rama: no addon is called 'nonesuch'"),
        (["--mode", "sideways"], 2, "rama: "),
        (["--config", "/nowhere/c.toml"], 2, "rama: no config file at /nowhere/c.toml\n"),
        (["--resolve", "a"], 2, "rama: --resolve takes HOST:PORT:ADDRESS[:PORT], not 'a'\n"),
        (["--port", "http"], 2, "'-p' / '--port': expected a whole number from 0 to 65535, got"),
        (["--for", "soon"], 2, "'--for': expected a time such as 10s, 2m or 1h, got 'soon'"),
        (["--count", "0"], 2, "'--count'"),
        (["--prot", "1"], 2, "No such option '--prot'. (Did you mean one of:"),
        (["~u", "["], 2, "~u [\n"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, error: str
) -> None:
    run = rama("capture", "-p", "0", *(["-w", str(tmp_path / "s.db"), *arguments]))

    assert run.returncode == code, run.stderr
    assert error in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert not list(tmp_path.iterdir())


def test_the_store_is_new_and_private_when_none_is_named(tmp_path: Path) -> None:
    captures = tmp_path / "data" / "captures"
    for _ in range(2):
        run = rama("capture", "-p", "0", "--for", "10ms", RAMA_CAPTURES=str(tmp_path / "data"))
        assert run.returncode == 0, run.stderr

    stores = sorted(captures.glob("*.db"))
    assert len(stores) == 2
    assert stat.S_IMODE(captures.stat().st_mode) == 0o700
    assert {stat.S_IMODE(store.stat().st_mode) for store in stores} == {0o600}


def test_a_script_is_loaded_and_its_errors_are_told(nginx: Nginx, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def request(flow):\n    raise ValueError('\\x1b[31mno')\n")
    options = ("-p", "0", "-w", tmp_path / "s.db", "--count", "1", "-s", script)
    with Shell("capture", *options) as shell:
        get(shell, f"{nginx.http}/0")
        shell.process.wait(20)

    log = "\n".join(shell.errors)
    assert "rama: error: script.request: Traceback" in log
    assert "ValueError: \u241b[31mno" in log
    assert "\x1b" not in log


def test_messages_as_json(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    run = rama("capture", "-p", "0", "-w", store, "--for", "10ms", "--log-format", "json")

    first, last = (json.loads(line) for line in run.stderr.splitlines())
    assert (first["level"], first["source"], first["store"]) == ("info", "capture", str(store))
    assert first["listen"][0].startswith("127.0.0.1:")
    assert (last["flows"], last["errors"], last["bytes"]) == (0, 0, 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", last["time"])


def test_quiet_and_verbose(tmp_path: Path) -> None:
    options = ("capture", "-p", "0", "-w", tmp_path / "s.db", "--for", "10ms")

    assert rama(*options, "-q").stderr == ""
    timed = rama(*options, "-v").stderr.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} rama: ", line) for line in timed), timed


def test_colours_on_a_terminal_only(nginx: Nginx, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    options = ("capture", "-p", "0", "-w", tmp_path / "s.db", "--count", "1")
    with Shell(*options, stdout=theirs, TERM="xterm-256color", NO_COLOR="") as shell:
        os.close(theirs)
        get(shell, f"{nginx.http}/nothing")
        assert b"\x1b[33m404\x1b[0m" in os.read(ours, 4096)
        assert shell.end() == 0
    os.close(ours)


# --- the child of a terminal interface


def attached(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "capture", "--attached", "-w", str(directory / "s.db"), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, env=clean_env(), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def test_an_attached_engine_says_where_it_is_and_ends_with_its_input(tmp_path: Path) -> None:
    with attached(tmp_path, "-p", "0") as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        status = ask(ready["control"], ready["token"], "status")
        rest, errors = child.communicate(timeout=20)  # closes its standard input

    assert ready["ready"] is True
    assert ready["store"] == str(tmp_path / "s.db")
    assert status["listen"] == ready["listen"]
    assert status["pid"] == child.pid
    assert (child.returncode, rest, errors) == (0, "", "")
    assert not Path(ready["control"]).exists()


def test_an_attached_engine_says_why_it_cannot_start(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        attached(tmp_path, "-p", str(taken.getsockname()[1])) as child,
    ):
        output, errors = child.communicate(timeout=20)

    answer = json.loads(output)
    assert answer["ready"] is False
    assert "the port is in use" in answer["error"]
    assert answer["exit_code"] == child.returncode == 1
    assert str(answer["free_port"]) in answer["error"]
    assert errors == ""


def test_a_shutdown_by_control_ends_it(tmp_path: Path) -> None:
    with attached(tmp_path, "-p", "0") as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert ask(ready["control"], ready["token"], "shutdown") == {}
        assert child.wait(20) == 0
