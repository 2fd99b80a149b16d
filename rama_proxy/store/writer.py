"""The one connection that writes a store, in a thread of its own.

`put_*` are called where flows end and cost about a microsecond; a batch is written every
50 ms or 256 items. Nothing here ever raises into the traffic: what cannot be written waits within
a budget of bytes, then bodies are dropped, then flows, and all of it is counted.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy as copy_shallow
from pathlib import Path
from typing import TypeVar

from rama_proxy.model.body import Body
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import DONE, FAILED, HELD, Flow
from rama_proxy.model.message import Request, Response
from rama_proxy.model.websocket import TRUNCATED
from rama_proxy.store.batch import Batches, Edit, FlowMessage, Item, LogEntry, Meta
from rama_proxy.store.opening import close_writing, open_for_writing
from rama_proxy.store.rows import microseconds

INTERVAL = 0.05  # seconds between batches; 256 rows a commit cost 20 us each, 1 row 60
BATCH_ITEMS = 256
BATCH_BYTES = 8 * 1024 * 1024
RETRY = 1.0  # seconds between attempts while the disk is full or the file locked
ITEM_COST = 4096  # bytes that a waiting item is taken to hold beside its bodies
LIVE_BODY = 256 * 1024  # of a body still growing, this much is stored before its end
CLOSE_PATIENCE = 5.0  # seconds that closing waits for a disk that does not write

_BAD_VALUE = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
_OVER = frozenset({DONE, FAILED})
_Waiting = tuple[Item, int]  # with its cost


class Writer:
    """Takes flows and connections, and puts them into the store at `path`.

    `on_problem` gets a sentence, in the writer's thread, when writing fails or works again.
    """

    def __init__(self, path: Path, *, budget: int, on_problem: Callable[[str], None]) -> None:
        self.path = path
        self.written = 0  # items in the store
        self.dropped_bodies = 0
        self.dropped_items = 0  # beyond twice the budget
        self._budget = budget
        self._on_problem = on_problem
        self._queue: deque[_Waiting] = deque()
        self._counting = threading.Lock()
        self._put = self._taken = self._put_items = 0
        self._wake, self._hurry, self._closing = (threading.Event() for _ in range(3))
        self._done = threading.Condition()
        self._done_items = 0
        self._thread: threading.Thread | None = None
        self._problem = ""

    def open(self) -> None:
        """Open the store, or make it. Raises StoreError in a sentence; never harms a file."""
        self._lock, self._connection = open_for_writing(self.path)
        self._batches = Batches(self._connection)
        self._last_flow = self._last_id("SELECT coalesce(max(id), 0) FROM flows")
        self._last_connection = self._last_id("SELECT coalesce(max(id), 0) FROM connections")

    def _last_id(self, query: str) -> int:
        last: int = self._connection.execute(query).fetchone()[0]
        return last

    def last_flow_id(self) -> int:
        """The highest flow id the store had when it was opened."""
        return self._last_flow

    def last_connection_id(self) -> int:
        """The highest connection id the store had when it was opened."""
        return self._last_connection

    def start(self) -> None:
        """Start writing what was put and what will be."""
        self._thread = threading.Thread(target=self._run, name="rama-store", daemon=True)
        self._thread.start()

    @property
    def backlog_bytes(self) -> int:
        """Bytes that wait to be written, as far as they are counted."""
        return self._put - self._taken

    def put_flow(self, flow: Flow) -> None:
        """Store `flow` as it is; one that is over must not change any more.

        A flow under way is copied and may be put again: the last one put is what stays.
        """
        if flow.state not in _OVER:
            flow = _snapshot(flow, LIVE_BODY)
        cost = ITEM_COST + sum(map(len, flow.request.body.chunks))
        if flow.response is not None:
            cost += sum(map(len, flow.response.body.chunks))
        if self._put - self._taken + cost > self._budget:
            if cost > ITEM_COST:
                self.dropped_bodies += 1
            flow, cost = _snapshot(flow, 0), ITEM_COST
        self._append(flow, cost)
        if flow.state == HELD:
            self._hurry.set()

    def put_connection(self, info: ConnectionInfo) -> None:
        """Store `info` as it is when it is written; put it again when it has changed."""
        self._append(info, ITEM_COST)

    def put_message(
        self,
        flow_id: int,
        seq: int,
        from_client: bool,
        opcode: int,
        data: bytes,
        at: float,
        size: int | None = None,
        flags: int = 0,
    ) -> None:
        """Store message `seq` of a flow; `at` is wall-clock seconds.

        `size` is that of the whole message where `data` is its beginning, `flags` are those of
        model.websocket.
        """
        cost = ITEM_COST + len(data)
        size = len(data) if size is None else size
        if self.backlog_bytes + cost > self._budget:
            self.dropped_bodies += 1
            data, cost, flags = b"", ITEM_COST, flags | TRUNCATED
        message = FlowMessage(
            flow_id, seq, from_client, opcode, size, data, microseconds(at), flags
        )
        self._append(message, cost)

    def log(self, level: str, source: str, message: str, at: float | None = None) -> None:
        """Store a line of the log; `at` is wall-clock seconds, now if it is not given."""
        when = microseconds(time.time() if at is None else at)
        self._append(LogEntry(when, level, source, message), ITEM_COST)

    def set_meta(self, key: str, value: str | None) -> None:
        """Store a fact about the engine."""
        self._append(Meta(key, value), ITEM_COST)

    def edit(
        self,
        flow_id: int,
        *,
        mark: str | None = None,
        comment: str | None = None,
        tags: Iterable[str] | None = None,
    ) -> None:
        """Change what a person wrote on a flow; None leaves a thing as it is, "" takes it away."""
        self._append(Edit(flow_id, mark, comment, tags), ITEM_COST)
        self._hurry.set()

    def _append(self, item: Item, cost: int) -> None:
        if self._put - self._taken > 2 * self._budget:
            self.dropped_items += 1
            return
        with self._counting:
            self._put += cost
            self._put_items += 1
            self._queue.append((item, cost))
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Wait until what was put so far is in the store; False if that takes too long."""
        target = self._put_items
        self._hurry.set()
        self._wake.set()
        with self._done:
            return self._done.wait_for(lambda: self._done_items >= target, timeout)

    def close(self) -> None:
        """Write what waits, and leave the store as one file; once is enough."""
        if self._closing.is_set():
            return
        self._deadline = time.monotonic() + CLOSE_PATIENCE
        self._closing.set()
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        try:
            close_writing(self._lock, self._connection)
        except sqlite3.Error as error:
            self._tell(f"cannot close {self.path}: {error}")

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if len(self._queue) < BATCH_ITEMS:
                self._hurry.wait(INTERVAL)
            self._wake.clear()
            self._hurry.clear()
            batch = self._take()
            while batch:
                self._write(batch)
                batch = self._take() if len(self._queue) >= BATCH_ITEMS else []
            if self._queue:
                self._wake.set()
            elif self._closing.is_set():
                return

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < BATCH_ITEMS and size < BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += batch[-1][1]
        return batch

    def _write(self, batch: list[_Waiting]) -> None:
        items = [item for item, _ in batch]
        error = self._store(items)
        if isinstance(error, sqlite3.OperationalError):
            self.dropped_items += len(items)
        elif error is not None:  # what one item has in it must not keep the others out
            for item in items:
                self._store_alone(item)
        self._taken += sum(cost for _, cost in batch)
        with self._done:
            self._done_items += len(batch)
            self._done.notify_all()

    def _store(self, items: list[Item]) -> Exception | None:
        """Write `items`, however long the disk takes. Gives what is wrong with them, if anything.

        While the store is being closed patience has an end: then that is an OperationalError.
        """
        while True:
            try:
                self._batches.write(items)
            except _BAD_VALUE as error:
                return error
            except sqlite3.DatabaseError as error:
                self._report(f"cannot write {self.path}: {error}")
                if self._closing.is_set() and time.monotonic() > self._deadline:
                    return sqlite3.OperationalError(str(error))
            except Exception as error:
                return error
            else:
                self.written += len(items)
                if self._problem:
                    self._problem = ""
                    self._tell(f"{self.path} is being written again")
                return None
            time.sleep(RETRY)

    def _store_alone(self, item: Item) -> None:
        error = self._store([item])
        if error is not None:
            self.dropped_items += 1
            self._tell(f"one {type(item).__name__} could not be stored: {error}")

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._tell(problem)

    def _tell(self, problem: str) -> None:
        with contextlib.suppress(Exception):  # whoever is told may be gone; the writer goes on
            self._on_problem(problem)


def _snapshot(flow: Flow, body_limit: int) -> Flow:
    """A copy of `flow` that later changes do not reach, with at most `body_limit` bytes a body."""
    copy = copy_shallow(flow)
    copy.request = _copy_message(flow.request, body_limit)
    copy.response = None if flow.response is None else _copy_message(flow.response, body_limit)
    copy.notes, copy.tags = flow.notes.copy(), flow.tags.copy()
    copy.metadata = flow.metadata.copy()
    copy.timing = copy_shallow(flow.timing)
    return copy


_Message = TypeVar("_Message", Request, Response)


def _copy_message(message: _Message, body_limit: int) -> _Message:
    copy = copy_shallow(message)
    copy.headers = message.headers.copy()
    body = Body(complete=message.body.complete)
    for chunk in message.body.chunks:
        if body.add(chunk, body_limit) < len(chunk):
            break
    body.truncated |= message.body.truncated
    body.size, body.edited = message.body.size, message.body.edited
    copy.body = body
    return copy
