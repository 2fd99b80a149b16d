"""The engine as a child process: started with flags, ended by closing its input.

Its output is read to the end, whatever a script prints, so that a full pipe never stops the engine;
the last lines are kept to say why it died. Knows nothing of the screen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rama_proxy.errors import StartError

START_TIMEOUT = 30.0  # seconds; a first run makes a certificate authority, a cold disk is slow
PATIENCE = 0.7  # seconds until a person wonders why nothing happens
DRAIN_TIMEOUT = 4.0  # seconds in which exchanges under way may end after the person has quit
STOP_TIMEOUT = 2.0  # seconds between the signals after that
KEPT_LINES = 20


def engine_command(argv: Sequence[str]) -> list[str]:
    """The command that runs the engine with the flags `argv`."""
    return [sys.executable, "-m", "rama_proxy", "capture", "--attached", *argv]


@dataclass(slots=True, frozen=True)
class Ready:
    """What the engine says once it accepts connections."""

    listen: tuple[str, ...]
    store: Path
    control: str  # path and token of its control socket
    token: str
    ca: str  # the certificate that clients have to trust


class ChildEngine:
    """An engine that was started here and ends with us."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start `command`. In a session of its own, so that ctrl+c and ctrl+z are ours alone."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.ready: Ready | None = None  # what `wait_ready` gave
        self._answered = threading.Event()
        self._answer: dict[str, object] = {}
        self._errors: deque[str] = deque(maxlen=KEPT_LINES)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_output, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The engine's process id."""
        return self._process.pid

    def wait_ready(self, timeout: float = START_TIMEOUT) -> Ready:
        """What the engine says when it is ready.

        Raises StartError with the engine's own sentence and exit code when it cannot start; the
        process is gone then.
        """
        answered = self._answered.wait(timeout)
        if self._answer.get("ready") is True:
            self.ready = _ready(self._answer)
            return self.ready
        self.stop()
        if not answered:
            raise StartError(f"the engine was not ready after {timeout:g} s")
        raise self._start_error()

    def _start_error(self) -> StartError:
        message = str(self._answer.get("error") or f"the engine did not start: {self.last_words()}")
        error = StartError(message)
        code = self._answer.get("exit_code", self._process.returncode)
        error.exit_code = code if isinstance(code, int) and code > 0 else 1
        return error

    def last_words(self) -> str:
        """Why the engine ended: its last line of error output, or its exit status."""
        if not self._ended(STOP_TIMEOUT):
            return "it runs, but does not answer"
        said = next((line for line in reversed(self._errors) if line.strip()), "")
        code = self._process.returncode
        status = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{said.strip()} ({status})" if said else status

    def stop(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """End the engine: close its input and wait, then ask by signal, then kill it.

        `on_wait` is called if it takes longer than a person expects.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._ended(PATIENCE):
            return
        on_wait()
        if not self._ended(DRAIN_TIMEOUT):
            # A second SIGTERM lets the engine stop at once.
            for ask in (self._process.terminate, self._process.terminate, self._process.kill):
                ask()
                if self._ended(STOP_TIMEOUT):
                    break

    def _ended(self, timeout: float) -> bool:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        for reader in self._readers:
            reader.join(STOP_TIMEOUT)
        return True

    def _read_output(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                if not self._answered.is_set() and (answer := _answer_in(line)):
                    self._answer = answer
                    self._answered.set()
        self._answered.set()

    def _read_errors(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._errors.append(line.decode("utf-8", "replace"))


def _ready(answer: dict[str, object]) -> Ready:
    listen = answer.get("listen")
    return Ready(
        tuple(str(item) for item in listen) if isinstance(listen, list) else (),
        Path(str(answer.get("store", ""))),
        str(answer.get("control", "")),
        str(answer.get("token", "")),
        str(answer.get("ca", "")),
    )


def _answer_in(line: bytes) -> dict[str, object] | None:
    """The engine's answer if `line` is it; a script may print lines of its own before."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "ready" in answer else None
