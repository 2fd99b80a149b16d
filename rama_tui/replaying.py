"""A flow sent again from the screen, and what is said of replays. Knows the session, no widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rama_proxy.model.flow import Flow
from rama_proxy.model.text import escape_text
from rama_proxy.store.reader import Attempts
from rama_proxy.units import format_size
from rama_tui.session import Message

LoadAttempts = Callable[[Flow], Attempts]


class Outcome(NamedTuple):
    """What a toast says of an attempt."""

    text: str
    failed: bool


def outcome_of(attempt: Message) -> Outcome:
    """What became of an attempt, as the engine tells it."""
    number, origin, error = attempt.get("flow"), attempt.get("origin"), attempt.get("error")
    what = f"flow {number} is a replay of {origin}"
    if error:
        return Outcome(escape_text(f"{what}: {error}"), True)
    size, took = attempt.get("size"), attempt.get("ms")
    parts = [str(attempt.get("status"))]
    if isinstance(size, int):
        parts.append(format_size(size))
    if isinstance(took, (int, float)):
        parts.append(f"{took:.0f} ms")
    return Outcome(f"{what}: {', '.join(parts)}", False)


def attempts_text(flow: Flow, attempts: Attempts) -> str:
    """Of a replay what it repeats, and the other attempts; "" for a flow without any."""
    if not attempts.total:
        return ""
    numbers = " ".join(f"#{number}" for number in attempts.latest)
    shown = f"… {numbers}" if attempts.total > len(attempts.latest) else numbers
    if flow.parent_id is not None:
        return f"replay of #{flow.parent_id}, attempts: {shown}"
    return f"replayed {_times(attempts.total)}: {shown}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
