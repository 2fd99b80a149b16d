"""The engine's control socket: a Unix socket that only this user can open, and a token beside it.

Commands come in and are answered one after the other on each connection; notices go out to those
who said hello. It must not slow the engine down: a client that does not read misses notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import inspect
import logging
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from rama_proxy.control.messages import (
    HELLO,
    MAX_LINE,
    Message,
    answer,
    decode,
    encode,
    refusal,
)
from rama_proxy.errors import ControlError, RamaError

Handler = Callable[[Message], Awaitable[Message | None] | Message | None]
Notify = Callable[[str, Mapping[str, object]], Awaitable[None]]  # name and fields of a notice
Job = Callable[[Message, Notify], Awaitable[Message]]

MAX_UNSENT = 256 * 1024  # bytes waiting for one client; beyond it notices are dropped
MAX_CLIENTS = 64
MAX_PATH = 100  # sun_path holds 104 bytes on macOS, 108 on Linux

log = logging.getLogger("rama.control")


class ControlServer:
    """Serves `handlers` by operation name on the Unix socket `path` to who knows `token`.

    A handler gets the arguments of the request and returns the fields of the answer; a RamaError
    becomes the sentence of a refusal. A job takes its time: it also gets a way to send notices to
    who asked, and is given up when they leave. `dropped` counts notices that nobody read.
    """

    def __init__(
        self,
        path: Path,
        token: str,
        handlers: Mapping[str, Handler],
        jobs: Mapping[str, Job] | None = None,
    ) -> None:
        self.path = path
        self.handlers = handlers
        self.jobs = dict(jobs or {})
        self.dropped = 0
        self._token = token.encode()
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._listeners: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Open the socket. Raises ControlError if it cannot be, or another engine has it."""
        _clear_stale(self.path)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self.path), limit=MAX_LINE
            )
            self.path.chmod(0o600)
        except OSError as error:
            raise ControlError(f"cannot open control socket {self.path}: {error}") from error

    async def stop(self) -> None:
        """Close the socket and every connection, answers that were written still go out."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for writer in self._clients.values():
            writer.close()
        waiting = [task for task in self._clients if task is not asyncio.current_task()]
        if waiting:
            _, stuck = await asyncio.wait(waiting, timeout=1)
            for task in stuck:
                self._clients[task].transport.abort()
                task.cancel()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def broadcast(self, notice: str, **fields: object) -> None:
        """Send a notice to every client that said hello and reads what it gets."""
        if not self._listeners:
            return
        line = encode({**fields, "notice": notice})
        for writer in self._listeners:
            if writer.is_closing():
                continue
            if writer.transport.get_write_buffer_size() > MAX_UNSENT:
                self.dropped += 1
            else:
                writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            if len(self._clients) > MAX_CLIENTS:
                writer.write(encode(refusal(None, "too many control connections")))
                return
            lines = _Lines(reader)
            try:
                await self._converse(lines, writer)
            finally:
                lines.close()
        except ConnectionError:
            pass  # the client is gone
        finally:
            self._listeners.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            del self._clients[task]

    async def _converse(self, lines: _Lines, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            try:
                line = await lines.next()
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                writer.write(encode(refusal(None, f"a line is longer than {MAX_LINE} bytes")))
                return
            result, goes_on = await self._answer(line, lines, writer)
            if writer.is_closing():
                return
            writer.write(result)
            if not goes_on:
                return
            await writer.drain()

    async def _answer(
        self, line: bytes, lines: _Lines, writer: asyncio.StreamWriter
    ) -> tuple[bytes, bool]:
        """The answer to `line`, and whether to listen to this client any longer."""
        try:
            message = decode(line)
        except ControlError as error:
            return encode(refusal(None, str(error))), False
        number, op = message.pop("id", None), message.pop("op", None)
        token = message.pop("token", None)
        if not isinstance(number, (int, str, type(None))):
            return encode(refusal(None, "the id is neither a number nor a text")), False
        if not isinstance(token, str) or not hmac.compare_digest(
            token.encode("utf-8", "surrogatepass"), self._token
        ):
            return encode(refusal(number, "the token is wrong")), False
        if op == HELLO:
            self._listeners.add(writer)
            return encode(answer(number, {"pid": os.getpid()})), True
        handler = self.handlers.get(op) if isinstance(op, str) else None
        if isinstance(op, str) and op in self.jobs:
            handler = self._handler_of(self.jobs[op], lines, writer)
        if handler is None:
            known = ", ".join(sorted([HELLO, *self.handlers, *self.jobs]))
            return encode(refusal(number, f"no operation {op!r}; there are {known}")), True
        return await self._call(handler, number, message), True

    @staticmethod
    def _handler_of(job: Job, lines: _Lines, writer: asyncio.StreamWriter) -> Handler:
        """A handler that does `job` for as long as its client is there."""

        async def notify(name: str, fields: Mapping[str, object]) -> None:
            writer.write(encode({**fields, "notice": name}))
            await writer.drain()

        async def work(arguments: Message) -> Message:
            task = asyncio.ensure_future(job(arguments, notify))
            left = asyncio.ensure_future(lines.left())
            try:
                await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
                if not task.done():
                    raise ConnectionResetError("the client left before its job was done")
                if task.cancelled():
                    raise ControlError("it was cut off")
                return task.result()
            finally:
                for one in (task, left):
                    one.cancel()
                await asyncio.wait({task, left})

        return work

    async def _call(self, handler: Handler, number: object, arguments: Message) -> bytes:
        try:
            result = handler(arguments)
            if inspect.isawaitable(result):
                result = await result
            return encode(answer(number, result or {}))
        except ConnectionError:
            raise  # nobody is there to be told
        except RamaError as error:
            return encode(refusal(number, str(error)))
        except Exception as error:  # a handler's fault is no reason to leave the client waiting
            log.exception("a control operation failed")
            return encode(refusal(number, f"the engine failed: {type(error).__name__}: {error}"))


class _Lines:
    """The lines of one client; one is read ahead while somebody wants to know whether it left."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._ahead: asyncio.Future[bytes] | None = None

    def _begin(self) -> asyncio.Future[bytes]:
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._reader.readuntil(b"\n"))
        return self._ahead

    async def next(self) -> bytes:
        """The next line. Raises what `StreamReader.readuntil` does."""
        line = await self._begin()
        self._ahead = None
        return line

    async def left(self) -> None:
        """Wait until the client has left; for ever once it has said something more."""
        ahead = self._begin()
        await asyncio.wait({ahead})
        if ahead.exception() is None:
            await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Read no more."""
        if self._ahead is not None:
            self._ahead.cancel()
            if self._ahead.done() and not self._ahead.cancelled():
                self._ahead.exception()  # has been dealt with


def make_token() -> str:
    """A new secret; the store keeps it for those who may read the store."""
    return secrets.token_urlsafe(32)


def make_socket_path() -> Path:
    """A path for this process's socket, in a directory that is made for this user alone.

    Raises ControlError if there is none.
    """
    name = f"{os.getpid()}-{secrets.token_hex(4)}.sock"
    user = f"rama-{os.getuid()}"
    places = [Path(tempfile.gettempdir()) / user, Path("/tmp") / user]  # noqa: S108  checked below
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        places.insert(0, Path(runtime) / "rama")
    problem = "every path is too long"
    for place in places:
        if len(os.fsencode(place / name)) > MAX_PATH:
            continue
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            status = place.lstat()
        except OSError as error:
            problem = str(error)
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
            place.chmod(0o700)
            return place / name
        problem = f"{place} is not a directory of this user"
    raise ControlError(f"no place for the control socket: {problem}")


def _clear_stale(path: Path) -> None:
    """Remove the socket that a killed engine left at `path`; leave a living one alone."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"cannot open control socket {path}: the file is something else")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ControlError(f"another engine answers at {path}")
