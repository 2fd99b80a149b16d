"""A Protocol Buffers message as lines that a person reads: by name with a schema, else by number.

Behind "#" stands what a value may mean besides, or why it is not what the schema says.
"""

from __future__ import annotations

from rama_proxy.content.protobuf import (
    FIXED32,
    FIXED64,
    MAX_DEPTH,
    MAX_FIELDS,
    VARINT,
    Field,
    Fields,
    as_float,
    guess_fixed,
    guess_message,
    guess_packed,
    guess_time,
    guess_varint,
    is_plausible,
    is_text,
    parse_beginning,
    parse_message,
    short_float,
)
from rama_proxy.content.protobuf_schema import (
    MESSAGE,
    STRING,
    FieldType,
    MessageType,
    Schema,
)
from rama_proxy.content.protobuf_values import (
    WIRES,
    default_field,
    hex_text,
    quoted,
    scalar_text,
    unpack,
)

MAX_WORK = 10 * MAX_FIELDS  # fields looked at to find out whether bytes are a message

_TIMESTAMP, _ANY = "google.protobuf.Timestamp", "google.protobuf.Any"


def message_text(
    data: bytes, schema: Schema | None = None, kind: MessageType | None = None
) -> tuple[str, str]:
    """The lines of a message, of type `kind` if it is known, and a note of what is not shown.

    Raises ValueError for what is no message.
    """
    found = parse_message(data)
    if found is None:
        raise ValueError("the bytes are no message")
    printer = _Printer(schema or Schema())
    printer.add_fields(found, kind, 0)
    note = f"only the first {MAX_FIELDS:,} fields" if printer.is_cut else ""
    return "\n".join(printer.lines), note


def beginning_text(data: bytes, schema: Schema | None, kind: MessageType | None) -> str:
    """The whole fields at the beginning of a message that was cut off.

    Raises ValueError where there is none.
    """
    found = parse_beginning(data)
    if not found.fields:
        raise ValueError("it was cut off in its first field")
    printer = _Printer(schema or Schema())
    printer.add_fields(found, kind, 0)
    return "\n".join(printer.lines)


