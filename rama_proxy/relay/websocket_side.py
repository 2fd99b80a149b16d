"""One direction of a WebSocket: what of it is held back, and what may be put in between."""

from __future__ import annotations

import os

from rama_proxy.errors import ProtocolError
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import CLOSE
from rama_proxy.net.channel import Channel
from rama_proxy.protocols.websocket import RSV1, serialize_frame
from rama_proxy.protocols.websocket_deflate import (
    NAME,
    Deflate,
    agreed_deflate,
    deflate_message,
    parse_extensions,
)
from rama_proxy.protocols.websocket_reader import MessageReader

PART_COST = 64  # bytes that a held part is taken to need beside its own: a frame may be empty


class Direction:
    """From `source` to `sink`. `reader` is None where an unknown extension hides the messages.

    As long as nobody wants anything, bytes are passed on before they are read. `by_parts`: they are
    passed on part by part after that, `passing` says whether this is done with the message under
    way, else it is `held` until it is whole.
    """

    __slots__ = ("by_parts", "closing", "control", "deflate", "finished", "from_client", "held",
                 "held_cost", "mid", "passing", "pending", "reader", "recode", "sink", "size",
                 "source")  # fmt: skip

    def __init__(self, source: Channel, sink: Channel, *, from_client: bool) -> None:
        self.source = source
        self.sink = sink
        self.from_client = from_client
        self.reader: MessageReader | None = None
        self.deflate: Deflate | None = None
        self.size = 0  # bytes that came
        self.finished = False
        self.by_parts = False
        self.passing = True
        self.mid = False  # a message is half sent
        self.held: list[bytes] = []
        self.held_cost = 0
        self.control: list[bytes] = []  # a control frame under way
        self.pending = False  # an injected message waits
        self.closing = False  # a close frame was sent
        self.recode = False  # what the sender refers back to, the receiver has not got

    @property
    def clear(self) -> bool:
        """Whether a message of our own can be sent here and now."""
        reader = self.reader
        if reader is None or reader.problem or self.closing or self.finished:
            return False
        return not self.mid if self.by_parts else reader.idle

    def choose(self, holding: bool) -> None:
        """Set how the next bytes are passed on, once they are here."""
        reader = self.reader
        if reader is None or reader.problem:
            self.by_parts = False
        elif reader.idle:
            self.by_parts = holding or self.pending or self.recode
            self.passing = not (holding or self.recode)
            self.mid = False
        elif self.pending and not self.by_parts and not reader.in_header:
            self.by_parts = self.passing = self.mid = True

    def hold(self, wire: bytes) -> None:
        """Keep back a part of a message."""
        self.held.append(wire)
        self.held_cost += len(wire) + PART_COST

    def take_held(self) -> bytes:
        """What was kept back, in one piece."""
        wire = b"".join(self.held)
        self.held.clear()
        self.held_cost = 0
        return wire

    def release(self) -> None:
        """Send on all that was kept back, read or not."""
        wire = self.take_held() + b"".join(self.control)
        self.control.clear()
        if self.by_parts and self.reader is not None:
            wire += self.reader.take_partial()
        if wire:
            self.sink.write(wire)

    def send(self, opcode: int, data: bytes, *, compress: bool = False) -> None:
        """Send a message of our own in one frame, with a new mask on its way to a server."""
        rsv = 0
        if compress and self.deflate is not None:
            packed = deflate_message(data, self.deflate.bits)
            if packed is not None:
                data, rsv = packed, RSV1
        mask = os.urandom(4) if self.from_client else b""
        self.sink.write(serialize_frame(opcode, data, mask=mask, rsv=rsv))
        if opcode == CLOSE:
            self.closing = True


def agree(directions: tuple[Direction, Direction], flow: Flow, limit: int) -> None:
    """Give both directions their readers, by the extensions that the handshake agreed on.

    The client's direction comes first. None is given, and a note says so, where messages cannot
    be read.
    """
    assert flow.response is not None
    deflates: tuple[Deflate | None, Deflate | None] = (None, None)
    try:
        agreed = parse_extensions(flow.response.headers.joined("sec-websocket-extensions"))
        for extension in agreed:
            if extension.name != NAME or len(agreed) > 1:
                raise ProtocolError(f"unknown extension {extension.name}")
            deflates = agreed_deflate(extension)
    except ProtocolError as error:
        flow.notes.append(f"{error}: WebSocket messages pass through unread")
        return
    for direction, deflate in zip(directions, deflates, strict=True):
        direction.deflate = deflate
        direction.reader = MessageReader(masked=direction.from_client, limit=limit, deflate=deflate)
