"""The engine: builds everything from the options, starts it, lets it drain, stops it.

This is the only place where the parts meet. It knows no protocol and no column.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rama_proxy import __version__
from rama_proxy.addon_engine import AddonEngine, run_command
from rama_proxy.addon_set import AddonSet
from rama_proxy.capture import Capture
from rama_proxy.certs.authority import Authority
from rama_proxy.certs.contexts import Contexts
from rama_proxy.config import Options, config_dir, convert_option
from rama_proxy.control.messages import Message
from rama_proxy.control.server import (
    ControlServer,
    Handler,
    Notify,
    make_socket_path,
    make_token,
)
from rama_proxy.errors import ConfigError
from rama_proxy.hooks import Hooks, addon_name
from rama_proxy.model import connection, flow
from rama_proxy.model.connection import Address
from rama_proxy.model.message import authority_of
from rama_proxy.modes import MODES
from rama_proxy.modes.spec import parse_mode
from rama_proxy.net.dial import Dialer
from rama_proxy.net.listener import Listener, connection_limit
from rama_proxy.net.pool import Pool
from rama_proxy.net.stream import Stream
from rama_proxy.net.sweeper import Sweeper
from rama_proxy.relay.layers import announcing, closing, explaining
from rama_proxy.relay.wiring import Conn, Phases, Wiring
from rama_proxy.service import stack
from rama_proxy.store.writer import Writer
from rama_proxy.submit import Submissions

TICK = 1.0  # seconds between sweeps
TELL_EVERY = 10.0  # seconds between two lines about refused connections
KEPT = 4  # times what may wait for the store may be kept of flows under way
LOG_LEVELS = ("debug", "info", "warning", "error")


class Proxy:
    """A proxy with its store, addons and control socket."""

    def __init__(
        self,
        options: Options,
        store: Path,
        on_log: Callable[[str, str, str], None] | None = None,
    ) -> None:
        """`on_log` gets level, source and message of what a person should know."""
        self.options = options
        self.store = store
        self.on_log = on_log
        self.started = time.time()
        self.mode = parse_mode(options.mode)
        self.authority = Authority.load(Path(options.confdir) if options.confdir else config_dir())
        self.writer = Writer(store, budget=options.capture_budget, on_problem=self._store_problem)
        self.capture = Capture(self.writer, KEPT * options.capture_budget)
        self.hooks = Hooks(report=self.log)
        self.addons = AddonSet(self.hooks, options.addons, options.scripts)
        self.sweeper = Sweeper(options.stream_timeout)
        dialer = Dialer(options.connect_timeout, self.sweeper, options.resolve, options.dns_server)
        contexts = Contexts(self.authority, options)
        self.wiring = Wiring(options, self.hooks, self.capture, contexts, dialer, Phases(options))
        self.submissions = Submissions()
        self.addons.engine = AddonEngine(self.wiring, self.submissions)
        self.listener = Listener(
            options.listen_host,
            options.port,
            self._serve,
            connection_limit(options.max_connections),
            self.mode.text,
            self.sweeper,
        )
        self.service = stack(
            closing, announcing, explaining, service=MODES[self.mode.name](self.mode)
        )
        self.control: ControlServer | None = None
        self.token = make_token()
        self.stop_wanted = asyncio.Event()
        self.loop_lag = 0.0
        self._told_refused = 0, -TELL_EVERY
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and stop

    async def start(self) -> None:
        """Open the store, load addons, listen. Raises RamaError and leaves nothing open."""
        self.writer.open()
        try:
            flow.reserve_ids(self.writer.last_flow_id() + 1)
            connection.reserve_ids(self.writer.last_connection_id() + 1)
            self.writer.start()
            await self.addons.load()
            await self.listener.open()
            await self._open_control()
        except BaseException:
            self.listener.close()
            self.writer.close()
            raise
        self.wiring.dialer.own = self.listener.bound
        self._publish()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.writer.flush, TICK)  # who is told next finds it there
        self._tasks.append(loop.create_task(self._tick()))
        if self.options.scripts:
            self._tasks.append(loop.create_task(self.addons.watch()))
        await self.hooks.run_plain(self.hooks.running)
        gc.collect()
        gc.freeze()
        gc.set_threshold(
            50_000, 20, 100
        )  # flows are no cycles; the default looks at them too often

    @property
    def addresses(self) -> list[Address]:
        """Where clients can connect."""
        return [(self.listener.host, self.listener.port)]

    def _listen(self) -> list[str]:
        return [authority_of("", host, port) for host, port in self.addresses]

    async def stop(self, *, drain: bool = True) -> None:
        """Accept no more, let exchanges end within the shutdown timeout, close the store."""
        end = time.monotonic() + (self.options.shutdown_timeout if drain else 0.0)
        self.listener.close()
        self.submissions.close()
        cut = await self.listener.drain(end - time.monotonic())
        if cut:
            self.log("warning", "engine", f"{cut} connections were cut off")
        if cut := await self.submissions.drain(end - time.monotonic()):
            self.log("warning", "engine", f"{cut} requests of Rama's own were cut off")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hooks.run_plain(self.hooks.done)
        if self.control is not None:
            await self.control.stop()
        self.writer.set_meta("ended_at", str(time.time()))
        self.writer.set_meta("control_path", "")
        await asyncio.get_running_loop().run_in_executor(None, self.writer.close)

    async def _open_control(self) -> None:
        jobs = {"run": self.run}
        control = ControlServer(make_socket_path(), self.token, self._operations(), jobs)
        await control.start()
        self.control = control

    def _publish(self) -> None:
        """Tell readers of the store who writes it and how to reach them."""
        assert self.control is not None
        facts = {
            "control_path": str(self.control.path),
            "control_token": self.token,
            "engine_pid": str(os.getpid()),
            "listen": json.dumps(self._listen()),
            "mode": self.mode.text,
            "ca_path": str(self.authority.path),
            "ended_at": "",
        }
        for key, value in facts.items():
            self.writer.set_meta(key, value)

    # --- connections

    async def _serve(self, client: Stream) -> None:
        await self.service(Conn(client, self.wiring, Pool()))

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            self.loop_lag = max(0.0, now - last - TICK)
            self.capture.tick(now - last)
            self.sweeper.sweep()
            self._tell_refused(now)
            if self.control is not None:
                self.control.broadcast("health", **self.health())
            last = now

    def _tell_refused(self, now: float) -> None:
        """Say that connections were refused, but not each second of a flood."""
        told, when = self._told_refused
        refused = self.listener.refused
        if refused > told and now - when >= TELL_EVERY:
            self._told_refused = refused, now
            limit = self.listener.limit
            self.log("warning", "engine", f"{refused - told} connections refused: {limit} are open")

    # --- control

    def _operations(self) -> Mapping[str, Handler]:
        return {
            "status": lambda args: self.status(),
            "shutdown": self._shut_down,
            "set": self._set_option,
            "reload": self._reload,
            "note": self._note,
        }

    async def _shut_down(self, args: Message) -> Message:
        self.stop_wanted.set()
        return {}

    async def _reload(self, args: Message) -> Message:
        await self.addons.reload()
        return {"addons": len(self.hooks.addons)}

    async def _set_option(self, args: Message) -> Message:
        name = str(args.get("name"))
        if name not in LIVE_OPTIONS:
            known = ", ".join(sorted(LIVE_OPTIONS))
            raise ConfigError(f"{name!r} cannot be set while the engine runs; these can: {known}")
        value = convert_option(name, args.get("value"), "control")
        setattr(self.options, name, value)
        self.wiring.phases = Phases(self.options)
        self.wiring.dialer.timeout = self.options.connect_timeout
        self.sweeper.stall_limit = self.options.stream_timeout
        self.log("info", "control", f"{name} set to {value!r}")
        return {"name": name, "value": value}

    async def _note(self, args: Message) -> Message:
        flow_id = args.get("flow")
        if not isinstance(flow_id, int):
            raise ConfigError("note takes flow=ID and mark or comment")
        texts = {key: str(args[key]) for key in ("mark", "comment") if key in args}
        self.writer.edit(flow_id, **texts)
        return {}

    async def run(self, args: Message, notify: Notify) -> Message:
        """Do an addon's command; `notify` gets its progress. Raises RamaError."""
        commands = self.hooks.commands()
        name = args.get("command")
        if not isinstance(name, str) or name not in commands:
            known = ", ".join(sorted(commands)) or "none"
            raise ConfigError(f"no addon has a command {name!r}; there are: {known}")
        arguments = args.get("arguments")
        if not isinstance(arguments, dict):
            raise ConfigError("run takes command=NAME and arguments={…}")
        engine = AddonEngine(self.wiring, self.submissions)
        return await run_command(name, commands[name], arguments, engine, notify)

    def health(self) -> dict[str, object]:
        """Live figures, cheap enough for twice a second."""
        return {
            "flows": self.capture.flows,
            "errors": self.capture.errors,
            "bytes": self.capture.bytes,
            "rate": round(self.capture.rate, 1),
            "active": len(self.capture.active),
            "connections": len(self.listener.tasks),
            "refused": self.listener.refused,
            "backlog": self.writer.backlog_bytes,
            "dropped": self.writer.dropped_bodies + self.capture.dropped_bodies,
            "loop_lag_ms": round(self.loop_lag * 1000, 1),
        }

    def status(self) -> dict[str, object]:
        """Everything a person may want to know of a running engine."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": self.started,
            "listen": self._listen(),
            "mode": self.mode.text,
            "store": str(self.store),
            "ca": str(self.authority.path),
            "addons": [addon_name(addon) for addon in self.hooks.addons],
            **self.health(),
        }

    # --- reports

    def log(self, level: str, source: str, message: str) -> None:
        """Write a line into the store's log, and tell whoever started us."""
        self.writer.log(level, source, message)
        if self.on_log is not None:
            self.on_log(level, source, message)

    def _store_problem(self, message: str) -> None:
        if self.on_log is not None:
            self.on_log("error", "store", message)


LIVE_OPTIONS = frozenset(
    {
        "body_limit",
        "body_timeout",
        "connect_timeout",
        "handshake_timeout",
        "head_timeout",
        "idle_timeout",
        "keep_host",
        "response_timeout",
        "ssl_insecure",
        "stream_timeout",
        "tunnel_timeout",
    }
)
