"""`rama doctor`: what works here, and what to do about what does not."""

from __future__ import annotations

import json

import click

from rama_proxy.cli.lazy import sentence
from rama_proxy.cli.options import EngineCommand, engine_options, read_options
from rama_proxy.config import Options
from rama_proxy.errors import ConfigError
from rama_proxy.model.text import escape_text

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(cls=EngineCommand)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each check.")
@engine_options
@click.pass_context
def doctor(ctx: click.Context, /, as_json: bool, **params: object) -> None:
    """Check what works here, and say what to do.

    Looks at Python, the libraries, the certificate authority, the port, the terminal and its
    clipboard, as the options given here would have them. The exit code is 1 if something fails.
    """
    del params
    from rama_proxy.cli.checks import FAIL, Check, run_checks

    checks: list[Check] = []
    try:
        options = read_options(ctx)
    except ConfigError as error:
        checks.append(Check("Config", FAIL, sentence(error), "mend it; the rest is by default"))
        options = Options()
    named = {check.name for check in checks}
    checks += [check for check in run_checks(options) if check.name not in named]
    for check in checks:
        if as_json:
            click.echo(json.dumps(check._asdict()))
        else:
            mark = click.style(f"{check.state:4}", fg=_COLOURS[check.state])
            click.echo(f"{mark}  {check.name:<10} {escape_text(check.found)}")
            if check.advice:
                click.echo(f"{'':17}> {escape_text(check.advice)}")
    ctx.exit(any(check.state == FAIL for check in checks))
