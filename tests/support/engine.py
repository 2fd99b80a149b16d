"""The real command as a child process, and what it stored."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from rama_proxy.control.client import ask
from rama_proxy.model.flow import Flow
from rama_proxy.store.reader import Reader
from tests.support.peers import clean_env, wait_for

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-W", "default::ResourceWarning", "-m", "rama_proxy"]
FAULTS = ("Traceback", "ResourceWarning", "never retrieved", "never awaited")


class Engine:
    """`rama capture --attached` on a free port, ready when this returns.

    `arguments` are further options, `under` is a program that starts it. Its standard error is kept
    in `log`; a traceback or a resource left open in there fails `close`.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self.store = directory / "flows.db"
        self.confdir = directory / "config"
        self._log = (directory / "stderr.log").open("wb+")
        command = [*under, *COMMAND, "capture", "--attached", "--port", "0"]
        command += ["--write", str(self.store), "--confdir", str(self.confdir), *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_env(**env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self.ready = self._read_ready()
        self.port = int(self.ready["listen"][0].rpartition(":")[2])
        self.proxy = f"http://127.0.0.1:{self.port}"

    def _read_ready(self) -> dict[str, Any]:
        """What it says of itself first; fails if it could not start."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        ready: dict[str, Any] = json.loads(line or "{}")
        if not ready.get("ready"):
            log = self.log
            self.process.stdin.close()
            self.process.wait(15)
            self.process.stdout.close()
            self._log.close()
            pytest.fail(f"the engine does not start: {ready.get('error') or log}")
        return ready

    @property
    def pid(self) -> int:
        """The process that proxies."""
        return self.process.pid

    @property
    def ca(self) -> str:
        """The file of the authority's certificate, for curl's --cacert."""
        return str(self.ready["ca"])

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def flows(self, count: int = 1) -> list[Flow]:
        """The stored flows with their bodies in order, once `count` are over; fails with more."""
        query = "select count(*) from flows where state in ('done', 'error')"
        wait_for(lambda: self.query(query)[0][0] >= count, f"{count} finished flows in the store")
        flows = self.flows_where("true")
        assert len(flows) == count, [(flow.kind, flow.request.url) for flow in flows]
        return flows

    def flows_where(self, condition: str) -> list[Flow]:
        """The flows with their bodies whose rows meet an SQL condition, in order."""
        found = []
        with contextlib.closing(Reader(self.store)) as reader:
            for (number,) in self.query(f"select id from flows where {condition} order by id"):
                flow = reader.flow(number)
                assert flow is not None
                reader.load_bodies(flow)
                found.append(flow)
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the store, as any program would read them."""
        database = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)
        with contextlib.closing(database):
            return database.execute(sql).fetchall()

    def status(self) -> dict[str, Any]:
        """What it says of itself, asked over its socket."""
        return ask(self.ready["control"], self.ready["token"], "status")

    def memory(self, field: str = "VmHWM") -> int:
        """Bytes of resident memory at most so far, or another line of /proc/PID/status."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(f"{field}:")[2].split()[0]) * 1024

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 15) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def close(self) -> None:
        """Let it end as it does when its terminal is gone; fails if it ends badly."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            log = self.log
            self._log.close()
        assert not [fault for fault in FAULTS if fault in log], log
        assert self.process.returncode in (0, -signal.SIGKILL, 128 + signal.SIGTERM), log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
