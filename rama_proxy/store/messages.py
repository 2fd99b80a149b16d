"""The messages inside flows: one by one, by the page, and those that a filter fits.

`seq` numbers the messages of a flow from 1 without gaps, and a row never changes. What a list
shows of a message is read without the rest of its data, however large that is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rama_proxy.filters import Where
from rama_proxy.model.jsontext import to_json
from rama_proxy.store.queries import Queries

START = 512  # bytes of a message that a list may show
_SMALL = 4096  # bytes that are read whole because they are in the page of the row, or the next

_MESSAGES = (
    "SELECT seq, at, from_client, opcode, size, flags, data FROM messages"
    " WHERE flow_id = ? AND seq > ? ORDER BY seq LIMIT ?"
)
_HEADS = (
    "SELECT seq, at, from_client, opcode, size, flags, id, length(data),"
    " CASE WHEN length(data) <= ? THEN substr(data, 1, ?) END FROM messages"
    " WHERE flow_id = ? AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
)
_COUNT = "SELECT count(*) FROM messages WHERE flow_id = ?"
_LAST = "SELECT max(seq) FROM messages WHERE flow_id = ?"
_FOUND = ("SELECT m.seq FROM messages m WHERE m.flow_id = ? AND m.seq > ? AND m.seq <= ? AND ", "")


@dataclass(slots=True)
class MessageRow:
    """A message of a flow; `seq` counts both directions from 1.

    `at` is wall-clock seconds, `size` that of the whole message, `data` what was kept; opcodes and
    flags are those of model.websocket.
    """

    seq: int
    at: float
    from_client: bool
    opcode: int
    size: int
    flags: int
    data: bytes


class MessageHead(NamedTuple):
    """What a list shows of a message: `start` are the first START bytes of the `kept` ones."""

    seq: int
    at: float
    from_client: bool
    opcode: int
    size: int
    flags: int
    kept: int
    start: bytes


class MessageQueries(Queries):
    """What a Reader can tell about messages."""

    def messages(self, flow_id: int, after_seq: int = 0, limit: int = 1000) -> list[MessageRow]:
        """The messages of a flow after number `after_seq`, in order, at most `limit`."""
        rows = self._all(_MESSAGES, (flow_id, after_seq, limit))
        return [MessageRow(row[0], row[1] / 1e6, bool(row[2]), *row[3:]) for row in rows]

    def message_count(self, flow_id: int) -> int:
        """How many messages a flow has; it takes 20 ms for a million."""
        count: int = self._value(_COUNT, (flow_id,))
        return count

    def last_message(self, flow_id: int) -> int:
        """The number of a flow's latest message, 0 without any; microseconds to ask."""
        return self._value(_LAST, (flow_id,)) or 0

    def message_heads(self, flow_id: int, seqs: Iterable[int]) -> list[MessageHead]:
        """What a list shows of messages `seqs`, in order; one that is not there is left out."""
        with self._errors():
            rows = self._tuples(_HEADS, (_SMALL, START, flow_id, to_json(list(seqs)))).fetchall()
            return [self._head(row) for row in rows]

    def _head(self, row: tuple[Any, ...]) -> MessageHead:
        seq, at, from_client, opcode, size, flags, row_id, kept, start = row
        if start is None:  # substr would read all of it
            with self._connection.blobopen("messages", "data", row_id, readonly=True) as blob:
                start = blob.read(START)
        return MessageHead(seq, at / 1e6, bool(from_client), opcode, size, flags, kept, start)

    def find_messages(self, flow_id: int, where: Where, after: int, last: int) -> array[int]:
        """The numbers of those of a flow's messages after `after` up to `last` that fit."""
        query = where.sql.join(_FOUND)
        with self._errors():
            rows = self._tuples(query, (flow_id, after, last, *where.params))
            found = [row[0] for row in rows]
        found.sort()
        return array("q", found)
