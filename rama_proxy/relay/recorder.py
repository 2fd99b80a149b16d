"""What of an exchange's bodies is kept as they pass: their bytes, and the messages in them."""

from __future__ import annotations

from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Message
from rama_proxy.relay.body_messages import messages_of
from rama_proxy.relay.wiring import Wiring


class Recorder:
    """Keeps the bodies of one exchange; made when the request's head is there."""

    __slots__ = ("_flow", "_messages", "_wiring")

    def __init__(self, wiring: Wiring, flow: Flow) -> None:
        self._wiring = wiring
        self._flow = flow
        self._messages = messages_of(flow, wiring.capture.writer, wiring.options.body_limit)

    def begin_response(self) -> None:
        """The response's head is there; it may be what announces messages."""
        if self._messages is None:
            wiring = self._wiring
            self._messages = messages_of(
                self._flow, wiring.capture.writer, wiring.options.body_limit
            )

    def keep(self, message: Message, data: bytes) -> None:
        """Payload of the body of `message` goes by."""
        wiring = self._wiring
        wiring.capture.keep(self._flow, message.body, data, wiring.options.body_limit)
        if self._messages is not None:
            self._messages.feed(message is self._flow.request, data)

    def end(self) -> None:
        """The exchange is over."""
        if self._messages is not None:
            self._messages.end()
