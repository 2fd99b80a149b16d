"""Hooks: what an addon may implement, and how the engine calls it.

`Addon` documents every hook; an addon is any object or module with functions of these names. They
are compiled to tuples once, when addons load: a hook that nobody implements costs one truth test.
An addon's exception goes to `report` and never into a flow. Knows nothing of sockets or the store.
"""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from rama_proxy.errors import AddonError, FilterError
from rama_proxy.filters import parse_filter
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request
from rama_proxy.protocols.client_hello import ClientHello
from rama_proxy.protocols.http2_start import ConnectionStart

SLOW_HOOK = 0.1  # seconds in which a hook may hold up all traffic before we say so

F = TypeVar("F", bound=Callable[..., Any])
Report = Callable[[str, str, str], None]  # level, source, message
Exporter = Callable[[Flow], str]
Done = Awaitable[None] | None  # a hook may be async


@dataclass(slots=True)
class ServerConnectData:
    """A connection to a server and the client it is for. Setting `server.error` refuses it."""

    server: ConnectionInfo
    client: ConnectionInfo


@dataclass(slots=True)
class ClientHelloData:
    """A ClientHello before it is answered. `ignore_connection` passes all of it on untouched."""

    client: ConnectionInfo
    client_hello: ClientHello
    ignore_connection: bool = False


@dataclass(slots=True)
class Http2StartData:
    """How a client began its HTTP/2 connection, up to the head of its first request."""

    client: ConnectionInfo
    start: ConnectionStart


class Engine(Protocol):
    """What an addon may ask of the running proxy."""

    async def find(self, expression: str) -> list[int]:
        """The ids of the stored flows that a filter selects, in order. Raises for a bad one."""

    async def flow(self, flow_id: int) -> Flow | None:
        """A stored flow with its bodies, None if there is none."""

    async def submit(self, request: Request, parent: Flow | None = None) -> Flow:
        """Send a request that no client sent; gives its flow once that is over.

        A failure is in the flow's `error`. `parent` is the flow that is sent once more. Raises
        ValueError for a request that cannot be sent: a tunnel, or one that is not whole.
        """


@dataclass(slots=True)
class CommandCall:
    """One call of an addon's command.

    `await progress({…})` tells who waits for it how far it is; it returns when they keep up.
    Requests that are submitted through this `engine` share connections, as those of a client do.
    """

    arguments: Mapping[str, object]
    engine: Engine
    progress: Callable[[Mapping[str, object]], Awaitable[None]]


Command = Callable[[CommandCall], Awaitable[Mapping[str, object]]]


@dataclass(slots=True)
class Loader:
    """What `load` gets: the settings given to addons, a way to declare one, and the engine.

    `engine` is None where none runs; it may be asked from `running` on.
    """

    settings: dict[str, object] = field(default_factory=dict)
    engine: Engine | None = None

    def add_option(self, name: str, typespec: object, default: object, help: str = "") -> None:  # noqa: A002  mitmproxy's name
        """Declare setting `name`; one given before keeps its value."""
        del typespec, help
        self.settings.setdefault(name, default)


