"""`rama capture`: the engine without the terminal interface."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from rama_proxy.cli.logs import log_options, start_logging
from rama_proxy.cli.options import (
    DurationType,
    EngineCommand,
    engine_options,
    filter_argument,
    read_options,
)
from rama_proxy.errors import RamaError

if TYPE_CHECKING:
    from rama_proxy.cli.recording import Companion


@click.command(cls=EngineCommand)
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--for", "seconds", type=DurationType(), metavar="TIME", help="Stop after this time.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after N flows; with FILTER, of those that it selects.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each flow.")
@click.option("--attached", is_flag=True, hidden=True, help="Be the child of a terminal interface.")
@click.option(
    "--demo", type=click.IntRange(min=0), hidden=True, help="Send N demo requests; 0 never ends."
)
@log_options
@engine_options
@click.pass_context
def capture(ctx: click.Context, /, **params: object) -> None:
    """Record traffic, one line for each flow.

    Every flow is recorded; FILTER selects those that are printed and counted. A line has the time,
    method, status, size of the response's body, time taken, URL and error. Messages go to standard
    error. Ctrl-C or SIGTERM lets flows end and stops, a second one stops at once.

    \b
      rama capture -w today.db                  record until Ctrl-C
      rama capture --for 10s --json '~d example.com & ~m POST'
      rama capture --mode reverse:https://example.com -p 9000
    """
    del params
    start_logging(ctx)
    if not ctx.params["attached"]:
        ctx.exit(record(ctx))
    from rama_proxy.cli.recording import refuse_ready

    try:
        code = record(ctx)
    except RamaError as error:
        refuse_ready(error)
        code = error.exit_code
    ctx.exit(code)


def record(ctx: click.Context, companion: Companion | None = None) -> int:
    """Run the engine as the parameters of `ctx` say; gives the exit code. Raises RamaError."""
    import uvloop

    from rama_proxy.cli.recording import Recording, store_path
    from rama_proxy.cli.schema_files import read_schema

    _hold_standard_streams()
    params = ctx.params
    options = read_options(ctx)
    read_schema(options)  # a mistake is told here as well as where messages are shown
    if params.get("demo") is not None:
        from rama_proxy.demo.stage import Stage

        companion = Stage(params["demo"] or None, lasting=True)
    recording = Recording(
        options,
        store_path(options),
        filter_argument(params.get("words", ())),
        seconds=params.get("seconds"),
        count=params.get("count"),
        as_json=bool(params.get("as_json")),
        attached=bool(params.get("attached")),
        companion=companion,
    )
    return int(uvloop.run(recording.run()))


def _hold_standard_streams() -> None:
    """Give descriptors 0 to 2 that were closed to /dev/null: a socket there crashes the loop."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free one
