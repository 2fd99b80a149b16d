"""`rama export`: one flow in another format."""

from __future__ import annotations

from pathlib import Path

import click

from rama_proxy.addon_files import load_addons, load_script
from rama_proxy.cli.options import read_options, some_options
from rama_proxy.errors import StoreError
from rama_proxy.export import Exporters
from rama_proxy.store.reader import Reader, newest_store


@click.command()
@click.argument("format", metavar="FORMAT")
@click.argument("flow_id", metavar="ID", type=click.IntRange(min=1))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@some_options("addons", "scripts")
@click.pass_context
def export(
    ctx: click.Context,
    /,
    format: str,  # noqa: A002  the name of the argument
    flow_id: int,
    file: Path | None,
    **params: object,
) -> None:
    """Write a flow in another format, as a curl command.

    ID is the number that `rama ls` shows; FILE is the newest capture if it is left out. Formats
    come from addons: curl is there, a script may bring more.

    \b
      rama export curl 7            a command that sends the request of flow 7 again
      rama export curl 7 today.db | sh
    """
    del params
    options = read_options(ctx)
    addons = load_addons(options.addons) + [load_script(Path(name)) for name in options.scripts]
    path = file or newest_store()
    with Reader(path) as reader:
        flow = reader.flow(flow_id)
        if flow is None:
            raise StoreError(f"there is no flow {flow_id} in {path}")
        reader.load_bodies(flow)
    click.echo(Exporters.of(addons).export(format, flow))
