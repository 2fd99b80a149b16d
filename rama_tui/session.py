"""What the screen looks at: a store, and the engine that writes it if there is one.

The engine is a child that was started here, or one that runs on its own and is only attached to.
Everything shown comes from the store; the control connection brings figures and says when the
engine is gone. Knows nothing of Textual.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.control.client import ControlClient
from rama_proxy.errors import ControlError
from rama_proxy.model.flow import Flow
from rama_proxy.store.reader import Reader
from rama_tui.child import ChildEngine
from rama_tui.message_source import MessageSource

RUNNING, STOPPED, ABSENT = "running", "stopped", "absent"
RATES_KEPT = 40

Message = dict[str, object]


@dataclass(slots=True)
class Health:
    """The engine's last figures."""

    rate: float = 0.0  # flows a second
    active: int = 0
    dropped: int = 0  # bodies that the store had no room for
    backlog: int = 0


@dataclass(slots=True, frozen=True)
class Facts:
    """What stays as it is while an engine runs."""

    listen: tuple[str, ...] = ()
    mode: str = "regular"
    ca_path: str = ""  # the certificate that clients have to trust


class Session:
    """A store that is open for reading. `engine` is RUNNING, STOPPED (it was there) or ABSENT.

    `schema` is what the user gave to name the fields of messages.
    """

    def __init__(
        self, path: Path, child: ChildEngine | None = None, schema: Schema | None = None
    ) -> None:
        """Open the store at `path`, which `child` writes if given. Raises StoreError."""
        self.path = path
        self.child = child
        self.schema = schema
        self.reader = Reader(path)
        self.tail_reader = Reader(path)  # for questions in a thread, while the screen reads
        self.messages = MessageSource(self.open_reader)
        self.engine = RUNNING if child is not None else ABSENT
        self.engine_error = ""
        self.facts = self._first_facts()
        self.health = Health()
        self.rates: list[float] = []
        self._on_change: Callable[[], None] = lambda: None
        self._control: ControlClient | None = None
        self._body_lock = threading.Lock()
        self._body_reader: Reader | None = None

    @property
    def client_address(self) -> str:
        """The address that a client on this machine connects to, "" if nobody ever listened."""
        address = next(iter(self.facts.listen), "")
        host, _, port = address.rpartition(":")
        return f"127.0.0.1:{port}" if host in ("0.0.0.0", "::", "[::]") else address  # noqa: S104

    def open_reader(self) -> Reader:
        """Another reader of the same store, for work beside the screen. Its caller closes it."""
        return Reader(self.path)

    def load_bodies(self, flow: Flow) -> None:
        """Fill in the bodies of `flow`; may be called from any thread. Raises StoreError."""
        with self._body_lock:
            if self._body_reader is None:
                self._body_reader = self.open_reader()
            self._body_reader.load_bodies(flow)

    def store_size(self) -> int:
        """Bytes of the store's files."""
        size = 0
        for suffix in ("", "-wal"):
            try:
                size += Path(f"{self.path}{suffix}").stat().st_size
            except OSError:
                continue  # no WAL: nobody writes
        return size

    async def attach(self, on_change: Callable[[], None]) -> None:
        """Follow the engine if one runs; `on_change` is called when its state or figures change."""
        self._on_change = on_change
        path, token = self._control_address()
        if not path:
            return
        client = ControlClient(path, token, self._on_notice, self._on_closed)
        try:
            await client.connect()
            self.facts = _facts(await client.ask("status"))
        except ControlError as error:
            if self.child is not None:
                await self._engine_gone(str(error))
            return
        self._control = client
        self.engine = RUNNING
        on_change()

    async def replay(self, flow_id: int) -> Message:
        """What came of sending a flow's request again. Raises ControlError with the reason.

        On a connection of its own: a server may take its time.
        """
        path, token = self._control_address()
        if self.engine != RUNNING or not path:
            raise ControlError("no engine is running; `rama replay` in a shell starts one")
        attempts: list[Message] = []

        def on_notice(name: str, fields: Message) -> None:
            told = fields.get("attempts") if name == "progress" else None
            attempts.extend(told if isinstance(told, list) else ())

        client = ControlClient(path, token, on_notice)
        await client.connect()
        try:
            arguments = {"flows": [flow_id]}
            await client.ask("run", timeout=None, command="replay", arguments=arguments)
        finally:
            await client.close()
        return attempts[-1]

    async def detach(self) -> None:
        """Leave the engine; one that runs on its own goes on."""
        self._on_change = lambda: None
        if self._control is not None:
            self._control.on_closed = None
            await self._control.close()
            self._control = None

    def close(self) -> None:
        """Close the store."""
        self.reader.close()
        self.tail_reader.close()
        self.messages.close()
        if self._body_reader is not None:
            self._body_reader.close()

    def _first_facts(self) -> Facts:
        """What the child said, else what the store says of the engine that wrote it."""
        if self.child is not None and self.child.ready is not None:
            return Facts(self.child.ready.listen, ca_path=self.child.ready.ca)
        meta = self.reader.meta
        listen = json.loads(meta("listen") or "[]")
        return _facts({"listen": listen, "mode": meta("mode"), "ca": meta("ca_path")})

    def _control_address(self) -> tuple[str, str]:
        """Path and token of the engine's control socket."""
        if self.child is not None and self.child.ready is not None:
            return self.child.ready.control, self.child.ready.token
        meta = self.reader.meta
        return meta("control_path") or "", meta("control_token") or ""

    def _on_notice(self, name: str, fields: Message) -> None:
        if name != "health":
            return
        self.health = Health(
            rate=_number(fields.get("rate")),
            active=int(_number(fields.get("active"))),
            dropped=int(_number(fields.get("dropped"))),
            backlog=int(_number(fields.get("backlog"))),
        )
        self.rates = [*self.rates[1 - RATES_KEPT :], self.health.rate]
        self._on_change()

    def _on_closed(self) -> None:
        self._gone = asyncio.get_running_loop().create_task(self._engine_gone(""))

    async def _engine_gone(self, why: str) -> None:
        if self.child is not None:
            why = await asyncio.to_thread(self.child.last_words) or why
        self.engine = STOPPED
        self.engine_error = why
        self.health = Health(dropped=self.health.dropped)
        self._on_change()


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _facts(fields: Message) -> Facts:
    listen = fields.get("listen")
    return Facts(
        tuple(str(item) for item in listen) if isinstance(listen, list) else (),
        str(fields.get("mode") or "regular"),
        str(fields.get("ca") or ""),
    )
