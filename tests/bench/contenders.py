"""The two proxies that are compared: how each is started, read off, and asked what it stored."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from tests.support.peers import clean_env, free_port, listens, wait_for

ROOT = Path(__file__).parent.parent.parent
BENCH_VENV = ROOT / "build/bench-venv"
MITMPROXY = "12.2.3"  # needs Python 3.12
TICK = 1 / os.sysconf("SC_CLK_TCK")


class Contender(Protocol):
    """A proxy under load."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def stored(self) -> int:
        """How many exchanges it has written to disk."""


class Rama:
    """Our engine with default addons, recording into SQLite."""

    name = "rama"

    def __init__(self, directory: Path, mode: str) -> None:
        self._store = directory / "rama.db"
        command = [sys.executable, "-m", "rama_proxy", "capture", "--attached", "--port", "0"]
        command += ["--write", str(self._store), "--confdir", str(directory / "rama")]
        command += ["--mode", mode, "--ssl-insecure"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=clean_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        if not ready["ready"]:
            raise SystemExit(f"rama does not start: {ready['error']}")
        self.port = int(ready["listen"][0].rpartition(":")[2])

    def stored(self) -> int:
        """The finished rows of its store."""
        database = sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)
        try:
            query = "select count(*) from flows where state = 'done'"
            return int(database.execute(query).fetchone()[0])
        finally:
            database.close()


class Mitmdump:
    """mitmdump, quiet, writing its flow file."""

    name = "mitmdump"

    def __init__(self, directory: Path, mode: str) -> None:
        self._program = find_mitmdump()
        self._file = directory / "flows"
        self.port = free_port()
        command = [str(self._program), "--quiet", "--listen-host", "127.0.0.1"]
        command += ["--listen-port", str(self.port), "--mode", mode, "--ssl-insecure"]
        command += ["--save-stream-file", str(self._file)]
        command += ["--set", f"confdir={directory / 'mitm'}"]
        self.process = subprocess.Popen(command, env=clean_env(), stdin=subprocess.DEVNULL)
        wait_for(lambda: listens(self.port), "mitmdump to listen", 60)

    def stored(self) -> int:
        """The flows in its file, read with its own reader."""
        code = (
            "import sys\nfrom mitmproxy.io import FlowReader\n"
            "print(sum(f.response is not None"
            " for f in FlowReader(open(sys.argv[1], 'rb')).stream()))"
        )
        python = self._program.with_name("python")
        run = subprocess.run([python, "-c", code, self._file], capture_output=True, check=True)
        return int(run.stdout)

    @classmethod
    def version(cls) -> str:
        """The version that runs."""
        run = subprocess.run(
            [find_mitmdump(), "--version"], capture_output=True, text=True, check=True
        )
        return run.stdout.splitlines()[0].removeprefix("Mitmproxy: ")


def stop(contender: Contender) -> None:
    """End the process as a person would."""
    if contender.process.stdin is not None:
        contender.process.stdin.close()
    contender.process.terminate()
    contender.process.wait(60)
    if contender.process.stdout is not None:
        contender.process.stdout.close()


def cpu_seconds(pid: int) -> float:
    """User and system time that all threads of a process have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def settle(pid: int, quiet: float = 0.3) -> None:
    """Wait until a process has used no CPU for `quiet` seconds: what it had queued is written."""
    last, since = cpu_seconds(pid), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.05)
        if (now := cpu_seconds(pid)) - last > TICK:
            last, since = now, time.monotonic()


def find_mitmdump() -> Path:
    """The mitmdump that MITMDUMP names, else one installed for the bench, which is made once."""
    if named := os.environ.get("MITMDUMP"):
        return Path(named)
    program = BENCH_VENV / "bin/mitmdump"
    if not program.exists():
        _install_mitmproxy()
    return program


def _install_mitmproxy() -> None:
    names = ("python3.14", "python3.13", "python3.12")
    newer = next((name for name in names if _runs(name)), None)
    package = f"mitmproxy=={MITMPROXY}" if newer else "mitmproxy"
    python = newer or sys.executable
    print(f"installing {package} for {python} into {BENCH_VENV.relative_to(ROOT)}", file=sys.stderr)
    shutil.rmtree(BENCH_VENV, ignore_errors=True)
    subprocess.run([python, "-m", "venv", BENCH_VENV], check=True)
    pip = [str(BENCH_VENV / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, package], check=True)


def _runs(name: str) -> bool:
    """Whether a Python is there and not only a shim for one."""
    return shutil.which(name) is not None and (
        subprocess.run([name, "-c", "import ensurepip"], capture_output=True).returncode == 0
    )
