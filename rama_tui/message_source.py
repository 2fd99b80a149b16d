"""Where the messages of a flow come from: a store, read where the screen is and beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from rama_proxy.store.reader import MessageHead, MessageRow, Reader


class MessageSource:
    """Reads messages; readers are opened when they are needed. Everything raises StoreError."""

    def __init__(self, open_reader: Callable[[], Reader]) -> None:
        self.open_reader = open_reader  # for work in a thread; its caller closes it
        self._reader: Reader | None = None
        self._whole: Reader | None = None
        self._lock = threading.Lock()

    def data_version(self) -> int:
        """A number that changes when somebody has written."""
        return self._screen_reader().data_version()

    def last(self, flow_id: int) -> int:
        """The number of a flow's latest message, 0 without any."""
        return self._screen_reader().last_message(flow_id)

    def heads(self, flow_id: int, seqs: Sequence[int]) -> list[MessageHead]:
        """What a list shows of messages."""
        return self._screen_reader().message_heads(flow_id, seqs)

    def load(self, flow_id: int, seq: int) -> MessageRow | None:
        """A whole message; may be called from any thread."""
        with self._lock:
            if self._whole is None:
                self._whole = self.open_reader()
            rows = self._whole.messages(flow_id, seq - 1, 1)
        return rows[0] if rows and rows[0].seq == seq else None

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for reader in (self._reader, self._whole):
                if reader is not None:
                    reader.close()
            self._reader = self._whole = None

    def _screen_reader(self) -> Reader:
        if self._reader is None:
            self._reader = self.open_reader()
        return self._reader
