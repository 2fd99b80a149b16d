"""The import rules of the project, kept by reading every source file's syntax tree.

LEVELS is the order in which packages may know each other: an import points down, to a level with a
higher number. LIBRARIES says where a library that stands for a capability (sockets, TLS, SQL,
screens) may be imported. A new package has to be given a place in LEVELS.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent

LEVELS = (
    ("__main__",),
    ("cli",),
    ("engine",),
    ("addon_engine",),
    ("modes", "control.server", "submit", "addon_set"),
    ("relay",),
    ("net", "certs", "capture", "hooks", "addon_files", "demo"),
    ("addon", "store", "filters", "export", "content", "control.messages", "control.client"),
    ("protocols",),
    ("model", "service", "config"),
    ("units",),
    ("errors",),
)
SAME_LEVEL = {
    ("store", "filters"),  # filters become SQL where columns are known
    ("net.tls", "certs"),  # a handshake shows and checks certificates
}

# library → the units of rama_proxy that may import it
LIBRARIES = {
    "OpenSSL": ("net.tls", "certs"),
    "dns": ("net",),
    "h2": ("protocols.http2",),
    "hpack": ("protocols.http2",),
    "hyperframe": (),
    "jh2": ("protocols.http2",),
    "socket": ("net", "control", "demo"),  # the demo is peers of the engine, not a part of it
    "sqlite3": ("store",),
    "sqlite_utils": ("store",),
    "textual": (),
    "rama_tui": ("cli",),
    "rama_addons": (),
}
LAZY = {"dns", "rama_tui"}  # imported only inside the function that needs them

PURE = ("protocols", "model", "filters", "content", "export")
IMPURE_LIBRARIES = {"OpenSSL", "asyncio", "socket", "sqlite3", "ssl", "threading", "time"}
PURE_EXCEPTIONS = {("model.flow", "time")}  # the marks of Timing

TRANSPORTS = {  # of asyncio and of its loops; only those who may use sockets open connections
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
}

TUI_MAY_IMPORT = (
    "model",
    "filters",
    "store.reader",
    "store.writer",
    "content",
    "export",
    "control.client",
    "control.messages",
    "config",
    "units",
    "errors",
)
TUI_MAY_NOT = {"OpenSSL", "socket", "sqlite3", "sqlite_utils", "ssl"}


class Import(NamedTuple):
    """`target` is dotted, with the imported name as its last part; `lazy` if inside a function."""

    target: str
    line: int
    lazy: bool


def imports_of(module: str, source: str, *, package: bool = False) -> Iterator[Import]:
    """Every import in `source`, the text of `module`; relative ones resolved."""
    base = module.split(".") if package else module.split(".")[:-1]

    def walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, lazy)
            elif isinstance(child, ast.ImportFrom):
                parts = base[: len(base) - child.level + 1] if child.level else []
                parts += [child.module] if child.module else []
                for alias in child.names:
                    yield Import(".".join([*parts, alias.name]), child.lineno, lazy)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, lazy or inside)

    return walk(ast.parse(source), lazy=False)


def within(name: str, places: tuple[str, ...]) -> bool:
    """Whether dotted `name` is one of `places` or inside one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def level_of(unit: str) -> tuple[int, str] | None:
    """The level of a module of rama_proxy and the entry of LEVELS that says so."""
    for number, entries in enumerate(LEVELS):
        for entry in entries:
            if within(unit, (entry,)):
                return number, entry
    return None


def violations(module: str, source: str, *, package: bool = False) -> list[str]:
    """What is wrong with the imports of `module`, a sentence each."""
    top, _, unit = module.partition(".")
    faults = {"rama_proxy": in_proxy, "rama_tui": in_tui}.get(top, in_addon)
    found = [
        f"{module}:{item.line} imports {item.target}: {fault}"
        for item in imports_of(module, source, package=package)
        for fault in faults(unit, item)
    ]
    if top == "rama_proxy" and not within(unit, LIBRARIES["socket"]):
        found += [
            f"{module}:{node.lineno} uses {node.attr}: only net and control may"
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute) and node.attr in TRANSPORTS
        ]
    return found


