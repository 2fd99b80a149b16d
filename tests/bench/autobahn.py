"""WebSocket conformance: the Autobahn test suite directly and through the proxy (`make autobahn`).

Twice: its fuzzing client tests a server behind the proxy in reverse mode, its fuzzing server a
client before it. No case may end worse through the proxy than without it. The peers that are tested
are the suite's own: they echo a message before they look at what follows it, so that it does not
matter how the bytes are cut on the way. The suite is Python 2.7 only: it is installed below
.autobahn, for the interpreter PYTHON27 names or one that is found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.engine import Engine
from tests.support.peers import clean_env, free_port, listens, wait_for

SUITE = "autobahntestsuite==0.8.2"
HOME = Path(__file__).parent.parent.parent / ".autobahn"
# From best to worst; INFORMATIONAL says only what a peer does, not whether it is right.
RANKS = ("OK", "INFORMATIONAL", "NON-STRICT", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT", "FAILED")
Results = dict[str, tuple[str, str]]  # case → how it behaved, and how it closed


@dataclass(slots=True)
class Plan:
    """Which cases, by the suite's patterns, and what the proxy is started with."""

    cases: list[str]
    exclude: list[str]
    engine: list[str]


def interpreter() -> str:
    """A Python 2.7."""
    found = os.environ.get("PYTHON27") or shutil.which("python2.7")
    pyenv = sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python2.7"))
    if pyenv:  # its shims are on PATH and run only where the version is chosen
        found = os.environ.get("PYTHON27") or str(pyenv[-1])
    if found is None:
        sys.exit("The Autobahn suite needs Python 2.7: pyenv install 2.7.18, or set PYTHON27.")
    return found


def install() -> list[str]:
    """The command that runs wstest, installed the first time."""
    python = interpreter()
    if not (HOME / "autobahntestsuite").is_dir():
        print(f"Installing {SUITE} into {HOME.name}, a minute or two the first time")
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--target", str(HOME), SUITE], check=True)
    start = "import site, sys; site.addsitedir(sys.argv.pop(1))"  # for zope, a namespace of .pth
    start += "; from autobahntestsuite import wstest; wstest.run()"
    return [python, "-W", "ignore", "-c", start, str(HOME)]


def wstest(mode: str, spec: Mapping[str, object], directory: Path) -> list[str]:
    """The command for one mode of wstest with its specification in a file."""
    file = directory / f"{mode}.json"
    file.write_text(json.dumps(spec))
    return [*install(), "-m", mode, "-s", str(file)]


def results(directory: Path, agent: str) -> Results:
    """What the suite found for one agent."""
    index = json.loads((directory / "index.json").read_text())
    return {
        case: (str(found["behavior"]), str(found["behaviorClose"]))
        for case, found in index[agent].items()
    }


@contextlib.contextmanager
def running(command: list[str], port: int, directory: Path) -> Iterator[None]:
    """A server of the suite while it is needed."""
    with subprocess.Popen(
        command, cwd=directory, env=clean_env(), stdout=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(lambda: listens(port), "the suite's server", 30)
            yield
        finally:
            process.terminate()


def fuzz_server(plan: Plan, directory: Path) -> list[Results]:
    """The fuzzing client against an echo server, directly and behind the proxy."""
    port = free_port()
    server = [*install(), "-m", "testeeserver", "-w", f"ws://127.0.0.1:{port}"]
    with running(server, port, directory), reverse(plan, port, directory) as engine:
        agents = {"direct": f"ws://127.0.0.1:{port}", "proxy": f"ws://127.0.0.1:{engine.port}"}
        spec = {
            "outdir": str(directory / "servers"),
            "servers": [{"agent": name, "url": url} for name, url in agents.items()],
            "cases": plan.cases,
            "exclude-cases": plan.exclude,
            "exclude-agent-cases": {},
        }
        run(wstest("fuzzingclient", spec, directory), directory)
        report(engine)
    return [results(directory / "servers", agent) for agent in agents]


def fuzz_client(plan: Plan, directory: Path) -> list[Results]:
    """A client that echoes against the fuzzing server, directly and through the proxy."""
    port = free_port()
    spec = {
        "url": f"ws://127.0.0.1:{port}",
        "outdir": str(directory / "clients"),
        "cases": plan.cases,
        "exclude-cases": plan.exclude,
        "exclude-agent-cases": {},
    }
    server = [*wstest("fuzzingserver", spec, directory), "-w", str(free_port())]
    agents = ("direct", "proxy")
    with running(server, port, directory), reverse(plan, port, directory) as engine:
        for agent, place in zip(agents, (port, engine.port), strict=True):
            url = f"ws://127.0.0.1:{place}"
            run([*install(), "-m", "testeeclient", "-i", agent, "-w", url], directory)
        report(engine)
    return [results(directory / "clients", agent) for agent in agents]


def reverse(plan: Plan, port: int, directory: Path) -> Engine:
    """The proxy before the server at `port`."""
    return Engine(directory, "--mode", f"reverse:http://127.0.0.1:{port}", *plan.engine)


def run(command: list[str], directory: Path) -> None:
    """Run a client of the suite to its end."""
    subprocess.run(command, cwd=directory, env=clean_env(), stdout=subprocess.DEVNULL, check=True)


def report(engine: Engine) -> None:
    """What the proxy recorded meanwhile."""
    (flows,) = engine.query("select count(*) from flows where kind = 'websocket'")[0]
    (messages,) = engine.query("select count(*) from messages")[0]
    print(f"  {flows} flows, {messages} messages stored, {engine.memory() >> 20} MiB at most")


def compare(what: str, direct: Results, proxied: Results) -> int:
    """Print both; gives how many cases are worse through the proxy."""
    worse = [
        case
        for case in direct
        if case not in proxied
        or any(
            RANKS.index(after) > RANKS.index(before)
            for before, after in zip(direct[case], proxied[case], strict=True)
        )
    ]
    for name, found in (("direct", direct), ("through the proxy", proxied)):
        counts = Counter(behavior for behavior, _ in found.values())
        shown = ", ".join(f"{counts[rank]} {rank}" for rank in RANKS if counts[rank])
        print(f"{what}, {name:17}: {len(found)} cases: {shown}")
        failed = [case for case, (behavior, _) in found.items() if behavior == "FAILED"]
        print(f"  failed: {', '.join(failed)}" if failed else "  none failed")
    for case in worse:
        print(f"  worse: {case}: {direct[case]} became {proxied.get(case)}")
    return len(worse)


def main() -> None:
    parser = argparse.ArgumentParser(description="Autobahn, directly and through the proxy.")
    parser.add_argument("--cases", default="*", help="for example '1.*,12.*'; all unless given")
    parser.add_argument("--exclude", default="", help="the same for those to leave out")
    parser.add_argument("--role", choices=("server", "client"), help="both unless given")
    parser.add_argument("--script", help="an addon for the proxy, say one that holds messages")
    options = parser.parse_args()
    exclude = [case for case in options.exclude.split(",") if case]
    script = ["-s", str(Path(options.script).resolve())] if options.script else []
    plan = Plan(options.cases.split(","), exclude, script)
    worse = 0
    for role, fuzz in (("server", fuzz_server), ("client", fuzz_client)):
        if options.role in (None, role):
            with tempfile.TemporaryDirectory() as directory:
                begin = time.monotonic()
                direct, proxied = fuzz(plan, Path(directory))
                worse += compare(role, direct, proxied)
                print(f"  {time.monotonic() - begin:.0f} s", flush=True)
    sys.exit(f"{worse} cases are worse through the proxy" if worse else 0)


if __name__ == "__main__":
    main()
