"""What addons may ask of the engine: stored flows, and requests sent. Runs their commands.

The addon's side of it is `addon.Engine`. An addon's mistake ends its command and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from rama_proxy.addon import Command, CommandCall
from rama_proxy.errors import AddonError, ProtocolError, RamaError
from rama_proxy.filters import parse_filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request
from rama_proxy.relay.wiring import Wiring
from rama_proxy.store.reader import Reader
from rama_proxy.submit import Submissions, Submitter, submit, submitting

T = TypeVar("T")
Tell = Callable[[str, Mapping[str, object]], Awaitable[None]]  # name and fields of a notice

FLUSH = 2.0  # seconds to wait for what is on its way into the store


class AddonEngine:
    """addon.Engine; with a `submitter` its requests share connections."""

    def __init__(
        self, wiring: Wiring, submissions: Submissions, submitter: Submitter | None = None
    ) -> None:
        self.wiring = wiring
        self.submissions = submissions
        self._submitter = submitter

    @contextlib.asynccontextmanager
    async def sharing(self) -> AsyncIterator[AddonEngine]:
        """The same for one who sends many requests."""
        async with submitting(self.wiring) as submitter:
            yield AddonEngine(self.wiring, self.submissions, submitter)

    async def find(self, expression: str) -> list[int]:
        """The ids of the stored flows that a filter selects, ascending. Raises FilterError."""
        where = parse_filter(expression, now=time.time()).where()
        return await self._read(lambda reader: list(reader.ids(where)))

    async def flow(self, flow_id: int) -> Flow | None:
        """A stored flow with its bodies, None if there is none."""

        def read(reader: Reader) -> Flow | None:
            flow = reader.flow(flow_id)
            if flow is not None:
                reader.load_bodies(flow)
            return flow

        return await self._read(read)

    async def _read(self, question: Callable[[Reader], T]) -> T:
        writer = self.wiring.capture.writer

        def read() -> T:
            writer.flush(FLUSH)
            with Reader(writer.path) as reader:
                return question(reader)

        return await asyncio.to_thread(read)

    async def submit(self, request: Request, parent: Flow | None = None) -> Flow:
        """Send a request that no client sent; gives its flow once that is over."""
        try:
            with self.submissions.under_way():
                if self._submitter is None:
                    return await submit(self.wiring, request, parent=parent)
                return await self._submitter.submit(request, parent=parent)
        except ProtocolError as error:
            raise ValueError(str(error)) from error


async def run_command(
    name: str, command: Command, arguments: Mapping[str, object], engine: AddonEngine, tell: Tell
) -> dict[str, object]:
    """What an addon's command answers, once the store has all that it did. Raises RamaError."""

    async def progress(fields: Mapping[str, object]) -> None:
        await tell("progress", fields)

    try:
        async with engine.sharing() as sharing:
            answer = dict(await command(CommandCall(arguments, sharing, progress)))
        await asyncio.to_thread(engine.wiring.capture.writer.flush, FLUSH)
        return answer
    except RamaError:
        raise
    except ValueError as error:
        raise AddonError(str(error)) from error
    except Exception as error:  # an addon may raise anything
        raise AddonError(f"{name} failed: {type(error).__name__}: {error}") from error
