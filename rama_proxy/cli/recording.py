"""One run of the engine for the command line: from its start to its last word.

The loop runs here; signals, time limits and a parent that goes away end it. What is recorded is
the engine's business, what is printed is console.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rama_proxy.cli.console import Console, flow_json, flow_line, wants_colour
from rama_proxy.cli.logs import on_log, say
from rama_proxy.config import Options
from rama_proxy.engine import Proxy
from rama_proxy.errors import RamaError, StartError
from rama_proxy.filters import Filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import authority_of
from rama_proxy.store.files import new_store_path
from rama_proxy.units import format_duration, format_size

HURRY = 3.0  # seconds that a stop may take which is to be at once


class Companion(Protocol):
    """What runs beside the engine: the origin and the clients of the demo."""

    async def prepare(self, options: Options) -> None:
        """Before the engine is made; may change its options."""

    async def run(self, proxy: tuple[str, int], ca: Path) -> None:
        """While the engine runs; its end ends the run unless `attached`."""

    async def close(self) -> None:
        """After the engine stopped."""


@dataclass(slots=True)
class Recording:
    """What a run was asked to do, and how it goes."""

    options: Options
    store: Path
    selects: Filter
    seconds: float | None = None
    count: int | None = None
    as_json: bool = False
    attached: bool = False
    companion: Companion | None = None
    selected: int = 0
    console: Console | None = None
    colour: bool = field(default_factory=wants_colour)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    signal: int = 0

    async def run(self) -> int:
        """Record until something ends it; gives the exit code. Raises RamaError."""
        with self._signals():
            try:
                if self.companion is not None:
                    await self.companion.prepare(self.options)
                proxy = Proxy(self.options, self.store, on_log)
                if self.stop.is_set():  # a signal came early
                    proxy.stop_wanted.set()
                self.stop = proxy.stop_wanted
                if not self.attached or self.count is not None:
                    proxy.capture.on_flow.append(self._on_flow)
                await self._start(proxy)
                return await self._serve(proxy)
            except asyncio.CancelledError:
                if not self.signal:
                    raise
                return 128 + self.signal
            finally:
                if self.companion is not None:
                    await self.companion.close()

    async def _start(self, proxy: Proxy) -> None:
        """Start, or leave nothing behind: an empty capture would be the newest one."""
        is_new = not self.store.exists()
        try:
            await proxy.start()
        except BaseException:
            if is_new:
                with contextlib.suppress(OSError):  # it may be that there could be no file at all
                    self.store.unlink()
            raise

    async def _serve(self, proxy: Proxy) -> int:
        task = None
        if self.attached:
            self._report_ready(proxy)
        else:
            self._open_console()
            self._announce(proxy)
        if self.companion is not None:
            running = self.companion.run(proxy.addresses[0], proxy.authority.path)
            task = asyncio.get_running_loop().create_task(running)
            task.add_done_callback(self._companion_ended)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                await self.stop.wait()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        code = await self._stop(proxy)
        if self.console is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.console.close)
        if not self.attached:
            self._sum_up(proxy)
        return code

    async def _stop(self, proxy: Proxy) -> int:
        """Drain and stop; at once if a second signal says so."""
        active = len(proxy.capture.active)
        if active and not self.attached:
            limit = format_duration(self.options.shutdown_timeout)
            say(f"waiting up to {limit} for {_several(active, 'flow')}; Ctrl-C again to stop now")
        try:
            await proxy.stop(drain=True)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.signal or task is None:
                raise
            task.uncancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HURRY):
                    await proxy.stop(drain=False)
            return 128 + self.signal
        return 0

    # --- what ends a run

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal ends the run, the second cuts the draining short, the third kills."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        seen: list[int] = []

        def on_signal(number: int) -> None:
            seen.append(number)
            if len(seen) == 1:
                self.stop.set()
            elif len(seen) == 2:
                self.signal = number
                task.cancel()
            else:
                os._exit(128 + number)

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, on_signal, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _on_flow(self, flow: Flow) -> None:
        if self.count is not None and self.selected >= self.count:
            return
        if not self.selects.matches(flow):
            return
        self.selected += 1
        if self.console is not None:
            line = flow_json(flow) if self.as_json else flow_line(flow, colour=self.colour)
            self.console.put(line)
        if self.selected == self.count:
            self.stop.set()

    def _companion_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            on_log("error", "demo", f"the sample traffic broke off: {error!r}")
        if not self.attached:
            self.stop.set()

    def _open_console(self) -> None:
        loop = asyncio.get_running_loop()

        def broken(error: OSError | None) -> None:
            if error is None:
                loop.call_soon_threadsafe(self.stop.set)
            else:
                on_log("error", "capture", f"cannot print flows any more: {error.strerror}")

        if sys.stdout is not None:  # somebody may have closed it
            self.console = Console(sys.stdout, broken)

    # --- what is said

    def _announce(self, proxy: Proxy) -> None:
        where = [authority_of("", *address) for address in proxy.addresses]
        say(
            f"listening on {', '.join(where)} ({proxy.mode.text}), recording into {self.store}; "
            f"clients have to trust {proxy.authority.path}",
            listen=where,
            store=str(self.store),
            ca=str(proxy.authority.path),
        )

    def _report_ready(self, proxy: Proxy) -> None:
        """Tell the parent where everything is, and end when it does."""
        assert proxy.control is not None
        ready = {
            "ready": True,
            "listen": [authority_of("", *address) for address in proxy.addresses],
            "store": str(self.store),
            "control": str(proxy.control.path),
            "token": proxy.token,
            "ca": str(proxy.authority.path),
        }
        print(json.dumps(ready), flush=True)
        loop = asyncio.get_running_loop()

        def await_end() -> None:
            with contextlib.suppress(OSError):  # no standard input is as good as its end
                while os.read(0, 4096):
                    pass
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self.stop.set)

        threading.Thread(target=await_end, name="parent", daemon=True).start()

    def _sum_up(self, proxy: Proxy) -> None:
        capture = proxy.capture
        shown = f"{self.selected} of " if self.selects.text or self.count else ""
        parts = [
            f"{shown}{_several(capture.flows, 'flow')}",
            _several(capture.errors, "error"),
            format_size(capture.bytes),
        ]
        if dropped := proxy.writer.dropped_bodies + capture.dropped_bodies:
            parts.append(f"{dropped} bodies not recorded")
        if self.console is not None and self.console.left_out:
            parts.append(f"{self.console.left_out} lines not printed")
        say(
            f"{', '.join(parts)}; recorded in {self.store}",
            flows=capture.flows,
            selected=self.selected,
            errors=capture.errors,
            bytes=capture.bytes,
            store=str(self.store),
        )


def refuse_ready(error: RamaError) -> None:
    """Tell the parent of an attached run why there is none."""
    answer: dict[str, object] = {"ready": False, "error": str(error), "exit_code": error.exit_code}
    if isinstance(error, StartError) and error.free_port:
        answer["free_port"] = error.free_port
    print(json.dumps(answer), flush=True)


def store_path(options: Options) -> Path:
    """Where to record: the file of the options, else a new one among the captures."""
    return Path(options.store) if options.store else new_store_path()


def _several(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
