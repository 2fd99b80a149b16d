"""A WebSocket as addons see it: its latest messages, how it was closed, and a way to send more."""

from __future__ import annotations

from collections.abc import Callable

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10  # opcodes, RFC 6455 5.2
OPCODE_NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}

# What the store keeps of a message beside its data.
TRUNCATED, EDITED, DROPPED, INJECTED, UNREAD, INCOMPLETE = 1, 2, 4, 8, 16, 32
FLAG_NAMES = {
    TRUNCATED: "only the beginning was kept",
    EDITED: "edited",
    DROPPED: "dropped",
    INJECTED: "injected",
    UNREAD: "not decompressed",
    INCOMPLETE: "broken off",
}

KEPT_MESSAGES = 16  # that a flow holds in memory; the store has all of them
KEPT_BYTES = 1024 * 1024  # of those before the latest


class WebSocketMessage:
    """One text or binary message, its fragments joined and decompressed.

    `size` counts all its bytes, `content` holds them up to the body limit (`truncated` says that
    there were more). `timestamp` is wall-clock seconds.
    """

    __slots__ = ("content", "dropped", "from_client", "injected", "opcode", "size", "timestamp",
                 "truncated")  # fmt: skip

    def __init__(self, opcode: int, from_client: bool, content: bytes, timestamp: float) -> None:
        self.opcode = opcode
        self.from_client = from_client
        self.content = content
        self.timestamp = timestamp
        self.size = len(content)
        self.truncated = False
        self.dropped = False
        self.injected = False

    @property
    def is_text(self) -> bool:
        """Whether it was sent as text."""
        return self.opcode == TEXT

    @property
    def text(self) -> str:
        """The content as text; bytes that are no UTF-8 show as a replacement character."""
        return self.content.decode("utf-8", "replace")

    @text.setter
    def text(self, text: str) -> None:
        self.content = text.encode("utf-8", "surrogateescape")

    def drop(self) -> None:
        """Do not send this message on."""
        self.dropped = True


class WebSocketData:
    """What is known of a WebSocket. `messages` are the latest, the newest last.

    `close_code` is that of the first close frame: 1005 where it names none, 1006 where the
    connection ended without one, None while it is open (RFC 6455 7.1.5).
    """

    __slots__ = ("close_code", "close_reason", "closed_by_client", "injected", "messages",
                 "on_inject", "timestamp_end")  # fmt: skip

    def __init__(self) -> None:
        self.messages: list[WebSocketMessage] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self.closed_by_client: bool | None = None
        self.timestamp_end: float | None = None
        self.injected: list[tuple[bool, WebSocketMessage]] = []  # with whether to the client
        self.on_inject: Callable[[], None] | None = None  # wakes whoever sends them

    def inject(self, to_client: bool, content: bytes | str, is_text: bool | None = None) -> None:
        """Send a message of your own, as soon as no other is half sent in that direction.

        `is_text` is taken from the type of `content` unless it is given. Hooks do not see it. Once
        the WebSocket has ended nothing happens.
        """
        if self.timestamp_end is not None:
            return
        data = content.encode("utf-8") if isinstance(content, str) else content
        if is_text is None:
            is_text = isinstance(content, str)
        message = WebSocketMessage(TEXT if is_text else BINARY, not to_client, data, 0.0)
        message.injected = True
        self.injected.append((to_client, message))
        if self.on_inject is not None:
            self.on_inject()

    def keep(self, message: WebSocketMessage) -> None:
        """Add the latest message and forget old ones beyond KEPT_MESSAGES and KEPT_BYTES."""
        messages = self.messages
        size = sum([len(item.content) for item in messages])
        while messages and (len(messages) >= KEPT_MESSAGES or size > KEPT_BYTES):
            size -= len(messages.pop(0).content)
        messages.append(message)
