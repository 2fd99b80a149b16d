"""The other end of the control socket: one question, or a connection that also brings notices."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from pathlib import Path

from rama_proxy.control.messages import HELLO, MAX_LINE, Message, decode, encode, request
from rama_proxy.errors import ControlError

OnNotice = Callable[[str, Message], None]
OnClosed = Callable[[], None]


def ask(
    path: str | Path, token: str, op: str, /, timeout: float = 5.0, **arguments: object
) -> Message:
    """The engine's answer to operation `op`. Blocks; raises ControlError, also for a refusal."""
    line = encode(request(token, op, 1, arguments))
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(line)
            with connection.makefile("rb") as lines:
                reply = lines.readline(MAX_LINE)
    except TimeoutError as error:
        raise ControlError(f"the engine did not answer within {timeout:g} s") from error
    except OSError as error:
        raise ControlError(_not_there(path, error)) from error
    if not reply.endswith(b"\n"):
        raise ControlError("the engine closed the connection before it answered")
    return _result(decode(reply))


class ControlClient:
    """A connection to the engine at `path`, made by `connect`.

    `on_notice` gets the name and the fields of every notice, `on_closed` is called once when the
    engine is gone, not after `close`. Both are called in the event loop.
    """

    def __init__(
        self,
        path: str | Path,
        token: str,
        on_notice: OnNotice | None = None,
        on_closed: OnClosed | None = None,
    ) -> None:
        self.path = path
        self.on_notice = on_notice
        self.on_closed = on_closed
        self._token = token
        self._numbers = itertools.count(1)
        self._waiting: dict[object, asyncio.Future[Message]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the engine is still there."""
        return self._task is not None and not self._task.done()

    async def connect(self) -> None:
        """Connect and say hello. Raises ControlError."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(
                str(self.path), limit=MAX_LINE
            )
        except OSError as error:
            raise ControlError(_not_there(self.path, error)) from error
        self._task = asyncio.get_running_loop().create_task(self._read(reader))
        try:
            await self.ask(HELLO)
        except ControlError:
            await self.close()
            raise

    async def ask(self, op: str, /, timeout: float | None = 10.0, **arguments: object) -> Message:  # noqa: ASYNC109  part of the question
        """The engine's answer to operation `op`. Raises ControlError, also for a refusal.

        `timeout` None waits for as long as it takes.
        """
        if self._writer is None or not self.connected:
            raise ControlError("not connected to the engine")
        number = next(self._numbers)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(encode(request(self._token, op, number, arguments)))
                return _result(await future)
        except TimeoutError as error:
            assert timeout is not None
            raise ControlError(f"the engine did not answer within {timeout:g} s") from error
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Leave; the engine goes on. Questions still open end in ControlError."""
        self.on_closed = None
        if self._task is not None and self._writer is not None:
            self._writer.close()
            await self._task

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(decode(line))
        except (OSError, ValueError, ControlError):
            pass  # a connection that is reset or talks nonsense is over
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ControlError("the engine closed the connection"))
            assert self._writer is not None
            self._writer.close()
            if self.on_closed is not None:
                self.on_closed()

    def _take(self, message: Message) -> None:
        name = message.pop("notice", None)
        if isinstance(name, str):
            if self.on_notice is not None:
                self.on_notice(name, message)
            return
        future = self._waiting.get(message.get("id"))
        if future is None and message.get("id") is None and self._waiting:
            future = next(iter(self._waiting.values()))  # a line that could not be read at all
        if future is not None and not future.done():
            future.set_result(message)


def _result(message: Message) -> Message:
    """The fields of an answer. Raises ControlError for a refusal."""
    if message.get("ok") is not True:
        raise ControlError(str(message.get("error", "the engine refused without a reason")))
    return {name: value for name, value in message.items() if name not in ("id", "ok")}


def _not_there(path: str | Path, error: OSError) -> str:
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return f"no engine answers at {path}"
    return f"cannot reach the engine at {path}: {error.strerror or error}"
