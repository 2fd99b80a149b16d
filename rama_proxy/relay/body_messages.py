"""Messages inside the bodies of an exchange, as rows: those of gRPC, and server-sent events.

Sees the payload that passes and changes nothing. Whatever is wrong with it becomes a note of the
flow, and that direction is looked at no further.
"""

from __future__ import annotations

from rama_proxy.model.coding import CodingError, StreamDecoder, codings
from rama_proxy.model.flow import Flow
from rama_proxy.model.grpc import EVENT_STREAM, framing_of
from rama_proxy.model.message import Message
from rama_proxy.model.websocket import BINARY, TEXT
from rama_proxy.protocols import grpc, sse
from rama_proxy.protocols.grpc_result import compression_of
from rama_proxy.relay.journal import Journal, side
from rama_proxy.store.writer import Writer

MAX_MESSAGE = 4 * 1024 * 1024  # kept of one message, of each direction; gRPC takes no larger ones
MAX_NOTE = 300  # characters; it may quote a field of any length
MAX_GROWTH = 4 * 1024 * 1024  # what one piece of a body with a content coding may become


def messages_of(flow: Flow, writer: Writer, limit: int) -> BodyMessages | None:
    """What splits the bodies of `flow`; None: its heads announce no messages.

    To be asked when the request's head is there, and once more, if it gave None, when the
    response's is. `limit` is how many bytes of a message are kept.
    """
    response = flow.response
    if response is not None:  # asked for each one: no more than a look
        value = response.headers.get_bytes(b"content-type")
        found = value is not None and value[: len(EVENT_STREAM)].lower() == EVENT_STREAM.encode()
    else:
        found = flow.request.method == "POST" and framing_of(flow.request.media_type) is not None
    return BodyMessages(flow, writer, min(limit, MAX_MESSAGE)) if found else None


class BodyMessages:
    """Writes down the messages of one exchange; they are numbered across both directions."""

    __slots__ = ("_directions", "_flow", "_journal", "_limit")

    def __init__(self, flow: Flow, writer: Writer, limit: int) -> None:
        self._flow = flow
        self._journal = Journal(flow, writer)
        self._limit = limit
        self._directions: dict[bool, _Direction | None] = {}

    def feed(self, from_client: bool, payload: bytes) -> None:
        """Payload of the body of that side, in order; its head is known."""
        if from_client not in self._directions:
            self._directions[from_client] = self._start(from_client)
        direction = self._directions[from_client]
        if direction is None or not payload:
            return
        if direction.decoder is not None:
            try:
                payload = direction.decoder.decode(payload)
            except CodingError as error:
                self._give_up(from_client, str(error))
                return
        splitter = direction.splitter
        if isinstance(splitter, sse.Splitter):
            for block in splitter.feed(payload):
                self._put_event(block)
            return
        for message in splitter.feed(payload):
            self._put_message(from_client, message)
        if splitter.problem:
            self._give_up(from_client, splitter.problem)

    def end(self) -> None:
        """The exchange is over: what was under way is written as it is. Once is enough."""
        for from_client, direction in self._directions.items():
            if direction is None:
                continue
            splitter = direction.splitter
            if isinstance(splitter, sse.Splitter):
                block = splitter.end()
                if block is not None:
                    self._put_event(block)
                continue
            message = splitter.end()
            if message is not None:
                self._put_message(from_client, message)
            elif splitter.problem:
                self._note(f"messages of the {side(from_client)}: {splitter.problem}")
        self._directions = {True: None, False: None}

    def _start(self, from_client: bool) -> _Direction | None:
        message: Message | None = self._flow.request if from_client else self._flow.response
        if message is None:
            return None
        media_type = message.media_type
        framing = framing_of(media_type)
        if framing is None and (from_client or media_type != EVENT_STREAM):
            return None
        decoder = None
        encoding = message.headers.joined("content-encoding")
        if codings(encoding):
            try:
                decoder = StreamDecoder(encoding, MAX_GROWTH)
            except CodingError as error:
                self._note(f"messages of the {side(from_client)}: {error}")
                return None
        if framing is None:
            return _Direction(sse.Splitter(self._limit), decoder)
        coding = compression_of(message.headers)
        return _Direction(grpc.Splitter(framing, coding, self._limit), decoder)

    def _give_up(self, from_client: bool, problem: str) -> None:
        self._directions[from_client] = None
        self._note(f"messages of the {side(from_client)}: {problem}; none is read behind it")

    def _put_message(self, from_client: bool, message: grpc.GrpcMessage) -> None:
        opcode = TEXT if message.ends else BINARY
        self._journal.put(from_client, opcode, message.data, message.size, message.flags)
        if message.problem:
            self._note(f"message of the {side(from_client)}: {message.problem}")

    def _put_event(self, block: sse.Block) -> None:
        self._journal.put(False, TEXT, block.data, block.size, block.flags)

    def _note(self, text: str) -> None:
        self._journal.note(text[:MAX_NOTE])


class _Direction:
    """What splits one direction, behind what undoes its content coding."""

    __slots__ = ("decoder", "splitter")

    def __init__(
        self, splitter: grpc.Splitter | sse.Splitter, decoder: StreamDecoder | None
    ) -> None:
        self.splitter = splitter
        self.decoder = decoder
