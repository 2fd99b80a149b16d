"""What `rama doctor` looks at: one function for each thing, each answer says what to do."""

from __future__ import annotations

import asyncio
import importlib.metadata
import locale
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from rama_proxy import __version__
from rama_proxy.cli.console import is_terminal
from rama_proxy.config import Options, captures_dir, config_dir
from rama_proxy.errors import AddonError, CaError, StartError, StoreError
from rama_proxy.units import format_size

OK, WARN, FAIL = "ok", "warn", "fail"
PACKAGE = "rama-tui"
PYTHON_FLOOR = (3, 11)
WAL_FIXED = (3, 51, 3)  # before it, two connections that checkpoint may damage a WAL
FEW_CONNECTIONS = 400
LITTLE_SPACE = 1024**3
SMALL = (80, 24)


class Check(NamedTuple):
    """What was found of one thing; `advice` says what to do, "" for nothing."""

    name: str
    state: str
    found: str
    advice: str = ""


def run_checks(options: Options) -> list[Check]:
    """Every check, in the order in which they are shown."""
    return [check(options) for check in CHECKS]


def _python(options: Options) -> Check:
    found = f"{platform.python_version()} at {sys.executable}; rama {__version__}"
    if sys.version_info[:2] < PYTHON_FLOOR:
        return Check("Python", FAIL, found, "install Python 3.11 or newer")
    return Check("Python", OK, found)


def _dependencies(options: Options) -> Check:
    name = "Libraries"
    try:
        wanted = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return Check(name, WARN, f"{PACKAGE} is not installed", "pip install -e .")
    problems = [problem for line in wanted if (problem := _requirement_problem(line))]
    if problems:
        return Check(name, FAIL, "; ".join(problems), f"pip install --upgrade {PACKAGE}")
    return Check(name, OK, f"{sum('extra ==' not in line for line in wanted)} as required")


def _requirement_problem(line: str) -> str:
    """What is wrong with requirement `line` of the package, "" if nothing is."""
    match = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?", line)
    if match is None or "extra ==" in line:
        return ""
    name, least = match[1], match[2] or "0"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is missing"
    return f"{name} {version} is older than {least}" if _key(version) < _key(least) else ""


