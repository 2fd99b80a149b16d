"""Every action of the terminal: its keys, its name, what it does.

Key bindings, footer, command palette and help screen are made from this table; `id` is the name by
which a keymap changes the keys. The methods `action_…` that do it stand on the app, the screen or
the widget that `place` names.
"""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding, BindingType

EVERYWHERE, FLOWS, OPEN, LIST = "everywhere", "flows", "open", "list"
PLACES = {
    EVERYWHERE: "Everywhere",
    FLOWS: "Flows",
    OPEN: "While a flow is open",
    LIST: "Moving in the list",
}


class Action(NamedTuple):
    """One thing a person can do. `call` is Textual's action, `keys` its names of keys."""

    id: str
    keys: str
    call: str
    title: str
    help: str
    place: str
    footer: str = ""  # its name in the footer, "" for not there
    palette: bool = True
    priority: bool = False  # acts before what is typed next, also if both come in one packet


ACTIONS = (
    Action("open", "enter", "open", "Open", "Show the request and response.", FLOWS, "Open"),
    Action(
        "filter",
        "slash,f",
        "filter",
        "Filter",
        "Narrow the list as you type; enter keeps the filter, escape the one before.",
        FLOWS,
        "Filter",
        priority=True,
    ),
    Action(
        "copy.curl",
        "c",
        "copy_curl",
        "Copy as curl",
        "Put a curl command that sends the same request into the clipboard.",
        FLOWS,
        "curl",
    ),
    Action(
        "copy.url", "y", "copy_url", "Copy URL", "Put the URL into the clipboard.", FLOWS, "URL"
    ),
    Action("follow", "F", "follow", "Follow", "Stay at the newest flow, or stop.", FLOWS, "Follow"),
    Action("next", "J,shift+down", "step(1)", "Next flow", "Move on without leaving it.", FLOWS),
    Action("previous", "K,shift+up", "step(-1)", "Previous flow", "The same, backwards.", FLOWS),
    Action(
        "clear", "escape", "clear_filter", "Clear filter", "Show all flows again.", FLOWS, "Clear"
    ),
    Action("close", "escape,q", "close", "Back", "Close the opened flow.", OPEN, "Back"),
    Action("zoom", "z", "zoom", "Zoom", "Give it the whole screen, or back.", OPEN, "Zoom"),
    Action("down", "down,j", "move(1)", "Down", "One flow down.", LIST, palette=False),
    Action("up", "up,k", "move(-1)", "Up", "One flow up.", LIST, palette=False),
    Action(
        "page.down", "pagedown,space", "page(1)", "Page down", "A page down.", LIST, palette=False
    ),
    Action("page.up", "pageup,b", "page(-1)", "Page up", "A page up.", LIST, palette=False),
    Action(
        "half.down",
        "ctrl+d",
        "page(0.5)",
        "Half a page down",
        "Half a page down.",
        LIST,
        palette=False,
    ),
    Action(
        "half.up", "ctrl+u", "page(-0.5)", "Half a page up", "Half a page up.", LIST, palette=False
    ),
    Action("top", "g,home", "top", "Top", "To the oldest flow.", LIST),
    Action("bottom", "G,end", "bottom", "Bottom", "To the newest flow, and follow.", LIST),
    Action("help", "question_mark,f1", "help", "Help", "Keys, signs, filters.", EVERYWHERE, "Help"),
    Action(
        "palette",
        "ctrl+p,colon",
        "command_palette",
        "Commands",
        "Search everything that can be done.",
        EVERYWHERE,
        palette=False,
    ),
    Action(
        "pane",
        "tab",
        "app.focus_next",
        "Next pane",
        "Move the focus on.",
        EVERYWHERE,
        palette=False,
    ),
    Action("pane.back", "shift+tab", "app.focus_previous", "Previous pane", "Or back.", EVERYWHERE),
    Action(
        "theme", "ctrl+t", "toggle_theme", "Light or dark", "Change between the two.", EVERYWHERE
    ),
    Action(
        "leave",
        "q",
        "leave",
        "Quit",
        "A proxy that was started with it ends too; one that was not goes on.",
        EVERYWHERE,
        "Quit",
    ),
    Action("quit", "ctrl+q", "quit", "Quit at once", "From wherever you are.", EVERYWHERE),
)


def bindings(place: str) -> list[BindingType]:
    """The key bindings of one place, in the order of the table."""
    return [
        Binding(
            action.keys,
            action.call,
            action.footer or action.title,
            show=bool(action.footer),
            tooltip=action.help,
            id=action.id,
            priority=action.priority,
        )
        for action in ACTIONS
        if action.place == place
    ]


_KEY_SIGNS = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "escape": "esc",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "down": "↓",
    "up": "↑",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


def key_names(keys: str) -> list[str]:
    """How the keys of a binding are written on the screen: `/`, `^p`, `shift+↓`."""
    return [_key_name(key) for key in keys.split(",")]


def _key_name(key: str) -> str:
    *modifiers, name = key.strip().split("+")
    before = "".join("^" if item == "ctrl" else f"{item}+" for item in modifiers)
    return before + _KEY_SIGNS.get(name, name)
