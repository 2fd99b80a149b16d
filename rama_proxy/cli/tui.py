"""`rama tui`, which is what `rama` alone runs: the terminal interface, or what stands in for it."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

from rama_proxy.cli.console import is_terminal
from rama_proxy.cli.lazy import LazyGroup
from rama_proxy.cli.options import EngineCommand, engine_arguments, engine_options, read_options
from rama_proxy.model.text import escape_text


@click.command(cls=EngineCommand)
@click.argument("file", required=False, type=click.Path())
@engine_options
@click.pass_context
def tui(ctx: click.Context, /, file: str | None, **params: object) -> None:
    """Open the terminal interface: what `rama` alone does.

    It starts the proxy and shows what it records; with FILE it opens a store, finished or still
    being written. Where standard output is no terminal, `rama capture` runs instead.
    """
    del params
    if file is not None and not Path(file).exists():
        raise click.UsageError(_no_such(ctx, file), ctx.parent)
    if not has_terminal():
        _run_instead(ctx, file)
        return
    ctx.exit(open_terminal(ctx, Path(file) if file else None))


def has_terminal() -> bool:
    """Whether a person can see and type here."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


def open_terminal(ctx: click.Context, file: Path | None, *more: str) -> int:
    """Run the terminal interface on `file`, or on an engine with the options of `ctx` and `more`.

    Gives the exit code. Raises RamaError for options that cannot be used, before a screen opens.
    """
    from rama_proxy.addon_files import load_addons
    from rama_proxy.cli.schema_files import read_schema
    from rama_proxy.export import Exporters
    from rama_tui import run_tui

    options = read_options(ctx)
    formats = Exporters.of(load_addons(options.addons))
    exporters = {name: functools.partial(formats.export, name) for name in formats.names}
    return run_tui([*engine_arguments(ctx), *more], file, exporters, read_schema(options))


def _run_instead(ctx: click.Context, file: str | None) -> None:
    """Do the nearest thing that needs no terminal, and say so."""
    words = ["ls", file] if file else ["capture", *engine_arguments(ctx)]
    click.echo(f"rama: no terminal here: doing what `rama {words[0]}` does", err=True)
    parent = ctx.find_root().command
    assert isinstance(parent, LazyGroup)
    command = parent.entries[words[0]]
    with command.make_context(words[0], words[1:], parent=ctx.parent) as inner:
        command.invoke(inner)


def _no_such(ctx: click.Context, file: str) -> str:
    root = ctx.find_root().command
    near = root.nearest(file) if isinstance(root, LazyGroup) else ""
    hint = f" Did you mean 'rama {near}'?" if near else ""
    return f"There is no command and no file called '{escape_text(file)}'.{hint}"
