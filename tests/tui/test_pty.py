"""The real program on a real pseudo-terminal: what reaches the terminal, and how fast."""

from __future__ import annotations

import base64
import os
import re
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.store.reader import Reader
from tests.support.engine import COMMAND
from tests.support.flows import make_store
from tests.support.peers import free_port, listens, wait_for
from tests.support.pty import Pty
from tests.support.tui import live_store, put

RESTORED = b"\x1b[?1049l"  # the terminal's own screen is back
EVIL = "\x1b]52;c;RVZJTA==\x07\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u2066[/nope]"
EVIL_BYTES = EVIL.encode()


def hostile_flow() -> Flow:
    """A flow with control sequences wherever a peer can put some."""
    client = ConnectionInfo("client", peer=(EVIL, 1), started=1.79e9, opened=1.0)
    client.tls = TlsInfo(version=EVIL, cipher=EVIL, alpn=EVIL, sni=EVIL, verify_error=EVIL)
    client.annotations = {"ja4": EVIL}
    request = Request(EVIL, b"/" + EVIL_BYTES, EVIL, Headers([(EVIL, EVIL), ("Host", EVIL)]))
    request.scheme, request.host, request.port, request.authority = "https", EVIL, 443, EVIL
    request.body.replace(EVIL_BYTES * 3)
    flow = Flow(client, request)
    fields = Headers([("Content-Type", "text/" + EVIL), ("X-Evil", EVIL), (EVIL, EVIL)])
    flow.response = Response(200, EVIL, EVIL, fields)
    flow.response.body.replace(b'{"a": "' + EVIL_BYTES + b'"}')
    flow.server = ConnectionInfo("server", address=(EVIL, 443), started=1.79e9, opened=1.0)
    flow.server.error = EVIL
    flow.error, flow.comment, flow.notes, flow.state = EVIL, EVIL, [EVIL], "error"
    flow.timing.end = flow.timing.begin + 0.1
    return flow


def test_no_captured_byte_steers_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "evil.db"
    with live_store(path) as writer:
        put(writer, [hostile_flow()])
    with Pty([*COMMAND, str(path)], columns=160, lines=50) as terminal:
        terminal.wait_for("␛]52;c;RVZJTA==␇".encode())
        for keys in (b"\r", b"\r", b"]", b"]", b"]", b"v", b"v", b"\x1b", b"y", b"c", b"?"):
            terminal.send(keys)
            terminal.settle(0.4)
        copies = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", terminal.output)
        terminal.send(b"\x11")
        assert terminal.exit_code() == 0
    # What we copy ourselves is base64 of text that was made harmless; nothing else is an OSC.
    assert copies
    assert b"RVZJTA==" not in copies
    assert not [data for data in copies if b"\x1b" in base64.b64decode(data)]
    ours = rb"\x1b\](52;c;[A-Za-z0-9+/=]*|22;[a-z-]*)\x07"  # 22 is the shape of the pointer
    output = re.sub(ours, b"", terminal.output)
    assert b"\x1b]" not in output
    assert b"\x07" not in output
    assert b"\x1b[2J" not in output
    assert b"\xc2\x9b" not in output
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x80-\x9f]", output.decode())
    assert output.count(b"[/nope]") > 3


@contextmanager
def started(
    tmp_path: Path, waiting: bytes = b"Waiting for traffic on"
) -> Iterator[tuple[Pty, int]]:
    """`rama` with a proxy of its own, and that one's process id."""
    store, port = tmp_path / "flows.db", free_port()
    command = [*COMMAND, "-p", str(port), "-w", str(store)]
    with Pty(command, columns=100, lines=30) as terminal:
        terminal.wait_for(waiting)
        with Reader(store) as reader:
            found = wait_for(lambda: reader.meta("engine_pid"), "the engine's process id")
            assert found is not None
            pid = int(found)
        assert listens(port)
        yield terminal, pid
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the engine to end")
    assert not listens(port)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_restores_the_terminal_and_ends_the_proxy(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with started(tmp_path) as (terminal, _):
        terminal.signal(number)
        assert terminal.exit_code() == code
        assert terminal.output.rindex(RESTORED) > terminal.output.rindex(b"\x1b[?1049h")
        assert b"\x1b[?25h" in terminal.output[terminal.output.rindex(RESTORED) - 200 :]
        assert b"Traceback" not in terminal.output


def test_a_closed_window_ends_the_proxy(tmp_path: Path) -> None:
    with started(tmp_path) as (terminal, _):
        terminal.hang_up()
        terminal.exit_code()


def test_a_killed_interface_ends_the_proxy(tmp_path: Path) -> None:
    with started(tmp_path) as (terminal, _):
        terminal.signal(signal.SIGKILL)
        assert terminal.exit_code() == -signal.SIGKILL


def test_a_killed_proxy_is_told_and_the_list_stays(tmp_path: Path) -> None:
    with started(tmp_path) as (terminal, pid):
        os.kill(pid, signal.SIGKILL)
        terminal.wait_for(b"engine stopped")
        terminal.wait_for(b"signal 9")
        terminal.send(b"q")
        assert terminal.exit_code() == 0


def test_a_proxy_that_cannot_start_leaves_the_screen_alone(tmp_path: Path) -> None:
    command = [*COMMAND, "-p", "0", "-w", str(tmp_path / "none" / "\x1b[2J" / "x.db")]
    (tmp_path / "none").write_text("a file where a directory should be")
    with Pty(command) as terminal:
        assert terminal.exit_code() in {1, 2}
        assert b"\x1b" not in terminal.output
        assert b"Traceback" not in terminal.output
        assert terminal.output.strip().startswith(b"rama: ")
        assert len(terminal.output.strip().splitlines()) == 1


def test_quitting_says_where_the_flows_are(tmp_path: Path) -> None:
    make_store(tmp_path / "flows.db", 12)
    with started(tmp_path, waiting=b"12 flows") as (terminal, _):
        terminal.send(b"q")
        assert terminal.exit_code() == 0
        said = terminal.output[terminal.output.rindex(RESTORED) :]
        assert f"12 flows are in {tmp_path / 'flows.db'}\r\n".encode() in said


def test_keys_in_one_packet_do_what_they_say(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.db", 300)
    with Pty([*COMMAND, str(path)]) as terminal:
        terminal.wait_for(b"300 flows")
        terminal.send(b"/~c 404\r")
        terminal.wait_for(b"FILTER ~c 404")
        terminal.settle()
        terminal.send(b"q")
        assert terminal.exit_code() == 0


def test_a_large_store_is_quick(tmp_path: Path) -> None:
    """Loose bounds: the machine may be busy."""
    path = make_store(tmp_path / "large.db", 20_000)
    with Pty([*COMMAND, str(path)], columns=160, lines=48) as terminal:
        assert terminal.wait_for(b"/v2/") - terminal.started < 6
        terminal.settle()
        taken = []
        for number in range(40):
            taken.append(terminal.frame_after(b"j" if number < 30 else b"\x1b[6~"))
            time.sleep(0.03)  # what a fast typist leaves between keys
        assert statistics.quantiles(taken, n=20)[-1] < 0.15, taken
        terminal.send(b"G")
        terminal.wait_for(b"m20000 ")
        terminal.settle()
        assert terminal.rss() < 150e6
        before = len(terminal.frames)
        time.sleep(1)
        assert len(terminal.frames) - before <= 1  # idle is idle
        terminal.send(b"q")
        assert terminal.exit_code() == 0
