"""A program on a pseudo-terminal that keeps every byte the program sends, and when frames end.

It answers the question for synchronized output, so that Textual brackets each frame with escape
sequences; what a real terminal shows is the business of `terminal.py`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.peers import clean_env

FRAME_END = b"\x1b[?2026l"
QUESTION, ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"


class Pty:
    """`command` on a terminal of `columns` by `lines`."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 140, lines: int = 45, **variables: str
    ) -> None:
        self.output = bytearray()  # all that was sent so far
        self.frames: list[float] = []  # when each frame ended, by time.perf_counter
        self._changed = threading.Condition()
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            environment = clean_env(
                TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8", **variables
            )
            os.execvpe(command[0], list(command), environment)
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        answered = False
        while True:
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # EIO: the program has ended
                break
            if not data:
                break
            now = time.perf_counter()
            with self._changed:
                seen = len(self.output) - len(FRAME_END) + 1
                self.output += data
                ends = self.output.count(FRAME_END, max(0, seen))
                self.frames.extend([now] * ends)
                self._changed.notify_all()
            if not answered and QUESTION in self.output:
                answered = True
                os.write(self._terminal, ANSWER)

    def send(self, keys: bytes) -> None:
        """Type `keys`."""
        os.write(self._terminal, keys)

    def wait_for(self, text: bytes, *, since: int = 0, seconds: float = 15) -> float:
        """When `text` was among the output after its first `since` bytes. Fails if it never is."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.output[since:], seconds)
        assert found, f"{text!r} is not in the last output {bytes(self.output[-3000:])!r}"
        return time.perf_counter()

    def frame_after(self, keys: bytes, seconds: float = 15) -> float:
        """Seconds from typing `keys` to the end of the next frame."""
        with self._changed:
            count = len(self.frames)
        begin = time.perf_counter()
        self.send(keys)
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.frames) > count, seconds), "no frame"
            return self.frames[count] - begin

    def settle(self, quiet: float = 0.3, seconds: float = 20) -> None:
        """Wait until nothing was sent for `quiet` seconds."""
        end = time.perf_counter() + seconds
        with self._changed:
            while self._changed.wait(quiet) and time.perf_counter() < end:
                pass

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(self.pid, number)

    def exit_code(self, seconds: float = 15) -> int:
        """The program's exit code, negative for a signal; waits for its end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                self._reader.join(5)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError("the program did not end")

    def hang_up(self) -> None:
        """Close the terminal, as a window that is closed."""
        os.close(self._terminal)
        self._terminal = -1

    def rss(self) -> int:
        """The program's memory in bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """Kill the program if it still runs."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._terminal >= 0:
            os.close(self._terminal)
        self._reader.join(5)