class Addon:
    """Every hook, in the order in which one exchange meets them. Each may be async.

    Beside hooks an addon may have `exporters` (format name → function of a flow that gives text)
    and `annotations` (name → what it means), the values of which it puts into a connection's
    `annotations`; they become columns and filters. `commands` (name → async function of a
    CommandCall) are what others may ask it to do; what they give is the answer.
    """

    exporters: Mapping[str, Exporter] = {}
    annotations: Mapping[str, str] = {}
    commands: Mapping[str, Command] = {}

    def load(self, loader: Loader) -> Done:
        """The addon was loaded; declare settings here."""

    def running(self) -> Done:
        """The proxy accepts connections."""

    def done(self) -> Done:
        """The addon is unloaded, or the proxy stops."""

    def client_connected(self, client: ConnectionInfo) -> Done:
        """A client connected. Setting `client.error` closes the connection."""

    def client_disconnected(self, client: ConnectionInfo) -> Done:
        """A client's connection is closed."""

    def server_connect(self, data: ServerConnectData) -> Done:
        """A connection to a server is about to be made; `data.server.address` may be changed."""

    def server_connected(self, data: ServerConnectData) -> Done:
        """A connection to a server was made."""

    def server_connect_error(self, data: ServerConnectData) -> Done:
        """A connection to a server failed; `data.server.error` says why."""

    def server_disconnected(self, data: ServerConnectData) -> Done:
        """A connection to a server is closed."""

    def tls_clienthello(self, data: ClientHelloData) -> Done:
        """A client sent its ClientHello; nothing was answered yet."""

    def tls_established_server(self, data: ServerConnectData) -> Done:
        """The TLS handshake with a server is done; `data.server.tls` says what was agreed."""

    def http2_start(self, data: Http2StartData) -> Done:
        """The head of a client's first HTTP/2 request is here; comes once for each connection."""

    def http_connect(self, flow: Flow) -> Done:
        """A client asks for a tunnel. Setting `flow.response` refuses it."""

    def requestheaders(self, flow: Flow) -> Done:
        """The head of a request is here, the body not yet."""

    def request(self, flow: Flow) -> Done:
        """The whole request is here. Setting `flow.response` answers it without a server."""

    def responseheaders(self, flow: Flow) -> Done:
        """The head of a response is here, the body not yet."""

    def response(self, flow: Flow) -> Done:
        """The whole response is here and goes to the client next."""

    def websocket_start(self, flow: Flow) -> Done:
        """A connection became a WebSocket; `flow.websocket` is what it will be known by."""

    def websocket_message(self, flow: Flow) -> Done:
        """A text or binary message is here; it is `flow.websocket.messages[-1]`."""

    def websocket_end(self, flow: Flow) -> Done:
        """A WebSocket has ended; `flow.websocket.close_code` says how."""

    def error(self, flow: Flow) -> Done:
        """The flow failed; `flow.error` says why. Exactly one of response and error is called."""


HOOK_NAMES = tuple(name for name, value in vars(Addon).items() if inspect.isfunction(value))
BODY_HOOKS = frozenset({"request", "response", "websocket_message"})


def when(expression: str = "", *, body: bool = True) -> Callable[[F], F]:
    """Call the hook only for flows that the filter `expression` matches.

    `body=False` on `request`, `response` or `websocket_message`: the hook does not change the body
    or message, which then streams through; the hook is called once it has gone by.
    """

    def mark(function: F) -> F:
        function.__rama_when__ = (expression, body)  # type: ignore[attr-defined]  # functions take attributes
        return function

    return mark


class Call:
    """One hook of one addon, with the filter it was marked with and what it has cost."""

    __slots__ = ("body", "calls", "errors", "function", "matches", "seconds", "source")

    def __init__(self, source: str, name: str, function: Callable[..., object]) -> None:
        expression, body = getattr(function, "__rama_when__", ("", True))
        self.source = f"{source}.{name}"
        self.function = function
        self.body = bool(body) and name in BODY_HOOKS
        try:
            self.matches = parse_filter(expression).matches if expression else None
        except FilterError as error:
            raise AddonError(f"{self.source}: bad filter {expression!r}: {error}") from error
        self.calls = 0
        self.errors = 0
        self.seconds = 0.0


Calls = tuple[Call, ...]


