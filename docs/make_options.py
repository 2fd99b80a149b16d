"""Writes docs/options.md from rama_proxy.config; `--check` only says whether it is up to date."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from rama_proxy.config import OptionInfo, option_infos

PAGE = Path(__file__).with_name("options.md")

HEAD = """\
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
are separated by commas, in the file it is a list. `RAMA_CONFDIR` moves the configuration directory,
`RAMA_CAPTURES` the directory that stores are made in.

<!-- Written by `make docs` from rama_proxy/config.py. Edit that. -->
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for group, infos in groupby(option_infos(), key=lambda info: info.group):
        parts.append(
            f"\n## {group}\n\n| flag | key | variable | default | |\n|---|---|---|---|---|\n"
        )
        parts.extend(row(info) for info in infos)
    return "".join(parts)


def row(info: OptionInfo) -> str:
    """The table row of one option."""
    flags = ", ".join(f"`{flag}`" for flag in info.flags)
    value = f" {info.metavar}" if info.metavar else ""
    default = f"`{info.shown_default}`" if info.shown_default else ""
    cells = (flags + escape(value), f"`{info.name}`", f"`{info.env}`", default, escape(info.help))
    return f"| {' | '.join(cells)} |\n"


def escape(text: str) -> str:
    """`text` for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;")


def main() -> int:
    """Exit code 1 if `--check` finds the page out of date."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page():
        print("docs/options.md is out of date: run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
