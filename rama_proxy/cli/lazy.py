"""A command group that knows its commands by name and imports one when it is used.

It also turns every RamaError into `rama: sentence` and its exit code. Knows no command.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from rama_proxy.errors import FilterError, RamaError
from rama_proxy.model.text import escape_lines


class Lazy(NamedTuple):
    """Where a command is (`module:attribute`), and its line in the list of commands."""

    place: str
    help: str


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name; looking one up imports its module."""

    def __init__(self, entries: Mapping[str, Lazy]) -> None:
        self.entries = dict(entries)
        self.loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self.loaded:
            module, _, attribute = self.entries[name].place.partition(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            self.loaded[name] = command
        return self.loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self.entries.setdefault(name, Lazy("", command.get_short_help_str()))
        self.loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self.entries[name]
        self.loaded.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Failure(click.ClickException):
    """A RamaError on its way to the person: one sentence on standard error, and its exit code."""

    def __init__(self, error: RamaError) -> None:
        super().__init__(sentence(error))
        self.error = error
        self.exit_code = error.exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: object = None) -> None:
        """Write the sentence."""
        del file
        click.echo(f"rama: {self.message}", err=True)


def sentence(error: RamaError) -> str:
    """What a person is told of `error`, safe for a terminal."""
    text = str(error) or type(error).__name__
    if isinstance(error, FilterError) and error.hint:
        text = f"{text}; {error.hint}"
    return escape_lines(text)


class LazyGroup(click.Group):
    """A group of LazyCommands; `default` is the one that runs when none is named."""

    def __init__(
        self, name: str | None = None, *, lazy: Mapping[str, Lazy], default: str, **settings: object
    ) -> None:
        self.entries = LazyCommands(lazy)
        self.default = default
        super().__init__(name, self.entries, **settings)  # type: ignore[arg-type]  # passed through

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order in which help shows them."""
        return list(self.entries)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of what names none."""
        if not ctx.resilient_parsing and not self._is_own(ctx, args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def _is_own(self, ctx: click.Context, args: list[str]) -> bool:
        """Whether `args` begin with a command or with an option of the group itself."""
        own = {name for param in self.get_params(ctx) for name in param.opts}
        return bool(args) and (args[0] in self.entries or args[0] in own)

    def nearest(self, name: str) -> str:
        """The command whose name is most like `name`, "" if none is."""
        close = difflib.get_close_matches(name, self.entries, 1)
        return close[0] if close else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table and not from the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.entries.entries[name].help) for name in self.entries])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, and files for the default one."""
        names = [name for name in self.entries if name.startswith(incomplete)]
        found = [CompletionItem(name, help=self.entries.entries[name].help) for name in names]
        if incomplete and not found:
            found.append(CompletionItem(incomplete, type="file"))
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; errors of ours become sentences, a closed pipe ends quietly."""
        try:
            return super().invoke(ctx)
        except RamaError as error:
            raise Failure(error) from error
        except BrokenPipeError:
            close_stdout()
            ctx.exit(0)
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(130)


def close_stdout() -> None:
    """Let nothing more be written to a standard output that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
