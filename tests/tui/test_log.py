"""The log on the screen: problems are told as they come, and are there to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.store.writer import Writer
from rama_tui.problems import Problems
from rama_tui.screens.log import EMPTY, LogScreen, log_text
from rama_tui.session import RUNNING, Facts, Session
from rama_tui.widgets.flow_list import FlowList
from tests.support.flows import make_flow
from tests.support.tui import live_store, put, shown, until, until_shows


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer on a new store."""
    with live_store(tmp_path / "live.db") as found:
        yield found


def live(writer: Writer) -> Session:
    """A session on what `writer` writes, as if an engine ran."""
    session = Session(writer.path)
    session.engine = RUNNING
    session.facts = Facts(("127.0.0.1:8080",))
    return session


async def test_an_addons_error_is_told_counted_and_shown(writer: Writer) -> None:
    async with shown(live(writer), loaded=False) as pilot:
        await until_shows(pilot, "0 flows")
        writer.log("error", "tag.request", "Traceback\n  line 3\nKeyError: 'x\x1b]0;y\x07'")
        assert writer.flush(5)
        text = await until_shows(pilot, "tag.request: KeyError", "▲ 1 problem (E)")
        assert "\x1b" not in text
        await pilot.press("E")
        text = await until_shows(pilot, "Log", "line 3", "KeyError")
        assert "problem (E)" not in text
        writer.log("info", "scripts", "loaded anew: tag.py")
        assert writer.flush(5)
        await until_shows(pilot, "loaded anew: tag.py")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, LogScreen))


async def test_an_empty_log_says_what_will_be_there(writer: Writer) -> None:
    async with shown(live(writer), loaded=False) as pilot:
        await until_shows(pilot, "0 flows")
        await pilot.press("E")
        await until_shows(pilot, EMPTY[:30])


async def test_tabs_change_from_the_list_too(writer: Writer) -> None:
    put(writer, [make_flow(1)])
    async with shown(live(writer), size=(160, 45)) as pilot:
        await until_shows(pilot, "1 flow", "FOLLOW")
        await pilot.press("enter")
        await until_shows(pilot, "pretty raw hex")
        assert isinstance(pilot.app.focused, FlowList)
        await pilot.press("right_square_bracket")
        await until_shows(pilot, "client → proxy")
        await pilot.press("left_square_bracket")
        await until_shows(pilot, "pretty raw hex")


def test_what_was_there_before_is_no_news(writer: Writer) -> None:
    writer.log("error", "old", "long ago")
    assert writer.flush(5)
    with Session(writer.path).open_reader() as reader:
        problems = Problems(reader.logs)
        assert problems.look() == ""
        writer.log("warning", "new", "just now")
        assert writer.flush(5)
        assert problems.look() == "new: just now"
        assert problems.count == 1
        assert [entry.source for entry in problems.entries(0)] == ["old", "new"]
        assert "✗" in log_text(problems.entries(0)).plain
