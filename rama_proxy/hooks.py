"""Hooks: how the engine calls what an addon implements.

They are compiled to tuples once, when addons load: a hook that nobody implements costs one truth
test. An addon's exception goes to `report` and never into a flow. Knows nothing of sockets or the
store.
"""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from rama_proxy.addon import Addon, Command, Exporter
from rama_proxy.errors import AddonError, FilterError
from rama_proxy.filters import parse_filter
from rama_proxy.model.flow import Flow

SLOW_HOOK = 0.1  # seconds in which a hook may hold up all traffic before we say so

F = TypeVar("F", bound=Callable[..., Any])
Report = Callable[[str, str, str], None]  # level, source, message


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
