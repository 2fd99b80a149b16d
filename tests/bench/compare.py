"""CPU per exchange and exchanges per second, ours beside mitmdump's in one run: `make bench`.

Both run at the same time and are loaded in turn, round by round, so that a noisy machine is noisy
for both. What counts is the CPU time of the proxy's process, writing included; every exchange has
to be found in what the proxy stored. Prints a Markdown table; exit code 1 if a target is missed.
After `make test-speed`, PYTHONPATH=build/jh2 has ours run on the faster engine of HTTP/2.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rama_proxy.protocols.http2 import ENGINE
from tests.bench.contenders import Contender, Mitmdump, Rama, cpu_seconds, settle, stop
from tests.bench.load import absolute_form, connects, download, h2load, wrk
from tests.support.certificates import TestAuthority
from tests.support.peers import Nginx

CONNECTIONS = 16
STREAMS = 32  # on each of 8 connections of HTTP/2
BULK = 100 * 1024 * 1024
Load = Callable[[int, float], int]  # proxy port, seconds → answered requests


@dataclass(slots=True)
class Case:
    """One kind of traffic. `most` is the largest share of mitmdump's CPU that we may take.

    `cut_off` is how many requests the end of a round may leave without their answer.
    """

    name: str
    mode: str
    load: Load
    most: float
    cut_off: int = CONNECTIONS


@dataclass(slots=True)
class Tally:
    """What one contender did in all rounds of a case."""

    cpu: float = 0.0
    seconds: float = 0.0
    exchanges: int = 0
    rounds: list[float] = field(default_factory=list)  # µs of CPU per exchange, each round

    @property
    def cost(self) -> float:
        """Microseconds of CPU per exchange."""
        return self.cpu / self.exchanges * 1e6

    @property
    def rate(self) -> float:
        """Exchanges per second."""
        return self.exchanges / self.seconds


def cases(nginx: Nginx, directory: Path) -> list[Case]:
    """All kinds of traffic, with bodies of 1 KiB unless the name says otherwise."""
    return [*http1_cases(nginx, directory), *http2_cases(nginx)]


def http1_cases(nginx: Nginx, directory: Path) -> list[Case]:
    """HTTP/1: kept alive and on new connections, with TLS and without."""
    http, https = f"http://127.0.0.1:{nginx.http_port}", f"https://127.0.0.1:{nginx.https_port}"
    script = absolute_form(directory, nginx.http_port, "/1k")

    def proxied(port: int, seconds: float) -> int:
        return wrk(f"http://127.0.0.1:{port}", seconds, CONNECTIONS, "-s", script)

    def plain(port: int, seconds: float) -> int:
        return wrk(f"http://127.0.0.1:{port}/1k", seconds, CONNECTIONS)

    def secure(port: int, seconds: float) -> int:
        return wrk(f"https://127.0.0.1:{port}/1k", seconds, CONNECTIONS)

    def fresh(port: int, seconds: float) -> int:
        header = ("-H", "Connection: close")
        return wrk(f"https://127.0.0.1:{port}/1k", seconds, CONNECTIONS, *header)

    def tunnelled(port: int, seconds: float) -> int:
        return connects(port, nginx.https_port, seconds, CONNECTIONS)

    return [
        Case("HTTP proxy, keep-alive", "regular", proxied, 1 / 12),
        Case("reverse HTTP, keep-alive", f"reverse:{http}", plain, 1 / 12),
        Case("reverse HTTPS, keep-alive", f"reverse:{https}", secure, 1 / 8),
        Case("reverse HTTPS, new connections", f"reverse:{https}", fresh, 1 / 3),
        Case("CONNECT, new connections", "regular", tunnelled, 1 / 3),
    ]


def http2_cases(nginx: Nginx) -> list[Case]:
    """HTTP/2 with many streams, and one large body by either version."""
    mode = f"reverse:https://127.0.0.1:{nginx.https2_port}"

    def streams(port: int, seconds: float) -> int:
        return h2load(f"https://127.0.0.1:{port}/1k", seconds, 8, STREAMS)

    def bulk(option: str) -> Load:
        return lambda port, seconds: download(f"https://127.0.0.1:{port}/1g", BULK, option)

    return [
        Case("reverse HTTP/2, 8×32 streams", mode, streams, 1 / 8, 0),
        Case("reverse HTTPS, a download of 100 MiB", mode, bulk("--http1.1"), 1 / 2, 0),
        Case("reverse HTTP/2, a download of 100 MiB", mode, bulk("--http2"), 1 / 2, 0),
    ]


def measure(contender: Contender, load: Load, seconds: float, tally: Tally) -> None:
    """One round: load, wait until all is written, add to `tally`."""
    before = cpu_seconds(contender.process.pid)
    begin = time.monotonic()
    count = load(contender.port, seconds)
    tally.seconds += time.monotonic() - begin
    settle(contender.process.pid)
    cpu = cpu_seconds(contender.process.pid) - before
    tally.cpu += cpu
    tally.exchanges += count
    tally.rounds.append(cpu / count * 1e6)


def check_stored(contender: Contender, answered: int, cut_off: int) -> None:
    """Every answered request was stored; those cut off at the end of a run may be there too."""
    stored = contender.stored()
    if not answered <= stored <= answered + cut_off:
        raise SystemExit(f"{contender.name} answered {answered} requests and stored {stored}")


def run_case(case: Case, directory: Path, rounds: int, seconds: float) -> tuple[Tally, Tally]:
    """Both contenders through all rounds of `case`."""
    directory.mkdir()
    contenders: list[Contender] = []
    try:
        contenders.append(Rama(directory, case.mode))
        contenders.append(Mitmdump(directory, case.mode))
        tallies = [Tally() for _ in contenders]
        warm = [case.load(contender.port, 1) for contender in contenders]
        for _ in range(rounds):
            for contender, tally in zip(contenders, tallies, strict=True):
                measure(contender, case.load, seconds, tally)
    finally:
        for contender in contenders:
            stop(contender)
    for contender, tally, first in zip(contenders, tallies, warm, strict=True):
        check_stored(contender, first + tally.exchanges, (rounds + 1) * case.cut_off)
    return tallies[0], tallies[1]


def row(case: Case, ours: Tally, theirs: Tally) -> str:
    """One line of the table."""
    cells = [case.name, cost_text(ours), cost_text(theirs)]
    cells.append(f"{theirs.cost / ours.cost:.1f}× (≥ {1 / case.most:.0f}×)")
    cells += [rate_text(ours), rate_text(theirs)]
    return f"| {' | '.join(cells)} |"


def cost_text(tally: Tally) -> str:
    """CPU per exchange; microseconds, or milliseconds where they are many."""
    return f"{tally.cost:.0f} µs" if tally.cost < 20_000 else f"{tally.cost / 1000:.0f} ms"


def rate_text(tally: Tally) -> str:
    """Exchanges in a second, or seconds for an exchange."""
    return f"{tally.rate:.0f}/s" if tally.rate > 10 else f"{1 / tally.rate:.2f} s"


def main() -> int:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--only", default="", metavar="WORDS", help="cases with this in the name")
    options = parser.parse_args()
    rounds, seconds = (1, 2.0) if options.quick else (3, 5.0)
    missed = []
    with tempfile.TemporaryDirectory(prefix="rama-bench-") as name:
        directory = Path(name)
        with Nginx(directory / "nginx", TestAuthority(directory), log=False) as nginx:
            mitmdump = f"mitmdump {Mitmdump.version()}"
            traffic = f"1 KiB, {CONNECTIONS} connections, every exchange stored"
            print(f"rama on {ENGINE} for HTTP/2\n")
            print(f"| {traffic} | rama CPU | {mitmdump} CPU | less CPU | rama | mitmdump |")
            print("|---|---|---|---|---|---|", flush=True)
            for number, case in enumerate(cases(nginx, directory)):
                if options.only not in case.name:
                    continue
                ours, theirs = run_case(case, directory / str(number), rounds, seconds)
                print(row(case, ours, theirs), flush=True)
                if ours.cost > theirs.cost * case.most:
                    missed.append(case.name)
    if missed:
        print(f"\nTarget missed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
