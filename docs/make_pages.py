"""Writes the reference pages from the tables in the code; `--check` says whether they are current.

options.md comes from rama_proxy.config, filters.md from rama_proxy.filters, keys.md from
rama_tui.actions, the manual pages in man/ from the commands' help.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from click_man.core import write_man_pages

from rama_proxy import __version__
from rama_proxy.cli import main
from rama_proxy.config import OptionInfo, option_infos
from rama_proxy.filters import MESSAGE_OPERATORS, OPERATORS, Operator
from rama_tui.actions import ACTIONS, PLACES, key_names

MANUAL_DATE = "November 2026"  # of the last change to the commands that a reader would notice
HERE = Path(__file__).parent
NOTE = "\n<!-- Written by `make docs` from {source}. Edit that. -->\n"

OPTIONS = """\
# Options

Every option can be set in four places; the first that sets it wins: the flag, the environment
variable, the config file, the default. The config file is `config.toml` in the configuration
directory (`rama doctor` says where that is), or the one that `RAMA_CONFIG` names; its keys are the
names below.

```toml
port = 9090
ssl_insecure = true
body_limit = "64M"
idle_timeout = "2m"
scripts = ["~/addons/tag.py"]
```

Sizes are bytes or written like `64k`, `16M`, `1G`; times are seconds or written like `500ms`,
`10s`, `2m`, `1h30m`. A flag that may repeat adds a value each time; in the environment its values
are separated by commas, in the file it is a list. `RAMA_CONFDIR` moves the configuration
directory, `RAMA_CAPTURES` the directory that stores are made in.
"""

FILTERS = """\
# Filters

The same language narrows the list in the terminal, `rama ls` and `rama capture`, and says to an
addon's hook which flows it is for. Operators and their meaning are mitmproxy's where mitmproxy has
them.

```sh
rama ls today.db '~d example.com & ~m POST'
rama ls '~c 4xx | ~e'
rama ls 'status >= 500 and host ~ api'
rama capture '!~a & ~t json'
```

`&` is and, `|` is or, `!` is not, parentheses group; `&` binds before `|`. Operators side by side
mean and. A word without an operator is looked for in the URL. An argument is a regular expression
that matches anywhere, whatever the case; quote it if it has spaces, `~`, quotes or parentheses.

## Numbers, sizes and times

`~c 404` is that number, `~c 4xx` a class, `~c 400-499` a range with both ends in it; `<`, `<=`,
`>`, `>=` and `=` go before the value (`~size >1m`, `~dur >500ms`). Sizes are in bytes or `k`, `m`,
`g`, `t`, in steps of 1024; durations in seconds or `ms`, `s`, `m`, `h`, `d`. A time is a day, a
minute or a second in local time: `~at 2026-11-24`, `~at 14:30-15:00`, `~at >2026-11-24T14:30:05`;
without a day it is today. `~since 10m` is counted from the moment at which the filter is read, so
it and a time without a day are not for an addon's hook.

## Words

`name sign value`, with a space before the sign, says the same as an operator: `host ~ api` is `~d
api`, `duration > 1s` is `~dur >1s`. `~` and `!~` take a regular expression; `=` and `!=` compare
the whole, whatever the case. `and`, `or` and `not` are `&`, `|` and `!` where a term follows. To
look for such a word in the URL, quote it.

## Names and values

`~ck`, `~qs` and `~hdr` take a name, or `name=value`: `~ck session`, `~qs page=3`, `~hdr
content-type=json`. The name is the whole name, the value is found anywhere in it; both are regular
expressions. A query is searched unquoted.

## Regular expressions

They are written as in Python and run by [RE2](https://github.com/google/re2), whose time grows
with the text and with nothing else: no expression holds anything up. So there is no look-around,
no reference back to a group (`\\1`), no possessive repeat, and no `{n}` whose expression becomes
longer than 500 steps; a filter that has one is refused. `\\d`, `\\w`, `\\s` and `\\b` know ASCII.
`(?-i)` at its beginning makes an expression heed case. Bodies are searched as bytes: `.` is any
byte, line ends too, and `\\xff` is that byte.

## Operators
"""

MESSAGE_FILTERS = """
## Messages of a flow

The list of a flow's messages (a WebSocket's, for one) has a filter of its own in the same language,
with these operators and no words for them. A word is looked for in what the messages say, as
bytes.
"""

KEYS = """\
# Keys

`?` shows these on the screen, `ctrl+p` finds any of them by name.
"""


def options_page() -> str:
    """Every option, by group."""
    parts = [OPTIONS, NOTE.format(source="rama_proxy/config.py")]
    for group, infos in groupby(option_infos(), key=lambda info: info.group):
        parts.append(
            f"\n## {group}\n\n| flag | key | variable | default | |\n|---|---|---|---|---|\n"
        )
        parts.extend(option_row(info) for info in infos)
    return "".join(parts)


def option_row(info: OptionInfo) -> str:
    """The row of one option."""
    flags = ", ".join(f"`{flag}`" for flag in info.flags)
    value = f" {info.metavar}" if info.metavar else ""
    default = f"`{info.shown_default}`" if info.shown_default else ""
    return row(flags + escape(value), f"`{info.name}`", f"`{info.env}`", default, escape(info.help))


def filters_page() -> str:
    """Every operator."""
    parts = [FILTERS, NOTE.format(source="rama_proxy/filters/fields.py and messages.py")]
    for operators in (OPERATORS, MESSAGE_OPERATORS):
        parts.append(MESSAGE_FILTERS if operators is MESSAGE_OPERATORS else "")
        parts.append("\n| operator | word | |\n|---|---|---|\n")
        parts.extend(operator_row(operator) for operator in operators.values())
    return "".join(parts)


def operator_row(operator: Operator) -> str:
    """The row of one operator."""
    argument = f" {operator.takes.rpartition(' ')[2]}" if operator.takes else ""
    word = f"`{operator.word}`" if operator.word else ""
    return row(f"`~{operator.code}{argument}`", word, escape(operator.help))


def keys_page() -> str:
    """Every action, by the place where its keys work."""
    parts = [KEYS, NOTE.format(source="rama_tui/actions.py")]
    for place, title in PLACES.items():
        parts.append(f"\n## {title}\n\n| keys | | |\n|---|---|---|\n")
        for action in ACTIONS:
            if action.place == place:
                names = " ".join(f"`{name}`" for name in key_names(action.keys))
                parts.append(row(names, action.title, escape(action.help)))
    return "".join(parts)


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"


def escape(text: str) -> str:
    """`text` for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;")


def manual_pages() -> dict[str, str]:
    """A page in man's language for each command, by its path."""
    with TemporaryDirectory() as folder:
        write_man_pages("rama", main, version=__version__, target_dir=folder, date=MANUAL_DATE)
        return {f"man/{path.name}": path.read_text("utf-8") for path in Path(folder).iterdir()}


PAGES = {"options.md": options_page, "filters.md": filters_page, "keys.md": keys_page}


def write_pages() -> int:
    """Exit code 1 if `--check` finds a page that is not current."""
    stale = []
    pages = {name: page() for name, page in PAGES.items()} | manual_pages()
    for name, text in pages.items():
        file = HERE / name
        if "--check" not in sys.argv[1:]:
            file.write_text(text, "utf-8")
        elif not file.exists() or file.read_text("utf-8") != text:
            stale.append(name)
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(write_pages())
