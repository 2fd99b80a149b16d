"""What stands where flows will be: how to send some here, or why none is shown."""

from __future__ import annotations

import shlex
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from rama_proxy.model.text import escape_text
from rama_tui.looks import look
from rama_tui.session import ABSENT, RUNNING

WIDEST = 96  # cells; longer lines are harder to read than broken ones


class Emptiness(NamedTuple):
    """Why the list is empty. `hidden` counts flows that `filter_text` leaves out."""

    engine: str = ABSENT
    address: str = ""
    mode: str = "regular"
    ca_path: str = ""
    filter_text: str = ""
    hidden: int = 0
    error: str = ""  # why the engine stopped


class EmptyState(Widget):
    """A few centred lines; nothing in it takes the focus."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"empty-state--{name}" for name in ("title", "label", "command", "bad")
    }
    DEFAULT_CSS = """
    EmptyState {
        color: $text-muted; background: $background; width: 100%; height: 1fr;
        content-align: center middle;
        & > .empty-state--title { color: $foreground; text-style: bold; }
        & > .empty-state--label { color: $text-muted; }
        & > .empty-state--command { color: $accent; }
        & > .empty-state--bad { color: $error; text-style: bold; }
    }
    """

    why: reactive[Emptiness] = reactive(Emptiness())

    def render(self) -> Text:
        """The lines for `why`, as a block in the middle."""
        width = min(WIDEST, max(20, self.size.width - 4))
        lines = lines_for(self.why, width)
        widest = max(len(text) for text, _ in lines)
        left = " " * max(0, (self.size.width - widest) // 2)
        shown = Text(no_wrap=True, overflow="ellipsis")
        for text, name in lines:
            style = look(self, f"empty-state--{name}")
            shown.append(f"{left}{text}".ljust(self.size.width) + "\n", style)
        shown.right_crop(1)
        return shown


def lines_for(why: Emptiness, width: int) -> list[tuple[str, str]]:
    """The lines for `why`, no wider than `width` where it can be, each with its style."""
    if why.filter_text:
        text = escape_text(why.filter_text)
        hidden = "1 flow is" if why.hidden == 1 else f"{why.hidden:,} flows are"
        return [
            (f"No flow matches  {text}"[:width], "title"),
            ("", "label"),
            (f"{hidden} hidden. esc clears the filter, / changes it.", "label"),
        ]
    if why.engine == RUNNING:
        return _guide(why, width)
    if why.engine == ABSENT:
        return [("This capture holds no flows.", "title")]
    lines = [("The engine has stopped.", "bad"), (escape_text(why.error)[:width], "label")]
    return [*lines, ("Start again: quit with q, then run rama.", "label")]


def first_command(why: Emptiness) -> str:
    """The command that sends a first request."""
    if why.mode.startswith("reverse"):
        return f"curl http://{why.address}/"
    return f"curl -x http://{why.address} http://example.com"


def _guide(why: Emptiness, width: int) -> list[tuple[str, str]]:
    proxy = f"http://{why.address}"
    lines = [(f"Waiting for traffic on {why.address}", "title"), ("", "label")]
    lines += [("Send a request (c copies this line)", "label")]
    lines += _command(first_command(why), width)
    if why.mode.startswith("reverse"):
        return lines
    https = f"curl -x {proxy} --cacert {shlex.quote(escape_text(why.ca_path))} https://example.com"
    lines += [("", "label"), ("HTTPS, trusting this proxy's certificate", "label")]
    lines += _command(https, width)
    lines += [("", "label"), ("Everything that is started from a shell", "label")]
    lines += _command(f"export http_proxy={proxy} https_proxy={proxy}", width)
    return [*lines, ("", "label"), ("? shows all keys", "label")]


def _command(command: str, width: int) -> list[tuple[str, str]]:
    """A command in one line, or in several that the shell joins again."""
    lines: list[str] = []
    line = ""
    for word in command.split(" "):
        if line and len(line) + len(word) + 5 > width:
            lines.append(f"{line} \\")
            line = "  "
        line = f"{line} {word}".removeprefix(" ") if line else word
    lines.append(line)
    return [(f"  {line}", "command") for line in lines]
