"""`rama replay`: stored requests sent once more, by the engine that writes the store.

Where none does, one is started for as long as it takes. What a replay is, the addon says.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from rama_proxy.cli.console import is_terminal, wants_colour
from rama_proxy.cli.options import filter_argument, read_options, some_options
from rama_proxy.config import Options
from rama_proxy.control.client import ControlClient
from rama_proxy.model.text import escape_text
from rama_proxy.store.files import SUFFIX
from rama_proxy.store.reader import Reader, newest_store, writer_pid
from rama_proxy.units import format_size

Fields = Mapping[str, Any]
Take = Callable[[Fields], None]

MANY = 20  # attempts from which a bar stands for their lines on a terminal


@click.command(short_help="Send stored requests again, and record what comes back.")
@click.argument("arguments", metavar="ID|FILTER [FILE]", nargs=-1, required=True)
@click.option(
    "--count", type=click.IntRange(min=1), default=1, metavar="N", help="Send each N times."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=1,
    metavar="K",
    help="Have K requests under way at once.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the summary last.")
@some_options("confdir", "scripts", "addons", "ssl_insecure")
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    arguments: tuple[str, ...],
    count: int,
    concurrency: int,
    as_json: bool,
    **params: object,
) -> None:
    """Send stored requests again, and record what comes back as flows of their own.

    A request goes out as it did: same version, same bytes, same server. ID is a number that `rama
    ls` shows, or several; FILE is the newest capture if it is left out. The engine that is
    recording does it. If none is, one is started for as long as it takes, with the options below.
    The exit code is 1 if a request got no response.

    \b
      rama replay 7                                once more
      rama replay 7 --count 1000 --concurrency 16  how long it takes the server
      rama replay '~d api.example.com & ~m GET' today.db
    """
    del params
    path, wanted = _wanted(arguments)
    wanted |= {"count": count, "concurrency": concurrency}
    if writer_pid(path):
        with Reader(path) as reader:
            place = reader.meta("control_path") or "", reader.meta("control_token") or ""
        work = _ask(*place, wanted)
    else:
        work = _alone(_own_options(ctx, path), path, wanted)
    with Report(as_json=as_json) as report:
        summary = asyncio.run(work(report.take))
    report.end(summary)
    ctx.exit(1 if summary["errors"] or summary["refused"] else 0)


def _wanted(arguments: tuple[str, ...]) -> tuple[Path, dict[str, object]]:
    """The store, and which of its flows. Raises UsageError for a filter that does not parse."""
    *words, last = arguments
    if words and (last.endswith(SUFFIX) or Path(last).is_file()):
        path = Path(last)
    else:
        words, path = [*words, last], newest_store()
    if all(word.isascii() and word.isdigit() for word in words):
        return path, {"flows": [int(word) for word in words]}
    return path, {"filter": filter_argument(words).text}


# --- who does it


def _ask(control: str, token: str, wanted: Fields) -> Callable[[Take], Any]:
    """Let the running engine do it."""

    async def work(take: Take) -> Fields:
        told: asyncio.Queue[Fields | None] = asyncio.Queue()

        def on_notice(name: str, fields: dict[str, object]) -> None:
            if name == "progress":
                told.put_nowait(fields)

        client = ControlClient(control, token, on_notice)
        await client.connect()
        asked = client.ask("run", timeout=None, command="replay", arguments=wanted)
        task = asyncio.ensure_future(asked)
        task.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (fields := await told.get()) is not None:
                take(fields)
            return await task
        finally:
            task.cancel()
            await asyncio.wait({task})
            await client.close()

    return work


def _alone(options: Options, path: Path, wanted: Fields) -> Callable[[Take], Any]:
    """Do it with an engine of our own, which nobody else is told of."""
    from rama_proxy.cli.logs import on_log
    from rama_proxy.engine import Proxy

    async def work(take: Take) -> Fields:
        async def notify(name: str, fields: Fields) -> None:
            del name
            take(fields)

        proxy = Proxy(options, path, on_log)
        await proxy.start()
        try:
            return await proxy.run({"command": "replay", "arguments": wanted}, notify)
        finally:
            await proxy.stop(drain=False)

    return work


def _own_options(ctx: click.Context, path: Path) -> Options:
    """What our own engine runs with: it listens where nobody will ask."""
    options = read_options(ctx)
    options.listen_host, options.port = "127.0.0.1", 0
    with Reader(path) as reader:
        options.mode = reader.meta("mode") or "regular"
    return options


# --- what is said


class Report:
    """Attempts as they end, on standard output; how far it is, on a terminal's standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.colour = wants_colour()
        self._bar: Any = None

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def take(self, fields: Fields) -> None:
        """Tell of some attempts."""
        total = fields["total"]
        if self._bar is None and total > MANY and is_terminal(sys.stderr):
            self._bar = click.progressbar(length=total, label="replaying", file=sys.stderr)
        bare = self._bar is None or not is_terminal(sys.stdout)
        for attempt in fields["attempts"]:
            if self.as_json:
                click.echo(_json(attempt))
            elif bare or attempt["error"]:
                click.echo(attempt_line(attempt, colour=self.colour))
        if self._bar is not None:
            self._bar.update(fields["done"] - self._bar.pos)

    def end(self, summary: Fields) -> None:
        """Sum up."""
        if self.as_json:
            click.echo(_json({"summary": summary}))
        else:
            click.echo(summary_line(summary))


def attempt_line(attempt: Fields, *, colour: bool) -> str:
    """New id, status, size, milliseconds, what was sent again, and the error."""
    if attempt["flow"] is None:
        text = escape_text(str(attempt["error"]))
        return click.style(text, fg="red") if colour else text
    size = "" if attempt["size"] is None else format_size(attempt["size"])
    line = (
        f"{attempt['flow']:>6}  {attempt['status'] or '---':>3} {size:>9} {attempt['ms']:>8.1f} ms"
        f"  replay of {attempt['origin']}"
    )
    if attempt["error"]:
        error = f"({escape_text(attempt['error'])})"
        line += "  " + (click.style(error, fg="red") if colour else error)
    return line


def summary_line(summary: Fields) -> str:
    """How many, how many failed, and how long they took."""
    parts = [_several(summary["sent"], "request"), _several(summary["errors"], "error")]
    if summary["refused"]:
        parts.append(f"{summary['refused']} refused")
    if summary["p50_ms"] is not None:
        parts.append(f"p50 {summary['p50_ms']:.1f} ms")
        parts.append(f"p95 {summary['p95_ms']:.1f} ms")
    parts.append(f"{summary['rate']:g}/s")
    return ", ".join(parts)


def _several(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _json(entry: Fields) -> str:
    return json.dumps(entry).replace("\x7f", "\\u007f")
