"""`rama demo`: the product at work without a network."""

from __future__ import annotations

import click

from rama_proxy.cli.capture import record
from rama_proxy.cli.logs import log_options, start_logging
from rama_proxy.cli.options import EngineCommand, engine_options
from rama_proxy.cli.tui import has_terminal, open_terminal


@click.command(cls=EngineCommand)
@click.option(
    "--tui/--headless",
    "with_tui",
    default=None,
    help="Open the terminal interface, or print lines and end; by default as there is a terminal.",
)
@click.option(
    "--count",
    "visits",
    type=click.IntRange(min=1),
    metavar="N",
    help="Send N requests. Without it, one round, and on a screen more until you quit.",
)
@click.option("--json", "as_json", is_flag=True, help="Headless: one JSON object for each flow.")
@log_options
@engine_options
@click.pass_context
def demo(
    ctx: click.Context, /, with_tui: bool | None, visits: int | None, **params: object
) -> None:
    """See it work: sample traffic from a bundled server.

    Starts the proxy, servers on loopback and clients that visit them through it: plain, over TLS,
    by SOCKS5 and HTTP/2, with WebSocket and gRPC, events, downloads, errors and refused
    certificates. Needs no network. The names end in demo.test and lead nowhere else; the requests
    are the same every time.
    """
    del params
    if with_tui and not has_terminal():
        raise click.UsageError("--tui needs a terminal")
    if has_terminal() if with_tui is None else with_tui:
        ctx.exit(open_terminal(ctx, None, "--demo", str(visits or 0)))
    from rama_proxy.demo.stage import Stage

    start_logging(ctx)
    ctx.exit(record(ctx, Stage(visits)))
