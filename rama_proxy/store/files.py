"""Store files: where they are, in what state, and what to say when one cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path

from rama_proxy.config import captures_dir
from rama_proxy.errors import StoreError

SUFFIX = ".db"
_MAGIC = b"SQLite format 3\0"


def new_store_path(directory: Path | None = None) -> Path:
    """A name for a new store in the captures directory, which is made if it is missing."""
    directory = directory or captures_dir()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make directory {directory}: {error.strerror}") from error
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    path, number = directory / f"{name}{SUFFIX}", 1
    while path.exists():
        number += 1
        path = directory / f"{name}_{number}{SUFFIX}"
    return path


def newest_store(directory: Path | None = None) -> Path:
    """The store last written in the captures directory. Raises StoreError if there is none."""
    directory = directory or captures_dir()
    found = [(_last_write(path), path) for path in directory.glob(f"*{SUFFIX}") if path.is_file()]
    if not found:
        raise StoreError(f"no capture in {directory} yet: start one, or name a file")
    return max(found)[1]


def _last_write(path: Path) -> float:
    wal = path.with_name(path.name + "-wal")
    return max(file.stat().st_mtime for file in (path, wal) if file.exists())


def check_file(path: Path) -> None:
    """Raise StoreError if `path` is there but cannot be a store; reads its first bytes only."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{path} is not a file")
        if status.st_size == 0:
            raise StoreError(f"{path} is empty, not a capture: delete it or name another file")
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}") from error
    if magic != _MAGIC:
        raise StoreError(f"{path} is not a SQLite file")


def create_file(path: Path) -> None:
    """Make an empty file that only its owner can read. Raises StoreError, also if it exists."""
    if path.is_symlink():
        raise StoreError(f"{path} is a link to a file that does not exist")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}") from error


_REASONS = {
    "SQLITE_NOTADB": "is not a SQLite file, or it is encrypted",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_BUSY": "is locked by another program",
    "SQLITE_LOCKED": "is locked by another program",
    "SQLITE_READONLY": "cannot be written",
    "SQLITE_CANTOPEN": "cannot be opened",
    "SQLITE_PERM": "cannot be opened",
    "SQLITE_FULL": "cannot grow: the disk is full",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error",
}


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """What `error` means, in a sentence about `path`."""
    name = getattr(error, "sqlite_errorname", None) or ""
    reason = _REASONS.get("_".join(name.split("_")[:2]))
    return StoreError(f"{path} {reason} ({error})" if reason else f"{path}: {error}")