def in_proxy(unit: str, item: Import) -> Iterator[str]:
    """Faults of one import in module `unit` of rama_proxy ("" is the root)."""
    library = item.target.partition(".")[0]
    places = LIBRARIES.get(library)
    if places is not None and not within(unit, places):
        yield f"only {', '.join(places) or 'nobody'} in rama_proxy may"
    if library in LAZY and not item.lazy:
        yield "must be inside the function that needs it"
    if (
        within(unit, PURE)
        and library in IMPURE_LIBRARIES
        and (unit, library) not in PURE_EXCEPTIONS
    ):
        yield f"{unit.partition('.')[0]} stays free of I/O, clocks and threads"
    if library == "rama_proxy":
        yield from level_fault(unit, item.target.partition(".")[2])


def level_fault(unit: str, target: str) -> Iterator[str]:
    """The fault of an import of rama_proxy.`target` in rama_proxy.`unit`, if there is one."""
    if unit == "" or target == "__version__":  # the root is the face that addons see
        return
    source, goal = level_of(unit), level_of(target)
    if source is None:
        yield f"rama_proxy.{unit} has no place in LEVELS"
    elif goal is None:
        yield "the root's names are for addons; import from where it is defined"
    elif source[1] != goal[1] and (
        goal[0] < source[0] or (goal[0] == source[0] and not same_level(unit, goal[1]))
    ):
        yield f"{source[1]} may not know {goal[1]}"


def same_level(unit: str, goal: str) -> bool:
    """Whether `unit` may know the entry `goal` of its own level."""
    same_package = unit.partition(".")[0] == goal.partition(".")[0]
    return same_package or any(within(unit, (one,)) and goal == two for one, two in SAME_LEVEL)


def in_tui(unit: str, item: Import) -> Iterator[str]:
    """Faults of one import in module `unit` of rama_tui."""
    del unit
    library, _, target = item.target.partition(".")
    if library in TUI_MAY_NOT:
        yield "the screens read through store.reader and speak through control.client"
    if library == "rama_addons":
        yield "addons are loaded by name"
    if library == "rama_proxy" and target != "__version__" and not within(target, TUI_MAY_IMPORT):
        yield f"rama_tui may import only {', '.join(TUI_MAY_IMPORT)}"


def in_addon(unit: str, item: Import) -> Iterator[str]:
    """Faults of one import in an addon."""
    del unit
    library, _, target = item.target.partition(".")
    if library == "rama_tui" or (library == "rama_proxy" and target not in public_names()):
        yield "an addon imports the root names of rama_proxy only"


def public_names() -> set[str]:
    """`__all__` of rama_proxy, read and not imported."""
    for node in ast.parse((ROOT / "rama_proxy/__init__.py").read_text("utf-8")).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__all__"
        ):
            return set(ast.literal_eval(node.value))
    raise AssertionError("rama_proxy has no __all__")


def sources() -> list[Path]:
    """Every Python file of the product."""
    folders = ("rama_proxy", "rama_tui", "addons")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name of the module in file `path`."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] == "addons":
        del parts[0]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_imports_follow_the_levels(path: Path) -> None:
    package = path.name == "__init__.py"
    assert violations(module_of(path), path.read_text("utf-8"), package=package) == []


