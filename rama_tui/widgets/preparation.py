"""What a thread does for the detail pane: read bodies, decode, format and index them.

Knows nothing of the screen. Bodies stay on the flow, so that a second look need not read them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.errors import RamaError
from rama_proxy.model.flow import Flow
from rama_tui.widgets.message_view import Body, Look, prepare
from rama_tui.widgets.raw_view import Wire, prepare_wire

REQUEST, RESPONSE = "request", "response"


class Wanted(NamedTuple):
    """A side, in the words of its pane."""

    side: str
    mode: str
    wrap: bool
    raw: bool


@dataclass(slots=True)
class Prepared:
    """What was made for a flow, by side."""

    flow: Flow
    bodies: dict[str, Body | None] = field(default_factory=dict)
    wires: dict[str, Wire | None] = field(default_factory=dict)


class Preparation:
    """Reads with `load_bodies`, one flow at a time, and makes what panes show of it."""

    def __init__(self, load_bodies: Callable[[Flow], None], schema: Schema | None = None) -> None:
        self._load_bodies = load_bodies
        self._schema = schema
        self._reading = threading.Lock()
        self.loaded: Flow | None = None  # whose chunks are there

    def run(
        self, flow: Flow, wanted: Iterable[Wanted], is_cancelled: Callable[[], bool]
    ) -> Prepared | None:
        """Everything `wanted` of `flow`; None if it was cancelled in between."""
        result = Prepared(flow)
        problem = ""
        with self._reading:
            if self.loaded is not flow and not is_cancelled():
                try:
                    self._load_bodies(flow)
                    self.loaded = flow
                except RamaError as error:
                    problem = f"the body cannot be read: {error}"
        for side, mode, wrap, raw in wanted:
            if is_cancelled():
                return None
            message = flow.request if side == REQUEST else flow.response
            if raw:
                result.wires[side] = prepare_wire(message, mode, wrap=wrap)
            elif problem:
                result.bodies[side] = Body(None, "", mode, (problem,))
            else:
                look = Look(mode, wrap, flow.request.path, self._schema)
                result.bodies[side] = prepare(message, look)
        return result

    def carry_over(self, before: Flow, flow: Flow) -> bool:
        """Give `flow`, which is `before` read again, its bodies if they are still the same."""
        if self.loaded is not before or _states(before) != _states(flow):
            return False
        flow.request.body.chunks = before.request.body.chunks
        if before.response is not None and flow.response is not None:
            flow.response.body.chunks = before.response.body.chunks
        self.loaded = flow
        return True


def _states(flow: Flow) -> list[tuple[object, ...]]:
    """What tells whether the bodies of a flow are those that were read."""
    messages = (flow.request, flow.response)
    bodies = [message.body for message in messages if message is not None]
    return [(body.size, body.complete, body.truncated, body.edited) for body in bodies]
