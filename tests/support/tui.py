"""The app on a headless terminal, with a store that a test fills while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from rama_proxy.model.flow import Flow
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer
from rama_tui.app import RamaApp
from rama_tui.screens.flows import FlowsScreen
from rama_tui.session import Session

SIZE = (120, 36)
Exporters = dict[str, Callable[[Flow], str]]


def curl_of(flow: Flow) -> str:
    """A stand-in for the exporter of an addon."""
    return f"curl '{flow.request.url}' --data-raw '{bytes(flow.request.body).decode()}'"


@contextlib.asynccontextmanager
async def shown(
    session: Session,
    *,
    size: tuple[int, int] = SIZE,
    exporters: Exporters | None = None,
    loaded: bool = True,
) -> AsyncIterator[Pilot[int]]:
    """The app on `session`, once the flows are there if `loaded`."""
    app = RamaApp(session, {"curl": curl_of} if exporters is None else exporters)
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            if loaded:
                await until(pilot, lambda: len(screen_of(pilot).flow_list.view) > 0)
            yield pilot
    finally:
        session.close()


def screen_of(pilot: Pilot[int]) -> FlowsScreen:
    """The main screen, also when another is above it."""
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, FlowsScreen))


async def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    """Let the loop run until `condition` is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain")
        await asyncio.sleep(0.01)


async def until(pilot: Pilot[int], condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until `condition` is true and the screen has caught up."""
    try:
        await eventually(condition, seconds)
    except pytest.fail.Exception as error:
        pytest.fail(f"{error.msg}; the screen shows:\n{text_of(pilot)}")
    await pilot.pause()


async def until_shows(pilot: Pilot[int], *texts: str, seconds: float = 10) -> str:
    """The screen once it has all of `texts`."""
    await until(pilot, lambda: all(text in text_of(pilot) for text in texts), seconds)
    return text_of(pilot)


async def settled(pilot: Pilot[int], looks: int = 12) -> None:
    """Wait until nothing moves: the screen is the same, colours too, at `looks` looks in a row."""
    before: object = None
    same = 0

    def still() -> bool:
        nonlocal before, same
        strips = [list(strip) for strip in pilot.app.screen._compositor.render_strips()]
        same = same + 1 if strips == before else 0
        before = strips
        return same >= looks

    await until(pilot, still)


def text_of(pilot: Pilot[int]) -> str:
    """What is on the screen, a line for each row."""
    screen = pilot.app.screen
    return "\n".join(
        "".join(part.text for part in strip) for strip in screen._compositor.render_strips()
    )


def line_of(pilot: Pilot[int], text: str) -> str:
    """The first line of the screen that has `text`."""
    return next(line for line in text_of(pilot).splitlines() if text in line)


@contextlib.contextmanager
def live_store(path: Path) -> Iterator[Writer]:
    """A writer on a new store at `path`, as an engine has one."""
    problems: list[str] = []
    writer = Writer(path, budget=1 << 30, on_problem=problems.append)
    writer.open()
    writer.start()
    try:
        yield writer
    finally:
        writer.close()
    assert not problems, problems


def put(writer: Writer, flows: Iterable[Flow]) -> None:
    """Store `flows`, and return when readers see them."""
    for flow in flows:
        writer.put_connection(flow.client)
        if flow.server is not None:
            writer.put_connection(flow.server)
        writer.put_flow(flow)
    assert writer.flush(10)


def ids_in(path: Path) -> list[int]:
    """The ids in the store at `path`."""
    with Reader(path) as reader:
        return list(reader.ids())