def test_every_module_of_the_engine_has_a_level() -> None:
    units = [module_of(path).partition(".")[2] for path in (ROOT / "rama_proxy").rglob("*.py")]
    packages = {"", "control"}  # containers of what has a level
    assert [unit for unit in units if unit not in packages and level_of(unit) is None] == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("rama_proxy.model.flow", "from rama_proxy.store import rows", "model may not know store"),
        ("rama_proxy.net.dial", "from rama_proxy.hooks import Hooks", "net may not know hooks"),
        ("rama_proxy.net.dial", "from rama_proxy.certs import names", "net may not know certs"),
        ("rama_proxy.certs.authority", "from rama_proxy.net import tls", "may not know net"),
        ("rama_proxy.relay.http1", "from ..engine import Proxy", "relay may not know engine"),
        ("rama_proxy.filters.syntax", "import rama_proxy.store", "filters may not know store"),
        ("rama_proxy.control.client", "from . import server", "may not know control.server"),
        ("rama_proxy.protocols.http1", "import asyncio", "free of I/O"),
        ("rama_proxy.model.message", "from time import time", "free of I/O"),
        ("rama_proxy.content.views", "def view():\n    import threading", "free of I/O"),
        ("rama_proxy.relay.tunnel", "import socket", "only net, control"),
        ("rama_proxy.relay.tunnel", "from OpenSSL import SSL", "only net.tls, certs"),
        ("rama_proxy.net.dial", "import OpenSSL.SSL", "only net.tls, certs"),
        ("rama_proxy.protocols.http2_start", "import h2.connection", "only protocols.http2"),
        (
            "rama_proxy.relay.exchange",
            "def f():\n    from jh2 import events",
            "only protocols.http2",
        ),
        ("rama_proxy.net.dial", "import dns.asyncresolver", "inside the function"),
        ("rama_proxy.cli.ls", "def ls():\n    import sqlite3", "only store"),
        ("rama_proxy.cli.tui", "from rama_tui.app import App", "inside the function"),
        ("rama_proxy.engine", "def start():\n    import rama_tui", "only cli"),
        ("rama_proxy.engine", "import rama_addons.curl", "only nobody"),
        ("rama_proxy.cli.doctor", "import textual", "only nobody"),
        ("rama_proxy.relay.http1", "from rama_proxy import Flow", "where it is defined"),
        ("rama_proxy.brand_new", "from rama_proxy.errors import RamaError", "no place in LEVELS"),
        ("rama_proxy.modes.regular", "async def f(loop):\n    loop.create_server()", "only net"),
        ("rama_tui.app", "from rama_proxy.store.writer import x\nimport sqlite3", "store.reader"),
        ("rama_tui.session", "from rama_proxy.engine import Proxy", "may import only"),
        ("rama_tui.session", "from rama_proxy.store import schema", "may import only"),
        ("rama_addons.curl", "from rama_proxy.model.flow import Flow", "root names"),
        ("rama_addons.curl", "def f():\n    from rama_proxy import engine", "root names"),
    ],
)
def test_a_bad_import_is_found(module: str, source: str, fault: str) -> None:
    found = violations(module, source)
    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rama_proxy.store.reader", "from rama_proxy.filters import parse_filter"),
        ("rama_proxy.store.reader", "import sqlite3\nfrom rama_proxy.store import rows"),
        ("rama_proxy.model.flow", "import time"),
        ("rama_proxy.net.dial", "def f():\n    import dns.asyncresolver"),
        ("rama_proxy.cli.tui", "def f():\n    from rama_tui.app import App"),
        ("rama_proxy.control.server", "from .messages import decode"),
        ("rama_proxy.cli", "from rama_proxy import __version__"),
        ("rama_proxy.net.listener", "async def f(loop):\n    loop.create_server()"),
        ("rama_tui.tail", "from rama_proxy.store.reader import Reader"),
        ("rama_addons.curl", "import shlex\nfrom rama_proxy import Flow, when"),
    ],
)
def test_a_good_import_is_not(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_relative_imports_are_resolved_from_packages_too() -> None:
    found = violations("rama_proxy.model", "from ..engine import Proxy", package=False)
    assert found == []  # beyond rama_proxy: names nothing of ours
    found = violations("rama_proxy.model", "from ..engine import Proxy", package=True)
    assert "model may not know engine" in found[0]


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = "import sys, rama_proxy.cli; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "click" in loaded
    assert loaded & {"textual", "dns", "sqlite_utils", "rama_tui", "OpenSSL", "uvloop"} == set()
