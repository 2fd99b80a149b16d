"""What a message says of its body besides the media type, for formats that need to know it."""

from __future__ import annotations

from dataclasses import dataclass

from rama_proxy.content.protobuf_schema import MessageType, Schema
from rama_proxy.model.message import Message, Request
from rama_proxy.protocols.grpc_result import compression_of

_TYPE_PARAMETERS = ("messagetype", "proto", "message")  # that name a type beside application/...


@dataclass(slots=True, frozen=True)
class Origin:
    """Whose body it is. `path` is that of the request, `schema` what the user gave."""

    media_type: str = ""
    type_name: str = ""  # of a Protocol Buffers message, where Content-Type names it
    compression: str = ""  # of gRPC's messages
    path: str = ""
    from_client: bool = False
    schema: Schema | None = None

    @property
    def message_type(self) -> MessageType | None:
        """The type of the body's messages, None where nobody knows it."""
        if self.schema is None:
            return None
        named = self.schema.messages.get(self.type_name)
        return named or self.schema.message_for(self.path, from_client=self.from_client)


NOWHERE = Origin()


def origin_of(message: Message, path: str = "", schema: Schema | None = None) -> Origin:
    """The origin of the body of `message`, which belongs to a request for `path`."""
    media_type, *parameters = (message.headers.get("content-type") or "").split(";")
    type_name = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() in _TYPE_PARAMETERS:
            type_name = value.strip().strip('"')
    return Origin(
        media_type.strip().lower(),
        type_name,
        compression_of(message.headers),
        path,
        isinstance(message, Request),
        schema,
    )