def _key(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def _sqlite(options: Options) -> Check:
    from rama_proxy.store.schema import SQLITE_FLOOR, SQLITE_VERSION

    found = ".".join(map(str, SQLITE_VERSION))
    if SQLITE_VERSION < SQLITE_FLOOR:
        least = ".".join(map(str, SQLITE_FLOOR[:2]))
        return Check("SQLite", FAIL, found, f"use a Python with SQLite {least} or newer")
    if SQLITE_VERSION < WAL_FIXED:
        return Check(
            "SQLite",
            WARN,
            f"{found}: before 3.51.3, two programs that write one store may damage it",
            "rama writes by one connection only; let other programs read",
        )
    return Check("SQLite", OK, found)


def _openssl(options: Options) -> Check:
    try:
        from cryptography.hazmat.backends.openssl import backend

        found = backend.openssl_version_text()
        return Check("OpenSSL", OK, f"{found}; pyOpenSSL {importlib.metadata.version('pyOpenSSL')}")
    except (ImportError, importlib.metadata.PackageNotFoundError) as error:
        return Check("OpenSSL", FAIL, str(error), "pip install pyOpenSSL")


def _http2(options: Options) -> Check:
    from rama_proxy.protocols.http2 import ENGINE

    found = f"{ENGINE} {importlib.metadata.version(ENGINE)}"
    if not options.http2:
        return Check("HTTP/2", WARN, "off", "it is switched off by http2 = false or --no-http2")
    if ENGINE == "h2":
        found += f"; {PACKAGE}[speed] brings jh2, which is faster"
    return Check("HTTP/2", OK, found)


def _config(options: Options) -> Check:
    named = os.environ.get("RAMA_CONFIG")
    path = Path(named).expanduser() if named else config_dir() / "config.toml"
    return Check("Config", OK, str(path) if path.exists() else f"none at {path}: defaults")


def _authority(options: Options) -> Check:
    from rama_proxy.certs.authority import Authority

    directory = Path(options.confdir) if options.confdir else config_dir()
    if not list(directory.glob("ca-*.pem")):
        return Check("Authority", OK, f"none in {directory} yet: the first run makes it")
    try:
        authority = Authority.load(directory, create=False)
    except CaError as error:
        return Check("Authority", FAIL, str(error), "rama ca check")
    found = f"{authority.path}, until {authority.expires:%Y-%m-%d}"
    if authority.expires - datetime.now(UTC) < timedelta(days=30):
        return Check("Authority", WARN, found, f"remove both files in {directory} for a new one")
    return Check("Authority", OK, found)


def _captures(options: Options) -> Check:
    directory = captures_dir()
    there = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        advice = "set RAMA_CAPTURES to a directory of yours, or name a file with -w"
        return Check("Captures", FAIL, f"{directory} cannot be written", advice)
    free = shutil.disk_usage(there).free
    found = f"{directory}, {format_size(free)} free"
    if free < LITTLE_SPACE:
        return Check("Captures", WARN, found, "make room: recording pauses on a full disk")
    return Check("Captures", OK, found)


def _addons(options: Options) -> Check:
    from rama_proxy.addon_files import load_addons

    try:
        load_addons(options.addons)
    except AddonError as error:
        return Check("Addons", FAIL, str(error), "mend --addon or `addons` in the config file")
    return Check("Addons", OK, ", ".join(options.addons) or "none")


def _port(options: Options) -> Check:
    from rama_proxy.net.listener import Listener
    from rama_proxy.net.sweeper import Sweeper

    where = f"{options.listen_host}:{options.port}"

    async def serve(stream: object) -> None:
        """Take nobody."""

    async def probe() -> None:
        listener = Listener(options.listen_host, options.port, serve, 0, "", Sweeper(0))
        await listener.open()
        listener.close()

    try:
        asyncio.run(probe())
    except StartError as error:
        own = _own_engine(where)
        return Check("Port", OK, own) if own else Check("Port", WARN, str(error))
    return Check("Port", OK, f"{where} is free")


def _own_engine(where: str) -> str:
    """Which engine of ours listens on `where`, "" if none is known to."""
    from rama_proxy.store.reader import Reader, newest_store, writer_pid

    try:
        path = newest_store()
        pid = writer_pid(path)
        with Reader(path) as reader:
            listens = where in (reader.meta("listen") or "")
    except StoreError:
        return ""
    return f"{where}: rama (process {pid}) records into {path}" if pid and listens else ""


def _files(options: Options) -> Check:
    from rama_proxy.net.listener import connection_limit

    before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    connections = connection_limit(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = f", raised from {before}" if soft != before else ""
    found = f"{soft} open files{raised}: {connections} clients"
    if connections < FEW_CONNECTIONS:
        advice = f"raise the limit (ulimit -n), the system allows {hard}"
        return Check("Files", WARN, found, advice)
    return Check("Files", OK, found)


def _terminal(options: Options) -> Check:
    name, term = "Terminal", os.environ.get("TERM", "")
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        return Check(name, WARN, "none here", "without one, `rama` does what `rama capture` does")
    size = shutil.get_terminal_size()
    colours = _colours(term)
    encoding = locale.getpreferredencoding(False)
    found = f"{term or 'no TERM'}, {size.columns}x{size.lines}, {colours}, {encoding}"
    if term in ("", "dumb"):
        return Check(name, WARN, found, "set TERM to what your terminal is, as xterm-256color")
    if encoding.upper().replace("-", "") != "UTF8":
        return Check(name, WARN, found, "set a UTF-8 locale, as LANG=C.UTF-8")
    if size.columns < SMALL[0] or size.lines < SMALL[1]:
        return Check(name, WARN, found, "make the window at least 80x24")
    if colours == "16 colours":
        return Check(name, WARN, found, "set COLORTERM=truecolor if your terminal can")
    return Check(name, OK, found)


def _colours(term: str) -> str:
    if os.environ.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "true colour"
    return "256 colours" if "256" in term else "16 colours"


def _clipboard(options: Options) -> Check:
    name, found = "Clipboard", "OSC 52, which works over ssh as well"
    if os.environ.get("TMUX"):
        return _tmux_clipboard(name, found)
    if os.environ.get("STY"):
        return Check(name, WARN, "GNU screen passes no OSC 52 on", "use tmux, or save to a file")
    if os.environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return Check(name, WARN, "this terminal has no OSC 52", "use another, or save to a file")
    if not is_terminal(sys.stdout):
        return Check(name, WARN, "no terminal here")
    return Check(name, OK, f"{found}, if the terminal allows it")


def _tmux_clipboard(name: str, found: str) -> Check:
    try:
        command = ["tmux", "show-options", "-gv", "set-clipboard"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=5)
        value = run.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        value = ""
    if value == "on":
        return Check(name, OK, f"{found}; tmux passes it on")
    shown = f"tmux has set-clipboard {value or 'unknown'}"
    advice = "tmux set -g set-clipboard on, and the same in ~/.tmux.conf"
    return Check(name, WARN, shown, advice)


CHECKS: tuple[Callable[[Options], Check], ...] = (
    _python,
    _dependencies,
    _sqlite,
    _openssl,
    _http2,
    _config,
    _authority,
    _captures,
    _addons,
    _port,
    _files,
    _terminal,
    _clipboard,
)
