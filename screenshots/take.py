"""Takes the README's pictures: `make screenshots`.

Records the sample traffic of `rama demo`, opens the store with the engine attached as a person
would, and saves list, detail, TLS and messages pane as SVG and PNG, in two sizes. PNGs are drawn
with the fonts that are installed: Debian's fonts-firacode, and fonts-vlgothic for Japanese.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import resvg_py
from textual.pilot import Pilot

from rama_proxy.filters import parse_filter
from rama_proxy.store.reader import Reader
from rama_tui.app import RamaApp
from rama_tui.child import ChildEngine, engine_command
from rama_tui.screens.flows import FlowsScreen
from rama_tui.session import RUNNING, Session
from rama_tui.widgets.detail import Detail
from rama_tui.widgets.detail_tabs import EXCHANGE, MESSAGES, TLS
from rama_tui.widgets.message_list import MessageList

HERE = Path(__file__).resolve().parent
SIZES = ((140, 45), (80, 24))
OPENED = "~u graphql$"  # the flow that is shown: JSON both ways, over HTTP/2
PATIENCE = 15.0


def record(directory: Path) -> Path:
    """A store with one round of the demo's traffic, in the current directory."""
    store = Path("demo.db")  # a short name on the screen
    command = [sys.executable, "-m", "rama_proxy", "demo", "--headless", "--quiet"]
    command += ["--port", "0", "--write", str(store), "--confdir", str(directory / "config")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return store


async def until(pilot: Pilot[int], condition: Callable[[], object], what: str) -> None:
    """Wait for the screen to come to `condition`."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit(f"waited {PATIENCE:g} s for {what}")
        await pilot.pause(0.02)
    await pilot.pause()


async def take(store: Path, child: ChildEngine, size: tuple[int, int]) -> None:
    """The four pictures of one size."""
    session = Session(store, child)
    reader = Reader(store)
    opened = next(reader.iter_flows(parse_filter(OPENED).where(), newest_first=False)).id
    talk = next(row.id for row in reader.iter_flows() if row.kind == "websocket")
    reader.close()
    app = RamaApp(session, {})
    async with app.run_test(size=size) as pilot:
        screen = app.screen
        assert isinstance(screen, FlowsScreen)
        flows = screen.flow_list
        await until(pilot, lambda: session.engine == RUNNING and len(flows.view), "the list")
        save(app, "list", size)
        flows.follow = False
        flows.cursor = flows.view.near(opened)
        await until(pilot, lambda: flows.cursor_id == opened, "the cursor")
        await pilot.press("enter")
        detail = screen.query_one(Detail)
        await until(pilot, lambda: detail.region.height and detail.is_settled, "the detail")
        save(app, "detail", size)
        detail.open_tab(TLS)
        await until(pilot, lambda: detail.is_settled, "the TLS pane")
        save(app, "tls", size)
        detail.open_tab(EXCHANGE)
        await pilot.press("escape")
        flows.cursor = flows.view.near(talk)
        await until(pilot, lambda: flows.cursor_id == talk, "the cursor")
        await pilot.press("enter")
        await until(pilot, lambda: detail.tab == MESSAGES and detail.is_settled, "the messages")
        messages = screen.query_one(MessageList)
        messages.focus()
        await pilot.press("down")  # to what the server said
        await until(pilot, lambda: messages.cursor_id == 2 and detail.is_settled, "the message")
        save(app, "messages", size)
    session.close()


def save(app: RamaApp, name: str, size: tuple[int, int]) -> None:
    """Write what the screen shows as SVG and PNG."""
    svg = app.export_screenshot(title=" ")  # the screen says what it is
    path = HERE / f"{name}-{size[0]}x{size[1]}"
    path.with_suffix(".svg").write_text(svg, "utf-8")
    path.with_suffix(".png").write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg, dpi=96)))
    print(path.with_suffix(".png").relative_to(HERE.parent))


def main() -> None:
    """Record, then take them all."""
    with tempfile.TemporaryDirectory(prefix="rama-") as name, contextlib.chdir(name):
        directory = Path(name)
        store = record(directory)
        options = ["--write", str(store), "--confdir", str(directory / "config"), "--port", "0"]
        child = ChildEngine(engine_command(options))
        try:
            child.wait_ready()
            for size in SIZES:
                asyncio.run(take(store, child, size))
        finally:
            child.stop()


if __name__ == "__main__":
    main()
