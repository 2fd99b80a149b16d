"""The `rama` command as a person or a script runs it: its output, its errors, its exit code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Self

from tests.support.engine import COMMAND, FAULTS, ROOT
from tests.support.peers import clean_env, wait_for


def rama(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`rama` with `arguments`, run to its end without a terminal."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=clean_env(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


class Shell:
    """`rama` with `arguments`, running. `port` is where it listens, once it says so."""

    def __init__(self, *arguments: str | Path, stdout: int = subprocess.PIPE, **env: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=ROOT,
            env=clean_env(**env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        assert self.process.stderr is not None
        self._readers = [self._read(self.process.stderr, self.errors)]
        if self.process.stdout is not None:
            self._readers.append(self._read(self.process.stdout, self.output))

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> threading.Thread:
        def read() -> None:
            with stream:
                lines.extend(map(str.rstrip, stream))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    @property
    def port(self) -> int:
        """The port that its first words name."""
        line = self.says("listening on ")
        found = re.search(r"listening on \S+:(\d+)", line)
        assert found is not None, line
        return int(found[1])

    def says(self, text: str) -> str:
        """The line of standard error with `text`, once it is there."""
        return wait_for(lambda: next((line for line in self.errors if text in line), ""), text)

    def prints(self, count: int) -> list[str]:
        """The lines of standard output, once there are `count`."""
        wait_for(lambda: len(self.output) >= count, f"{count} lines of output")
        return self.output

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)

    def end(self, seconds: float = 20) -> int:
        """Its exit code, once it has ended; fails if it left a traceback behind."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        log = "\n".join(self.errors)
        assert not [fault for fault in FAULTS if fault in log], log
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(5)
