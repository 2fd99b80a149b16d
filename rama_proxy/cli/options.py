"""Command line options made from `rama_proxy.config`: one declaration there is one flag here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rama_proxy.config import OptionInfo, Options, convert_value, load_options, option_infos
from rama_proxy.errors import FilterError
from rama_proxy.filters import Filter, parse_filter
from rama_proxy.model.text import escape_text
from rama_proxy.units import parse_duration

F = TypeVar("F", bound=Callable[..., object])


class OptionType(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """Text that `config` converts, so that flag, environment and file mean the same."""

    def __init__(self, info: OptionInfo) -> None:
        self.info = info
        self.name = info.metavar or info.type

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """The converted value; a mistake ends in click's usage error."""
        if self.info.repeats:
            return value
        try:
            return convert_value(self.info, value)
        except ValueError as error:
            self.fail(f"expected {error}, got {value!r}", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete choices, files and directories."""
        if self.info.choices:
            return [CompletionItem(one) for one in self.info.choices if one.startswith(incomplete)]
        kinds = {"FILE": "file", "[HOST=]FILE": "file", "DIR": "dir"}
        kind = kinds.get(self.info.metavar)
        return [CompletionItem(incomplete, type=kind)] if kind else []


class DurationType(click.ParamType):  # type: ignore[type-arg]  # as above
    """`10s`, `2m`, `1h`: seconds."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Seconds, more than none."""
        try:
            seconds = parse_duration(value) if isinstance(value, str) else 0.0
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            self.fail(f"expected a time such as 10s, 2m or 1h, got {value!r}", param, ctx)
        return seconds


class EngineCommand(click.Command):
    """A command with the engine's options; its help shows them by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """First what is the command's own, then each group of options."""
        groups = {info.name: info.group for info in option_infos()}
        rows: dict[str, list[tuple[str, str]]] = {"Options": [], "General": []}
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx)
            if row is not None and isinstance(param, click.Option):
                rows.setdefault(groups.get(param.name or "", "Options"), []).append(row)
        for group, records in rows.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl(records)


def engine_options(function: F) -> F:
    """Give a command every option of the engine, and `--config`."""
    return some_options(*(info.name for info in option_infos()))(function)


def some_options(*names: str) -> Callable[[F], F]:
    """Give a command the engine's options called `names`, and `--config`."""

    def declare(function: F) -> F:
        for info in reversed(option_infos()):
            if info.name in names:
                function = _flag(info)(function)
        return click.option(
            "--config",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Config file to read instead of config.toml. [env: RAMA_CONFIG]",
        )(function)

    return declare


def _flag(info: OptionInfo) -> Callable[[F], F]:
    shown = f" [default: {info.shown_default}]" if info.shown_default else ""
    help_text = f"{info.help}{shown}"
    if info.type == "bool":
        long = info.flags[-1]
        declared = [*info.flags[:-1], f"{long}/--no-{long.removeprefix('--')}"]
        return click.option(info.name, *declared, default=None, help=help_text)
    return click.option(
        info.name,
        *info.flags,
        type=OptionType(info),
        multiple=info.repeats,
        metavar=info.metavar or None,
        help=help_text,
    )


def given_options(ctx: click.Context) -> dict[str, object]:
    """What the command line says of the engine's options, by name; the rest is left out."""
    return {
        info.name: ctx.params[info.name]
        for info in option_infos()
        if ctx.get_parameter_source(info.name) is ParameterSource.COMMANDLINE
    }


def read_options(ctx: click.Context) -> Options:
    """The options of this run. Raises ConfigError."""
    return load_options(given_options(ctx), path=ctx.params.get("config"))


def engine_arguments(ctx: click.Context) -> list[str]:
    """The command line that gives another process the options of this one."""
    given = given_options(ctx)
    arguments: list[str] = []
    if config := ctx.params.get("config"):
        arguments += ["--config", str(config)]
    for info in option_infos():
        if info.name not in given:
            continue
        value, flag = given[info.name], info.flags[-1]
        if isinstance(value, bool):
            arguments.append(flag if value else f"--no-{flag.removeprefix('--')}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            arguments += [part for one in values for part in (flag, str(one))]
    return arguments


def filter_argument(words: Sequence[str]) -> Filter:
    """The filter that `words` of the command line spell. A mistake is pointed at."""
    text = " ".join(words)
    try:
        return parse_filter(text, now=time.time())
    except FilterError as error:
        hint = f"\n{error.hint}" if error.hint else ""
        pointer = " " * min(error.position, len(text)) + "^"
        raise click.UsageError(
            f"the filter does not parse: {error}\n  {escape_text(text)}\n  {pointer}{hint}"
        ) from error
