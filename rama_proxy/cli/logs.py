"""What a command says on standard error: sentences for people, or one JSON object a line.

Standard `logging` below the name `rama`; captured text in it is escaped.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import click

from rama_proxy.model.text import escape_lines

F = TypeVar("F", bound=Callable[..., object])

OURS = "rama"
VOICE = logging.getLogger("rama.capture")  # what is said unless -q: start, end, progress
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


def log_options(function: F) -> F:
    """Give a command `-v`, `-q` and `--log-format`."""
    function = click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Messages on standard error: sentences, or JSON objects.",
    )(function)
    function = click.option("-q", "--quiet", is_flag=True, help="Say errors only.")(function)
    return click.option(
        "-v", "--verbose", count=True, help="Say more, with times; -vv for everything."
    )(function)


def start_logging(ctx: click.Context) -> None:
    """Set logging up as the options of `log_options` in `ctx` say."""
    quiet, verbose = bool(ctx.params["quiet"]), int(ctx.params["verbose"])
    as_json = ctx.params["log_format"] == "json"
    formatter = _JsonFormatter() if as_json else _TextFormatter(timed=verbose > 0)
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(logging.ERROR if quiet else logging.WARNING)
    chosen = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.getLogger(OURS).setLevel(logging.ERROR if quiet else chosen)
    VOICE.setLevel(logging.ERROR if quiet else min(chosen, logging.INFO))


def say(message: str, **fields: object) -> None:
    """Tell the person, unless -q; `fields` are what a program wants to know of it."""
    VOICE.info("%s", message, extra={"fields": fields})


def on_log(level: str, source: str, message: str) -> None:
    """Take a message of the engine or of an addon."""
    logger = logging.getLogger(f"{OURS}.{source}")
    logger.log(_LEVELS.get(level, logging.ERROR), "%s", message)


class _TextFormatter(logging.Formatter):
    """`rama: sentence`; the level stands before a warning or worse, the source if it is not us."""

    def __init__(self, *, timed: bool) -> None:
        super().__init__()
        self.timed = timed

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines where there is a traceback."""
        parts = [f"{datetime.fromtimestamp(record.created):%H:%M:%S.%f}"[:12]] if self.timed else []
        parts.append("rama:")
        if record.levelno != logging.INFO:
            parts.append(f"{record.levelname.lower()}:")
        if record.name != VOICE.name:
            parts.append(f"{record.name.removeprefix(OURS + '.')}:")
        parts.append(record.getMessage())
        text = " ".join(parts)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return escape_lines(text)


class _JsonFormatter(logging.Formatter):
    """One object a line: time, level, source, message, and the fields that came with it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; JSON escapes what a terminal would obey."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "source": record.name.removeprefix(OURS + "."),
            "message": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str).replace("\x7f", "\\u007f")
