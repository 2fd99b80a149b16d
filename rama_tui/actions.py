"""Every action of the terminal: its keys, its name, what it does.

Key bindings, footer, command palette and help screen are made from this table; `id` is the name by
which a keymap changes the keys. The methods `action_…` that do it stand on the app, the screen or
the widget that `place` names.
"""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding, BindingType

EVERYWHERE, FLOWS, OPEN, LIST, TYPING = "everywhere", "flows", "open", "list", "typing"
MESSAGES = "messages"
PLACES = {
    EVERYWHERE: "Everywhere",
    FLOWS: "Flows",
    OPEN: "While a flow is open",
    MESSAGES: "Messages of a flow",
    LIST: "Moving in a list",
    TYPING: "In the filter line",
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
    Action("copy.url", "y", "copy_url", "Copy URL", "Put the URL into the clipboard.", FLOWS),
    Action(
        "replay",
        "r",
        "replay",
        "Replay",
        "Send the same request again; what comes back is a flow of its own.",
        FLOWS,
        "Replay",
    ),
    Action("follow", "F", "follow", "Follow", "Stay at the newest flow, or stop.", FLOWS, "Follow"),
    Action("log", "E", "log", "Log", "What the engine and addons reported.", FLOWS),
    Action(
        "next", "J,shift+down", "step(1)", "Next flow", "Without leaving the opened one.", FLOWS
    ),
    Action("previous", "K,shift+up", "step(-1)", "Previous flow", "Likewise.", FLOWS),
    Action(
        "clear", "escape", "clear_filter", "Clear filter", "Show all flows again.", FLOWS, "Clear"
    ),
    Action("close", "escape,q", "close", "Back", "Close the opened flow.", OPEN, "Back"),
    Action("zoom", "z", "zoom", "Zoom", "Give it the whole screen, or back.", OPEN, "Zoom"),
    Action(
        "tab.next",
        "right_square_bracket",
        "open_tab(1)",
        "Next tab",
        "Messages, TLS, timing, raw.",
        OPEN,
    ),
    Action("tab.previous", "left_square_bracket", "open_tab(-1)", "Previous tab", "Back.", OPEN),
    Action(
        "messages.filter",
        "slash,f",
        "filter",
        "Filter messages",
        "Narrow the list of messages as you type; enter keeps the filter, escape the one before.",
        MESSAGES,
        "Filter",
        priority=True,
    ),
    Action(
        "messages.read",
        "enter",
        "read",
        "Read message",
        "Go into the message, to scroll it.",
        MESSAGES,
        "Read",
    ),
    Action(
        "messages.back",
        "escape",
        "step_back",
        "Back to the messages",
        "From the message to the list, and then show all messages again.",
        MESSAGES,
        "List",
    ),
    Action(
        "messages.copy",
        "y",
        "copy",
        "Copy message",
        "Put what it says into the clipboard as it was sent, bytes as hexadecimal.",
        MESSAGES,
        "Copy",
    ),
    Action(
        "messages.follow",
        "F",
        "follow",
        "Follow messages",
        "Stay at the newest message, or stop; at the end of the list it does so by itself.",
        MESSAGES,
        "Follow",
    ),
    Action(
        "messages.view",
        "v",
        "next_view",
        "View message",
        "Show the message formatted, as sent, or as bytes.",
        MESSAGES,
        "View",
    ),
    Action(
        "messages.wrap",
        "w",
        "toggle_wrap",
        "Wrap message",
        "Break long lines of the message at the edge, or not.",
        MESSAGES,
    ),
    Action(
        "messages.zoom",
        "Z",
        "zoom_message",
        "Zoom message",
        "Give the message the place of the list too, or back.",
        MESSAGES,
    ),
    Action("down", "down,j", "move(1)", "Down", "To the next row.", LIST, palette=False),
    Action("up", "up,k", "move(-1)", "Up", "To the row before.", LIST, palette=False),
    Action(
        "page.down",
        "pagedown,space",
        "page(1)",
        "Page down",
        "By as many rows as are in sight.",
        LIST,
        palette=False,
    ),
    Action(
        "page.up",
        "pageup,b",
        "page(-1)",
        "Page up",
        "By as many rows as are in sight.",
        LIST,
        palette=False,
    ),
    Action(
        "half.down",
        "ctrl+d",
        "page(0.5)",
        "Half a page down",
        "By half as many.",
        LIST,
        palette=False,
    ),
    Action(
        "half.up", "ctrl+u", "page(-0.5)", "Half a page up", "By half as many.", LIST, palette=False
    ),
    Action("top", "g,home", "top", "Top", "To the oldest.", LIST),
    Action("bottom", "G,end", "bottom", "Bottom", "To the newest, and follow.", LIST),
    Action(
        "filter.keep", "enter", "keep", "Keep", "Back to the list with this filter.", TYPING, "Keep"
    ),
    Action(
        "filter.undo",
        "escape",
        "undo",
        "Undo",
        "Back to the list with the filter before.",
        TYPING,
        "Undo",
    ),
    Action(
        "filter.earlier", "up", "recall(-1)", "Earlier", "A filter that was kept before.", TYPING
    ),
    Action("filter.later", "down", "recall(1)", "Later", "The one after it.", TYPING),
    Action("help", "question_mark,f1", "help", "Help", "Keys, signs, filters.", EVERYWHERE, "Help"),
    Action(
        "palette",
        "ctrl+p,colon",
        "command_palette",
        "Commands",
        "Find what can be done by its name.",
        EVERYWHERE,
        palette=False,
    ),
    Action(
        "pane",
        "tab",
        "app.focus_next",
        "Next pane",
        "List, filter line, panes of the opened flow.",
        EVERYWHERE,
        palette=False,
    ),
    Action(
        "pane.back",
        "shift+tab",
        "app.focus_previous",
        "Previous pane",
        "The other way round.",
        EVERYWHERE,
    ),
    Action("theme", "ctrl+t", "toggle_theme", "Light or dark", "Change the colours.", EVERYWHERE),
    Action(
        "leave",
        "q",
        "leave",
        "Quit",
        "A proxy that was started here ends too.",
        EVERYWHERE,
        "Quit",
    ),
    Action(
        "quit",
        "ctrl+q",
        "quit",
        "Quit at once",
        "From wherever you are.",
        EVERYWHERE,
        priority=True,
    ),
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
