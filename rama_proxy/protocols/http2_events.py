"""What an HTTP/2 connection tells: events as the relay reads them, and the error codes.

Knows no engine and no frames. `stream` is a stream's number, 0 the connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from rama_proxy.model.headers import Field, Headers


class Code(IntEnum):
    """Error codes of RST_STREAM and GOAWAY (RFC 9113 7). A peer may send others: those stay int."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


def code_name(code: int) -> str:
    """A code as people write it: its name, or the number for one without."""
    try:
        return Code(code).name
    except ValueError:
        return f"code {code:#x}"


@dataclass(slots=True)
class RequestHead:
    """A request begins. `pseudo` are the fields with a colon, in wire order; cookies unjoined."""

    stream: int
    pseudo: list[Field]
    headers: Headers
    end_stream: bool

    def get(self, name: bytes) -> bytes:
        """The value of a pseudo field, b"" without."""
        return next((value for key, value in self.pseudo if key == name), b"")


@dataclass(slots=True)
class ResponseHead:
    """The final response begins."""

    stream: int
    status: int
    headers: Headers
    end_stream: bool


@dataclass(slots=True)
class InformationalHead:
    """A 1xx response; another head follows."""

    stream: int
    status: int
    headers: Headers


@dataclass(slots=True)
class Data:
    """Bytes of a body. `flow_length` (padding included) is what `acknowledge` wants back."""

    stream: int
    payload: bytes
    flow_length: int
    end_stream: bool


@dataclass(slots=True)
class Trailers:
    """Fields after the body; they end the peer's half of the stream."""

    stream: int
    headers: Headers


@dataclass(slots=True)
class StreamReset:
    """The peer ended the stream. `code` is REFUSED_STREAM too for one that its GOAWAY left out."""

    stream: int
    code: int


@dataclass(slots=True)
class GoAway:
    """The peer takes no streams above `last_stream`; those at or below it go on."""

    code: int
    last_stream: int
    debug: bytes


@dataclass(slots=True)
class SettingsChanged:
    """The peer's SETTINGS as identifiers and values, in wire order."""

    settings: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class WindowOpened:
    """More may be sent: on `stream`, or on every stream for 0."""

    stream: int


@dataclass(slots=True)
class PingAnswered:
    """The peer answered our PING with these 8 bytes. Its own pings are answered unasked."""

    data: bytes


@dataclass(slots=True)
class Fault:
    """The peer broke the protocol; the answer, RST_STREAM or GOAWAY with `code`, waits to be sent.

    `message` says what was wrong, for a row. `stream` 0: the connection is at its end. `fields`
    are those of a malformed head, as received, pseudo fields included.
    """

    stream: int
    code: int
    message: str
    fields: list[Field] = field(default_factory=list)


Event = (
    RequestHead
    | ResponseHead
    | InformationalHead
    | Data
    | Trailers
    | StreamReset
    | GoAway
    | SettingsChanged
    | WindowOpened
    | PingAnswered
    | Fault
)
