"""Single values of Protocol Buffers as text, by the type that a schema gives them."""

from __future__ import annotations

import json
import struct

from rama_proxy.content.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    GROUP,
    VARINT,
    Field,
    as_float,
    guess_time,
    packed_varints,
    short_float,
    signed,
    unzigzag,
)
from rama_proxy.content.protobuf_schema import (
    BOOL,
    BYTES_TYPE,
    DOUBLE,
    ENUM,
    FIXED_32,
    FIXED_64,
    FLOAT,
    GROUP_TYPE,
    INT32,
    INT64,
    MESSAGE,
    SFIXED_32,
    SFIXED_64,
    SINT32,
    SINT64,
    STRING,
    UINT32,
    UINT64,
    FieldType,
    Schema,
)

MAX_HEX = 64  # bytes shown of what is no text

WIRES = {  # how a value of each type stands on the wire
    **dict.fromkeys((INT32, INT64, UINT32, UINT64, SINT32, SINT64, BOOL, ENUM), VARINT),
    **dict.fromkeys((FIXED_32, SFIXED_32, FLOAT), FIXED32),
    **dict.fromkeys((FIXED_64, SFIXED_64, DOUBLE), FIXED64),
    **dict.fromkeys((STRING, BYTES_TYPE, MESSAGE), BYTES),
    GROUP_TYPE: GROUP,
}


def scalar_text(known: FieldType, value: int, schema: Schema) -> tuple[str, str]:
    """A number as its type has it, and what it may mean besides."""
    kind = known.kind
    if kind == BOOL:
        return ("true" if value else "false"), ""
    if kind == ENUM:
        number = _signed32(value)
        name = schema.enums.get(known.type_name, {}).get(number)
        return (name, str(number)) if name else (str(number), f"not in {known.type_name}")
    if kind in (FLOAT, DOUBLE):
        wire, digits = (FIXED32, 9) if kind == FLOAT else (FIXED64, 17)
        return short_float(as_float(value, wire), digits), ""
    return str(_whole(kind, value)), guess_time(value)


def _whole(kind: int, value: int) -> int:
    """A whole number by its type."""
    if kind in (INT64, SFIXED_64):
        return signed(value)
    if kind in (INT32, SFIXED_32):
        return _signed32(value)
    if kind in (SINT32, SINT64):
        return unzigzag(value)
    return value & 0xFFFFFFFF if kind == UINT32 else value


def _signed32(value: int) -> int:
    """The number that the lower 32 bits are; negative ones come in 64."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def unpack(data: bytes, wire: int | None) -> list[int] | None:
    """The numbers of a packed field, None where its bytes are none."""
    if wire == VARINT:
        return packed_varints(data)
    size = 8 if wire == FIXED64 else 4
    if len(data) % size:
        return None
    return list(struct.unpack(f"<{len(data) // size}{'I' if size == 4 else 'Q'}", data))


def default_field(number: int, known: FieldType) -> Field:
    """What a field that was left out stands for."""
    wire = WIRES.get(known.kind, VARINT)
    return Field(number, wire, b"" if wire == BYTES else 0)


def quoted(data: bytes) -> str:
    """A text in quotes, on one line."""
    return json.dumps(data.decode("utf-8", "backslashreplace"), ensure_ascii=False)


def hex_text(data: bytes) -> str:
    """Bytes that are no text."""
    more = f" … {len(data) - MAX_HEX:,} bytes more" if len(data) > MAX_HEX else ""
    return f"<{data[:MAX_HEX].hex(' ')}{more}>"
