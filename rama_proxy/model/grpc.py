"""gRPC's words: which media types carry it, how its messages are framed, and its status codes."""

from __future__ import annotations

from typing import NamedTuple

# Code, name, and the HTTP status that google.rpc.code.proto puts beside it.
CODES: dict[int, tuple[str, int]] = {
    0: ("OK", 200),
    1: ("CANCELLED", 499),
    2: ("UNKNOWN", 500),
    3: ("INVALID_ARGUMENT", 400),
    4: ("DEADLINE_EXCEEDED", 504),
    5: ("NOT_FOUND", 404),
    6: ("ALREADY_EXISTS", 409),
    7: ("PERMISSION_DENIED", 403),
    8: ("RESOURCE_EXHAUSTED", 429),
    9: ("FAILED_PRECONDITION", 400),
    10: ("ABORTED", 409),
    11: ("OUT_OF_RANGE", 400),
    12: ("UNIMPLEMENTED", 501),
    13: ("INTERNAL", 500),
    14: ("UNAVAILABLE", 503),
    15: ("DATA_LOSS", 500),
    16: ("UNAUTHENTICATED", 401),
}
MEDIA_TYPES = ("application/grpc", "application/connect+")  # how those begin that have a framing
EVENT_STREAM = "text/event-stream"


class Framing(NamedTuple):
    """How messages stand in a body. `end_flag` marks the frame that ends it, 0 where none does."""

    name: str
    end_flag: int = 0
    is_base64: bool = False


GRPC = Framing("gRPC")
GRPC_WEB = Framing("gRPC-Web", 0x80)
GRPC_WEB_TEXT = Framing("gRPC-Web", 0x80, is_base64=True)
CONNECT = Framing("Connect", 0x02)

_FRAMINGS = {
    "application/grpc": GRPC,
    "application/grpc-web": GRPC_WEB,
    "application/grpc-web-text": GRPC_WEB_TEXT,
}


def framing_of(media_type: str) -> Framing | None:
    """How a body of `media_type` (lower case, without parameters) has messages; None: it has not.

    A Connect body without streaming is its message alone, without a framing.
    """
    if not media_type.startswith(MEDIA_TYPES):
        return None
    if media_type.startswith("application/connect+"):
        return CONNECT
    return _FRAMINGS.get(media_type.partition("+")[0])


def has_messages(media_type: str) -> bool:
    """Whether a body of `media_type` is a row of messages: gRPC's, or server-sent events."""
    return media_type == EVENT_STREAM or framing_of(media_type) is not None


def codec_of(media_type: str) -> str:
    """What the messages of such a body are: "proto" unless it says something else."""
    return media_type.partition("+")[2] or "proto"


def code_name(code: int) -> str:
    """The name of a status code, "" for one that gRPC has not got."""
    return CODES[code][0] if code in CODES else ""


def http_class(code: int) -> int:
    """Which class of HTTP status `code` is like: 2, 4 or 5."""
    return CODES[code][1] // 100 if code in CODES else 5


class Result(NamedTuple):
    """How a call ended: its status code, and what the server said to it."""

    code: int
    message: str = ""

    def __str__(self) -> str:
        title = f"{self.code} {code_name(self.code)}".rstrip()
        return f"{title}: {self.message}" if self.message else title