class Hooks:
    """The hooks of all loaded addons; one tuple of calls for each name in HOOK_NAMES."""

    load: Calls
    running: Calls
    done: Calls
    client_connected: Calls
    client_disconnected: Calls
    server_connect: Calls
    server_connected: Calls
    server_connect_error: Calls
    server_disconnected: Calls
    tls_clienthello: Calls
    tls_established_server: Calls
    http2_start: Calls
    http_connect: Calls
    requestheaders: Calls
    request: Calls
    responseheaders: Calls
    response: Calls
    websocket_start: Calls
    websocket_message: Calls
    websocket_end: Calls
    error: Calls

    def __init__(self, addons: Iterable[object] = (), report: Report | None = None) -> None:
        self.report: Report = report or (lambda level, source, message: None)
        self.set_addons(addons)

    def set_addons(self, addons: Iterable[object]) -> None:
        """Compile the hooks of `addons` in order, and of what they hold in a list `addons`.

        Raises AddonError for a bad `when` filter.
        """
        self.addons = _flat(addons, [])
        compiled = {
            name: tuple(
                Call(addon_name(addon), name, function)
                for addon in self.addons
                if callable(function := getattr(addon, name, None)) and not _inherited(addon, name)
            )
            for name in HOOK_NAMES
        }
        for name, calls in compiled.items():
            setattr(self, name, calls)

    async def run(self, calls: Calls, argument: object) -> None:
        """Call each of `calls` with `argument`; those with a filter only if it matches the flow."""
        for call in calls:
            if call.matches is not None and not (
                isinstance(argument, Flow) and call.matches(argument)
            ):
                continue
            await self._call(call, argument)

    async def run_plain(self, calls: Calls) -> None:
        """Call each of `calls` without an argument (running, done)."""
        for call in calls:
            await self._call(call)

    async def _call(self, call: Call, *arguments: object) -> None:
        begin = time.perf_counter()
        held = 0.0
        try:
            result = call.function(*arguments)
            held = time.perf_counter() - begin
            if result is not None and isinstance(result, Awaitable):
                await result
        except BaseException as error:
            if not _ends_its_hook_alone(error):
                raise
            call.errors += 1
            self.report("error", call.source, traceback.format_exc(limit=-4).rstrip())
        call.calls += 1
        call.seconds += time.perf_counter() - begin
        if held > SLOW_HOOK:
            self.report(
                "warning",
                call.source,
                f"held up all traffic for {held * 1000:.0f} ms; make it async",
            )

    @staticmethod
    def wants_body(calls: Calls, flow: Flow) -> bool:
        """Whether one of `calls` has to see the whole body of `flow`'s message."""
        return any(call.body and (call.matches is None or call.matches(flow)) for call in calls)

    def exporters(self) -> dict[str, Exporter]:
        """The export formats of all addons."""
        found: dict[str, Exporter] = {}
        for addon in self.addons:
            found.update(getattr(addon, "exporters", {}))
        return found

    def commands(self) -> dict[str, Command]:
        """The commands of all addons."""
        found: dict[str, Command] = {}
        for addon in self.addons:
            named = getattr(addon, "commands", None)
            if isinstance(named, Mapping):
                found.update(named)
        return found

    def annotations(self) -> dict[str, str]:
        """The names of the annotations of all addons, with their meaning."""
        found: dict[str, str] = {}
        for addon in self.addons:
            named = getattr(addon, "annotations", None)
            if isinstance(named, Mapping):  # a script's `from __future__ import annotations` is not
                found.update(named)
        return found


def _ends_its_hook_alone(error: BaseException) -> bool:
    """Whether `error` is the addon's: it may raise anything, but a stop must get through."""
    if isinstance(error, (Exception, SystemExit)):
        return True
    import asyncio  # 40 ms, which `rama --help` need not wait; loaded where a hook runs

    task = asyncio.current_task()
    stopped = task is not None and bool(task.cancelling())
    return isinstance(error, asyncio.CancelledError) and not stopped


def addon_name(addon: object) -> str:
    """What logs call an addon: its module's or class's name."""
    name = getattr(addon, "name", None) or getattr(addon, "__name__", None) or type(addon).__name__
    return str(name).rpartition(".")[2]


def _flat(addons: Iterable[object], found: list[object]) -> list[object]:
    """`addons`, each followed by those in its own list `addons`, nobody twice."""
    for addon in addons:
        if not any(addon is known for known in found):
            found.append(addon)
            inner = getattr(addon, "addons", ())
            _flat(inner if isinstance(inner, list | tuple) else (), found)
    return found


def _inherited(addon: object, name: str) -> bool:
    """Whether `addon` has hook `name` only as Addon's empty documentation."""
    return isinstance(addon, Addon) and getattr(type(addon), name) is getattr(Addon, name)
