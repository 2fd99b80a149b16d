"""The app: themes, the command palette, signals, and the screens it starts with."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from rama_tui.actions import ACTIONS, EVERYWHERE, FLOWS, LIST, MESSAGES, OPEN, bindings
from rama_tui.escape import Escape
from rama_tui.screens.flows import Exporters, FlowsScreen
from rama_tui.screens.help import HelpScreen
from rama_tui.session import Session
from rama_tui.themes import DARK, LIGHT, PLAIN

LEAVE_WITHIN = 10.0  # seconds after a signal: what a child engine may take to drain, and more


class RamaApp(App[int]):
    """Rama in a terminal. It leaves the session to whoever made it; `session.close` ends that."""

    TITLE = "rama"
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE)
    COMMAND_PALETTE_BINDING = "ctrl+p"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-tall")]  # noqa: RUF012  Textual's type is no ClassVar
    CSS = """
    Footer { background: $background; }
    ToastRack { margin-bottom: 2; }
    Toast { background: $panel; padding: 0 1; }
    """

    def __init__(self, session: Session, exporters: Exporters) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=plain or None)
        self.session = session
        self.exporters = exporters
        self.animation_level = "none"
        self._filters.append(Escape())
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = PLAIN if plain else DARK.name

    def on_mount(self) -> None:
        """Open the list, and leave the terminal in order when we are told to go."""
        self.push_screen(FlowsScreen(self.session, self.exporters))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._leave, number)
        if not self.is_headless:
            self.call_after_refresh(self._freeze)

    def _leave(self, number: int) -> None:
        """Exit because of a signal; a terminal that is gone may not hold us up."""
        if not self.is_headless:
            timer = threading.Timer(LEAVE_WITHIN, os._exit, (128 + number,))
            timer.daemon = True
            timer.start()
        self.exit(128 + number)

    async def on_unmount(self) -> None:
        """Leave the engine, and hand the signals back."""
        await self.session.detach()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.remove_signal_handler(number)

    @staticmethod
    def _freeze() -> None:
        """What is loaded by now stays; looking through it at each collection costs frames."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action of the table that makes sense here, and the themes."""
        nodes: dict[str, DOMNode] = {EVERYWHERE: self}
        if isinstance(screen, FlowsScreen):
            nodes |= {FLOWS: screen, OPEN: screen, LIST: screen.flow_list}
            if screen.pane.is_open and (messages := screen.pane.detail.messages) is not None:
                nodes[MESSAGES] = messages
        for action in ACTIONS:
            node = nodes.get(action.place)
            if action.palette and node is not None and node.check_action(action.call, ()):
                run = partial(self.run_action, action.call, node)
                yield SystemCommand(action.title, action.help, run)
        yield SystemCommand("Theme", "Choose among all themes.", self.action_change_theme)

    def action_help(self) -> None:
        """Show the keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name

    def action_leave(self) -> None:
        """Leave what is open, at the list quit."""
        if isinstance(self.screen, FlowsScreen):
            self.exit(0)
        else:
            self.pop_screen()
