"""One exchange, from its first byte to its last, as addons, store and screen see it."""

from __future__ import annotations

import itertools
import time

from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.message import Request, Response
from rama_proxy.model.websocket import WebSocketData

_ids = itertools.count(1)

ACTIVE, DONE, FAILED, HELD = "active", "done", "error", "held"


def reserve_ids(first: int) -> None:
    """Let the next flow's id be `first`: the engine sets it past those in its store."""
    global _ids  # the counter is the one thing that a process has to share
    _ids = itertools.count(first)


class Timing:
    """Marks of `time.monotonic` in seconds, None until reached; `started` alone is wall clock."""

    __slots__ = ("begin", "end", "request_end", "response_begin", "started")

    def __init__(self) -> None:
        self.started = time.time()
        self.begin = time.monotonic()  # the request's head was complete
        self.request_end: float | None = None  # its last byte was sent on
        self.response_begin: float | None = None  # the response's head was complete
        self.end: float | None = None  # the last byte went to the client, or the flow failed


class Flow:
    """A request and what became of it.

    `kind` is "http"; "websocket" where it became one, then `websocket` says more; "tcp" for a
    tunnel whose bytes are not HTTP, "tls" for a failed handshake: these have a CONNECT request,
    made up where the client sent none, that says where they go.
    `client` and `server` are the connections, `error` says in a sentence what went wrong,
    `notes` what the proxy had to change on the way ("request target made relative"), `metadata`
    is for addons and is stored as far as JSON can hold it.
    """

    __slots__ = (
        "client",
        "comment",
        "error",
        "id",
        "killed",
        "kind",
        "mark",
        "metadata",
        "notes",
        "parent_id",
        "request",
        "response",
        "server",
        "state",
        "tags",
        "timing",
        "websocket",
    )

    def __init__(self, client: ConnectionInfo, request: Request, kind: str = "http") -> None:
        self.id = next(_ids)
        self.kind = kind
        self.client = client
        self.server: ConnectionInfo | None = None
        self.request = request
        self.response: Response | None = None
        self.state = ACTIVE
        self.timing = Timing()
        self.error = ""
        self.notes: list[str] = []
        self.tags: set[str] = set()
        self.mark = ""
        self.comment = ""
        self.metadata: dict[str, object] = {}
        self.parent_id: int | None = None
        self.killed = False
        self.websocket: WebSocketData | None = None

    def kill(self) -> None:
        """End this flow at once: the client's connection is reset, nothing more is sent on."""
        self.killed = True

    @property
    def client_conn(self) -> ConnectionInfo:
        """mitmproxy's name for `client`."""
        return self.client

    @property
    def server_conn(self) -> ConnectionInfo | None:
        """mitmproxy's name for `server`."""
        return self.server

    @property
    def marked(self) -> str:
        """mitmproxy's name for `mark`."""
        return self.mark

    @marked.setter
    def marked(self, mark: str) -> None:
        self.mark = mark
