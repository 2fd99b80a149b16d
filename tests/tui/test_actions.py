"""Every action has keys, words and somebody who does it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from textual.binding import Binding

from rama_tui.actions import (
    ACTIONS,
    EVERYWHERE,
    FLOWS,
    LIST,
    MESSAGES,
    OPEN,
    PLACES,
    TYPING,
    Action,
    bindings,
    key_names,
)
from rama_tui.app import RamaApp
from rama_tui.screens.flows import FlowsScreen
from rama_tui.screens.help import help_sections
from rama_tui.widgets.filter_bar import FilterInput
from rama_tui.widgets.flow_list import FlowList
from rama_tui.widgets.messages_pane import MessagesPane

DOERS = {
    EVERYWHERE: RamaApp,
    FLOWS: FlowsScreen,
    OPEN: FlowsScreen,
    MESSAGES: MessagesPane,
    LIST: FlowList,
    TYPING: FilterInput,
}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_each_is_done_by_its_place(action: Action) -> None:
    name = action.call.removeprefix("app.").partition("(")[0]
    doer = RamaApp if action.call.startswith("app.") else DOERS[action.place]
    assert callable(getattr(doer, f"action_{name}"))
    assert action.help.endswith(".")


def test_ids_are_unique_and_no_key_means_two_things_in_one_place() -> None:
    assert max(Counter(action.id for action in ACTIONS).values()) == 1
    for place in PLACES:
        keys = [
            key for action in ACTIONS if action.place == place for key in action.keys.split(",")
        ]
        assert len(keys) == len(set(keys))


def test_keys_that_terminals_cannot_tell_apart_are_not_used() -> None:
    used = {key for action in ACTIONS for key in action.keys.split(",")}
    assert not used & {"ctrl+m", "ctrl+i", "ctrl+h", "ctrl+j", "ctrl+left_square_bracket"}


def test_bindings_carry_the_id_that_a_keymap_names() -> None:
    for place in PLACES:
        found = [item for item in bindings(place) if isinstance(item, Binding)]
        assert [item.id for item in found] == [item.id for item in ACTIONS if item.place == place]


def test_the_help_has_every_action() -> None:
    rows = [row for _, section in help_sections() for row in section]
    for action in ACTIONS:
        assert (" ".join(key_names(action.keys)), f"{action.title}: {action.help}") in rows


def test_keys_are_written_as_on_a_keyboard() -> None:
    assert key_names("slash,f") == ["/", "f"]
    assert key_names("ctrl+p,colon") == ["^p", ":"]
    assert key_names("J,shift+down") == ["J", "shift+↓"]


def test_the_app_stays_small() -> None:
    source = Path(__file__).parent.parent.parent / "rama_tui/app.py"
    assert len(source.read_text().splitlines()) < 150
