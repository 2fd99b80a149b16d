"""What an HTTP/2 connection asks of its engine: HPACK both ways, and the peer's settings.

`http2` has the one implementation. What takes the peer's bytes may raise Http2Error.
"""

from __future__ import annotations

from typing import Protocol

from rama_proxy.model.headers import Field
from rama_proxy.protocols.http2_memo import FieldList


class Engine(Protocol):
    """The engine, as both halves of a connection see it."""

    def decode(self, block: bytes) -> FieldList:
        """The fields of a header block. Not to be changed: others may get the same list."""

    def encode(self, fields: list[Field]) -> bytes:
        """The header block of fields."""

    def settings_came(self, settings: list[tuple[int, int]]) -> bytes:
        """Take the peer's settings; gives the frame that acknowledges them."""

    @property
    def initial_window(self) -> int:
        """What the peer's streams begin with (INITIAL_WINDOW_SIZE)."""

    @property
    def max_streams(self) -> int:
        """Streams that the peer takes at once."""

    @property
    def max_frame(self) -> int:
        """The longest payload that the peer takes."""

    @property
    def connect_protocol(self) -> bool:
        """Whether the peer takes extended CONNECT (RFC 8441 3)."""
