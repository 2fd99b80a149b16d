"""Protocol Buffers' types by name, read from a FileDescriptorSet with our own decoder.

`protoc --descriptor_set_out=FILE --include_imports` and `buf build -o FILE` make one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from rama_proxy.content.protobuf import parse_message, signed

# FieldDescriptorProto.Type
(DOUBLE, FLOAT, INT64, UINT64, INT32, FIXED_64, FIXED_32, BOOL, STRING, GROUP_TYPE, MESSAGE,
 BYTES_TYPE, UINT32, ENUM, SFIXED_32, SFIXED_64, SINT32, SINT64) = range(1, 19)  # fmt: skip

_REPEATED = 3
_MAX_PARTS = 5_000_000  # of one descriptor; Google's whole API has a tenth of that
_MAX_NESTING = 64


class FieldType(NamedTuple):
    """What a schema says of a field. `type_name` is that of a message or an enum."""

    name: str
    kind: int
    type_name: str = ""
    repeated: bool = False


@dataclass(slots=True)
class MessageType:
    """A message: its fields by number. `is_map` marks an entry of a map, key 1 and value 2."""

    name: str
    fields: dict[int, FieldType] = field(default_factory=dict)
    is_map: bool = False


class Method(NamedTuple):
    """The messages of a service's method."""

    request: str
    response: str


@dataclass(slots=True)
class Schema:
    """Messages and enums by full name without the dot in front, methods by "pkg.Service/Method"."""

    messages: dict[str, MessageType] = field(default_factory=dict)
    enums: dict[str, dict[int, str]] = field(default_factory=dict)
    methods: dict[str, Method] = field(default_factory=dict)

    def message_for(self, path: str, *, from_client: bool) -> MessageType | None:
        """What a call to `path`, "/pkg.Service/Method", sends or gets.

        What is in front of the last two parts does not count: proxies put calls below a path.
        """
        parts = path.partition("?")[0].split("/")
        method = self.methods.get("/".join(parts[-2:]))
        if method is None:
            return None
        return self.messages.get(method.request if from_client else method.response)

    def update(self, other: Schema) -> None:
        """Add what `other` knows."""
        self.messages.update(other.messages)
        self.enums.update(other.enums)
        self.methods.update(other.methods)


def parse_descriptors(data: bytes) -> Schema:
    """The schema of a FileDescriptorSet. Raises ValueError that says why it is none."""
    if data.lstrip().startswith((b"syntax", b"//", b"/*", b"package", b"edition", b"import")):
        raise ValueError(
            "it is .proto source; `protoc --include_imports --descriptor_set_out=FILE` makes a"
            " descriptor set of it"
        )
    loader = _Loader()
    for file in _Descriptor(data).parts(1):
        loader.add_file(file)
    loader.add_extensions()
    if not loader.schema.messages and not loader.schema.enums:
        raise ValueError("it has no descriptors of messages")
    return loader.schema


class _Descriptor:
    """The last values of a descriptor's fields, and all of those that repeat."""

    def __init__(self, data: bytes) -> None:
        found = parse_message(data, _MAX_PARTS)
        if found is None or found.rest:
            raise ValueError("it is no descriptor set, or a damaged one")
        self._values: dict[int, list[int | bytes]] = {}
        for field_ in found.fields:
            if not isinstance(field_.value, list):
                self._values.setdefault(field_.number, []).append(field_.value)

    def parts(self, number: int) -> Iterator[_Descriptor]:
        """The descriptors in field `number`."""
        for value in self._values.get(number, ()):
            if isinstance(value, bytes):
                yield _Descriptor(value)

    def number(self, number: int) -> int:
        """The number in field `number`, 0 without one."""
        value = self._values.get(number, (0,))[-1]
        return signed(value) if isinstance(value, int) else 0

    def text(self, number: int) -> str:
        """The text in field `number`, "" without one."""
        value = self._values.get(number, (b"",))[-1]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

    def type_name(self, number: int) -> str:
        """The full name in field `number`, without the dot in front."""
        return self.text(number).removeprefix(".")


class _Loader:
    """Makes a schema of descriptors; numbers are those of google/protobuf/descriptor.proto."""

    def __init__(self) -> None:
        self.schema = Schema()
        self._extensions: list[tuple[str, _Descriptor]] = []

    def add_file(self, file: _Descriptor) -> None:
        """The types and services of a FileDescriptorProto."""
        package = file.text(2)
        prefix = f"{package}." if package else ""
        for message in file.parts(4):
            self._add_message(message, prefix, 0)
        for enum in file.parts(5):
            self._add_enum(enum, prefix)
        for service in file.parts(6):
            for method in service.parts(2):
                name = f"{prefix}{service.text(1)}/{method.text(1)}"
                self.schema.methods[name] = Method(method.type_name(2), method.type_name(3))
        self._extensions += [(prefix, part) for part in file.parts(7)]

    def _add_message(self, message: _Descriptor, prefix: str, depth: int) -> None:
        if depth > _MAX_NESTING:
            raise ValueError("its messages are nested too deep")
        name = prefix + message.text(1)
        is_map = any(options.number(7) for options in message.parts(7))
        fields = {part.number(3): _field_type(part) for part in message.parts(2)}
        self.schema.messages[name] = MessageType(name, fields, is_map)
        for inner in message.parts(3):
            self._add_message(inner, f"{name}.", depth + 1)
        for enum in message.parts(4):
            self._add_enum(enum, f"{name}.")
        self._extensions += [(f"{name}.", part) for part in message.parts(6)]

    def _add_enum(self, enum: _Descriptor, prefix: str) -> None:
        names = self.schema.enums.setdefault(prefix + enum.text(1), {})
        for value in enum.parts(2):
            names.setdefault(value.number(2), value.text(1))  # the first of aliases

    def add_extensions(self) -> None:
        """Give the messages of this set the fields that others add to them."""
        for prefix, part in self._extensions:
            extended = self.schema.messages.get(part.type_name(2))
            if extended is not None:
                found = _field_type(part)
                found = found._replace(name=f"[{prefix}{found.name}]")
                extended.fields.setdefault(part.number(3), found)


def _field_type(part: _Descriptor) -> FieldType:
    return FieldType(part.text(1), part.number(5), part.type_name(6), part.number(4) == _REPEATED)
