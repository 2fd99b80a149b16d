"""The command line. This file holds the names of the commands and what runs without one.

Each command is a file of its own and imported when it is used, so that help and version are there
at once.
"""

from __future__ import annotations

import click

from rama_proxy import __version__
from rama_proxy.cli.lazy import Lazy, LazyGroup

HERE = "rama_proxy.cli"

COMMANDS = {
    "tui": Lazy(f"{HERE}.tui:tui", "Open the terminal interface: what `rama` alone does."),
    "capture": Lazy(f"{HERE}.capture:capture", "Record traffic, one line for each flow."),
    "ls": Lazy(f"{HERE}.browse:ls", "List the flows of a store."),
    "show": Lazy(f"{HERE}.browse:show", "Show one flow of a store."),
    "replay": Lazy(f"{HERE}.replay:replay", "Send stored requests again, once or many times."),
    "export": Lazy(f"{HERE}.export:export", "Write a flow in another format, as a curl command."),
    "ca": Lazy(f"{HERE}.ca:ca", "Show, export and check the certificate authority."),
    "demo": Lazy(f"{HERE}.demo:demo", "See it work: sample traffic from a bundled server."),
    "doctor": Lazy(f"{HERE}.doctor:doctor", "Check what works here, and say what to do."),
    "completion": Lazy(f"{HERE}.completion:completion", "Print a completion script for a shell."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    default="tui",
    no_args_is_help=False,
    options_metavar="",
    subcommand_metavar="[OPTIONS] [FILE] | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="rama %(version)s")
def main() -> None:
    """See and record HTTP traffic.

    Without a command, rama starts a proxy on 127.0.0.1:8080 and opens the terminal interface; with
    FILE it opens a store, finished or still running. Every option of `rama capture` may be given:

    \b
      rama -p 9090 -w today.db      another port, a store of that name
      rama today.db                 look into it later
      rama capture --json           no terminal interface, one JSON line for each flow
    """