class _Printer:
    """Collects lines, indented by depth; stops after MAX_FIELDS fields."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.lines: list[str] = []
        self.is_cut = False
        self._left = MAX_FIELDS
        self._work = MAX_WORK

    def add_fields(self, found: Fields, kind: MessageType | None, depth: int) -> None:
        """A line or more for each field."""
        for field in found.fields:
            if self._left <= 0:
                self.is_cut = True
                return
            self._left -= 1
            known = kind.fields.get(field.number) if kind is not None else None
            if known is None:
                self._add_unknown(str(field.number), field, depth)
            else:
                self._add_known(known, field, depth)
        self.is_cut = self.is_cut or found.rest > 0

    def _line(self, depth: int, text: str, remark: str = "") -> None:
        self.lines.append("  " * depth + text + (f"  # {remark}" if remark else ""))

    def _add_message(
        self, name: str, found: Fields, kind: MessageType | None, depth: int, remark: str = ""
    ) -> None:
        if not found.fields and not found.rest:
            self._line(depth, f"{name} {{}}", remark)
            return
        self._line(depth, f"{name} {{", remark)
        self.add_fields(found, kind, depth + 1)
        self._line(depth, "}")

    # --- by number

    def _add_unknown(self, name: str, field: Field, depth: int, remark: str = "") -> None:
        value = field.value
        if isinstance(value, list):
            self._add_message(name, Fields(value), None, depth, remark or "a group")
        elif isinstance(value, bytes):
            self._add_unknown_bytes(name, value, depth, remark)
        elif field.wire == VARINT:
            self._line(depth, f"{name}: {value}", remark or guess_varint(value))
        else:
            number = as_float(value, field.wire)
            text = short_float(number, 9 if field.wire == FIXED32 else 17)
            bits = 32 if field.wire == FIXED32 else 64
            if number and is_plausible(number):
                self._line(depth, f"{name}: {text}", remark or f"fixed{bits} {value}")
            else:
                also = guess_fixed(value, bits)
                self._line(depth, f"{name}: {value}", remark or f"fixed{bits}{also and ', '}{also}")

    def _add_unknown_bytes(self, name: str, data: bytes, depth: int, remark: str) -> None:
        if depth < MAX_DEPTH and self._work > 0:
            found, looked_at = guess_message(data, min(self._work, MAX_FIELDS))
            self._work -= looked_at
            if found is not None:
                self._add_message(name, found, None, depth, remark)
                return
        if is_text(data):
            self._line(depth, f"{name}: {quoted(data)}", remark)
        else:
            packed = guess_packed(data)
            self._line(depth, f"{name}: {hex_text(data)}", remark or (packed and f"or {packed}"))

    # --- by name

    def _add_known(self, known: FieldType, field: Field, depth: int) -> None:
        value, wire = field.value, WIRES.get(known.kind)
        if field.wire != wire:
            if isinstance(value, bytes) and wire in (VARINT, FIXED32, FIXED64):
                values = unpack(value, wire)
                if values is not None:
                    shown = ", ".join([scalar_text(known, item, self.schema)[0] for item in values])
                    self._line(depth, f"{known.name}: [{shown}]")
                    return
            remark = f"field {field.number} is something else in the schema"
            self._add_unknown(known.name, field, depth, remark)
        elif isinstance(value, int):
            shown, remark = scalar_text(known, value, self.schema)
            self._line(depth, f"{known.name}: {shown}", remark)
        elif isinstance(value, list):
            kind = self.schema.messages.get(known.type_name)
            self._add_message(known.name, Fields(value), kind, depth)
        elif known.kind == MESSAGE:
            self._add_known_message(known, value, depth)
        elif known.kind == STRING or is_text(value):
            self._line(depth, f"{known.name}: {quoted(value)}")
        else:
            self._line(depth, f"{known.name}: {hex_text(value)}")

    def _add_known_message(self, known: FieldType, data: bytes, depth: int) -> None:
        kind = self.schema.messages.get(known.type_name)
        found = parse_message(data, self._left + 1) if depth < MAX_DEPTH else None
        if found is None:
            self._line(depth, f"{known.name}: {hex_text(data)}", f"no {known.type_name}")
        elif kind is not None and kind.is_map:
            self._add_entry(known, found, kind, depth)
        elif known.type_name == _ANY:
            self._add_any(known, found, kind, depth)
        else:
            moment = _moment(found) if known.type_name == _TIMESTAMP else ""
            self._add_message(known.name, found, kind, depth, moment)

    def _add_entry(self, known: FieldType, found: Fields, kind: MessageType, depth: int) -> None:
        """An entry of a map; a key or value that is left out is zero, or empty."""
        by_number = {field.number: field for field in found.fields}
        key_type, value_type = kind.fields.get(1), kind.fields.get(2)
        if key_type is None or value_type is None or not by_number.keys() <= {1, 2}:
            self._add_message(known.name, found, kind, depth)
            return
        key = self._alone(key_type, by_number.get(1) or default_field(1, key_type))
        value = by_number.get(2) or default_field(2, value_type)
        self._add_known(value_type._replace(name=f"{known.name}[{key}]"), value, depth)

    def _alone(self, known: FieldType, field: Field) -> str:
        """A value without its name."""
        if isinstance(field.value, bytes):
            return quoted(field.value)
        return (
            scalar_text(known, field.value, self.schema)[0] if isinstance(field.value, int) else ""
        )

    def _add_any(
        self, known: FieldType, found: Fields, kind: MessageType | None, depth: int
    ) -> None:
        """A google.protobuf.Any: what its type says it holds, where the schema has that."""
        by_number = {field.number: field.value for field in found.fields}
        url, data = by_number.get(1), by_number.get(2, b"")
        name = url.rpartition(b"/")[2].decode("utf-8", "replace") if isinstance(url, bytes) else ""
        inner = parse_message(data, self._left + 1) if isinstance(data, bytes) else None
        if name in self.schema.messages and inner is not None:
            self._add_message(f"{known.name} [{name}]", inner, self.schema.messages[name], depth)
        else:
            self._add_message(known.name, found, kind, depth)


def _moment(found: Fields) -> str:
    """The moment of a google.protobuf.Timestamp."""
    for field in found.fields:
        if field.number == 1 and isinstance(field.value, int):
            return guess_time(field.value)
    return ""
