"""The addon page: every hook is on it, and every Python block on it is an addon that loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rama_proxy
from rama_proxy.addon_files import installed_names, load_script
from rama_proxy.export import Exporters
from rama_proxy.hooks import HOOK_NAMES, Hooks

PAGE = Path(__file__).parent.parent / "addons/README.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def load(block: str, folder: Path) -> object:
    script = folder / "block.py"
    script.write_text(block, "utf-8")
    return load_script(script)


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_every_hook_is_described_with_an_example(name: str) -> None:
    assert re.search(rf"`{name}\b", TEXT)
    definition = re.compile(rf"^ *(async )?def {name}\(", re.MULTILINE)
    assert any(definition.search(block) for block in BLOCKS)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_loads_and_does_something(number: int, tmp_path: Path) -> None:
    addon = load(BLOCKS[number], tmp_path)
    hooks = Hooks([addon])
    has_hooks = [name for name in HOOK_NAMES if getattr(hooks, name)]
    offers = hooks.annotations() or hooks.commands()
    assert has_hooks or Exporters.of([addon]).names or offers


def test_there_are_blocks() -> None:
    assert len(BLOCKS) > 10


def test_no_hook_is_misspelt() -> None:
    helpers = {"to_wget", "recheck", "__init__"}
    defined = {name for block in BLOCKS for name in re.findall(r"def (\w+)\(", block)}
    assert defined - helpers == set(HOOK_NAMES)


def test_what_the_page_says_of_the_root_is_so() -> None:
    imported = {
        name.strip()
        for line in re.findall(r"from rama_proxy import ([\w, ]+)", TEXT)
        for name in line.split(",")
        if name.strip()
    }
    assert imported <= set(rama_proxy.__all__)
    assert all(hasattr(rama_proxy, name) for name in rama_proxy.__all__)


def test_installed_addons_are_named_in_their_folder() -> None:
    shown = set(re.findall(r"--addon (\w+)", TEXT))
    assert shown
    assert shown <= set(installed_names())
