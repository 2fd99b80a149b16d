"""One engine for one store: a lock file beside it, held for as long as somebody writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from rama_proxy.errors import StoreError


class StoreLock:
    """The lock on the store at `path`, in the file `path`-lock, which holds the owner's pid.

    The kernel drops it when its owner dies; the file that then stays behind tells the next opener
    that the store was not closed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = lock_path(path)
        self.left_behind = False  # whether the previous owner died
        self._fd = -1

    def acquire(self, patience: float = 1.0) -> None:
        """Take the lock, waiting `patience` seconds for it. Raises StoreError if it is held."""
        give_up = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= give_up:
                pid = _read_pid(self.file)
                owner = f"process {pid}" if pid else "another process"
                raise StoreError(f"{self.path} is being written by {owner}")
            time.sleep(0.02)

    def _try(self) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(self.file, flags, 0o600)
        except OSError as error:
            raise StoreError(f"cannot lock {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous owner unlinks the file before it lets go: then this lock locks nothing.
            if os.fstat(fd).st_ino != os.stat(self.file).st_ino:
                raise FileNotFoundError
        except (BlockingIOError, FileNotFoundError):
            os.close(fd)
            return False
        self.left_behind = bool(os.pread(fd, 32, 0))
        os.truncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return True

    def release(self) -> None:
        """Let go, and remove the file: the store is as its owner wanted to leave it."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self.file.unlink()
            os.close(self._fd)
            self._fd = -1


def lock_path(path: Path) -> Path:
    """Where the lock of the store at `path` lives; links to one store share one lock."""
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + "-lock")


def writer_pid(path: Path) -> int:
    """The process that is writing the store at `path`, 0 if none is."""
    file = lock_path(path)
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(file)
    finally:
        os.close(fd)
    return 0


def was_left_behind(path: Path) -> bool:
    """Whether the process that last wrote the store at `path` died doing so."""
    return lock_path(path).exists() and not writer_pid(path)


def _read_pid(file: Path) -> int:
    try:
        return int(file.read_bytes() or b"0")
    except (OSError, ValueError):
        return 0
