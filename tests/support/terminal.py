"""A real terminal for tests: a program in tmux, its screen as text, keys as a person presses."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.support.peers import clean_env, program, wait_for

CONF = "set -g remain-on-exit on\nset -g default-terminal tmux-256color\nset -s escape-time 0\n"


class Terminal:
    """`command` in a terminal of its own; its screen stays after it ended."""

    def __init__(
        self, directory: Path, command: Sequence[str], *, columns: int = 140, lines: int = 45
    ) -> None:
        self._directory = Path(tempfile.mkdtemp(dir=directory))
        self._socket = self._directory / "tmux"
        conf = self._directory / "tmux.conf"
        conf.write_text(CONF)
        # tmux 3.3 may miss a child's end and then does not know its exit code
        line = f"{shlex.join(command)}; echo $? >{shlex.quote(str(self._code))}"
        size = ("-x", str(columns), "-y", str(lines))
        self._tmux("-f", str(conf), "new-session", "-d", *size, line)

    @property
    def _code(self) -> Path:
        return self._directory / "exit-code"

    def _tmux(self, *arguments: str) -> str:
        run = subprocess.run(
            [program("tmux"), "-u", "-S", str(self._socket), *arguments],
            env=clean_env(LANG="C.UTF-8", TERM="xterm-256color"),
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-l", text)

    def shows(self, *texts: str, seconds: float = 10) -> str:
        """The screen, once it has all of `texts`."""
        seen = ""

        def found() -> bool:
            nonlocal seen
            seen = self.screen()
            return all(text in seen for text in texts)

        try:
            wait_for(found, f"{texts} on the screen", seconds)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error.msg}, which shows:\n{seen}", pytrace=False)
        return seen

    def exit_code(self) -> int | None:
        """The exit code of the program, None while it runs."""
        text = self._code.read_text() if self._code.exists() else ""
        return int(text) if text else None

    def close(self) -> None:
        """End all of it; may be called twice."""
        if self._socket.exists():
            self._tmux("kill-server")
            self._socket.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
