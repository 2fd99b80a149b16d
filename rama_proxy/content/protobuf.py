"""Protocol Buffers' wire format read without a schema: fields, and guesses of what they are.

The wire says a number and one of six types for each field, and no more: whether bytes are a text, a
message or a list is a guess here. Never raises on what came from the network.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime
from typing import NamedTuple

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)  # wire types
WIRE_NAMES = ("varint", "fixed64", "bytes", "group", "end of group", "fixed32")
MAX_DEPTH = 40  # of messages in each other; protobuf's own limit is 100
MAX_FIELDS = 20_000  # read of one message
MAX_NUMBER = (1 << 29) - 1
MAX_PLAUSIBLE = 100_000  # of a field's number where the message itself is a guess
MAX_PACKED = 64  # values guessed in bytes

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SIGN = 1 << 63
_WORD = 1 << 64


class Field(NamedTuple):
    """One field: an unsigned number, the bytes of one, or the fields of a group."""

    number: int
    wire: int
    value: int | bytes | list[Field]


class Fields(NamedTuple):
    """The fields of a message in their order; `rest` is how many bytes were not read any more."""

    fields: list[Field]
    rest: int = 0


def parse_message(data: bytes, limit: int = MAX_FIELDS) -> Fields | None:
    """The first `limit` fields of a message; None: it is none. Bytes of no length are one."""
    return _parse(data, [], limit)


def parse_beginning(data: bytes, limit: int = MAX_FIELDS) -> Fields:
    """The fields of a message that was cut off, as far as they are whole."""
    fields: list[Field] = []
    found = _parse(data, fields, limit)
    return found or Fields(fields)


def _parse(data: bytes, fields: list[Field], limit: int) -> Fields | None:
    try:
        end = _parse_fields(data, 0, fields, limit, 0)
    except (ValueError, IndexError):
        return None
    return Fields(fields, len(data) - end)


def _parse_fields(data: bytes, at: int, fields: list[Field], limit: int, depth: int) -> int:
    """Add fields from `at` on until there are `limit`, and give where they end.

    `depth` is that of the groups they are in. Raises ValueError or IndexError for what is no field.
    """
    size = len(data)
    while at < size and len(fields) < limit:
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= MAX_NUMBER:
            raise ValueError
        if wire == VARINT:
            value, at = read_varint(data, at)
            fields.append(Field(number, wire, value))
        elif wire == BYTES:
            length, at = read_varint(data, at)
            end = at + length
            if end > size:
                raise ValueError
            fields.append(Field(number, wire, data[at:end]))
            at = end
        elif wire in (FIXED32, FIXED64):
            end = at + (4 if wire == FIXED32 else 8)
            if end > size:
                raise ValueError
            fields.append(Field(number, wire, int.from_bytes(data[at:end], "little")))
            at = end
        elif wire == GROUP and depth < MAX_DEPTH:
            inner, at = _parse_group(data, at, number, limit - len(fields), depth + 1)
            fields.append(Field(number, wire, inner))
        else:
            raise ValueError
    return at


def _parse_group(
    data: bytes, at: int, number: int, limit: int, depth: int
) -> tuple[list[Field], int]:
    """The fields up to the end tag of group `number`, and where that ends."""
    fields: list[Field] = []
    while True:
        tag, after = read_varint(data, at)
        if tag & 7 == END_GROUP:
            if tag >> 3 != number:
                raise ValueError
            return fields, after
        if len(fields) >= limit:
            raise ValueError
        at = _parse_fields(data, at, fields, len(fields) + 1, depth)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at `at`, and where it ends. Raises ValueError or IndexError."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while shift < 64:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= _WORD:
                raise ValueError
            return value, at + 1
        shift += 7
    raise ValueError


def signed(value: int) -> int:
    """A 64-bit number as int32 and int64 have it."""
    return value - _WORD if value & _SIGN else value


def unzigzag(value: int) -> int:
    """A number as sint32 and sint64 have it."""
    return value >> 1 ^ -(value & 1)


def as_float(value: int, wire: int) -> float:
    """The number that a fixed32 or fixed64 is as a float or double."""
    if wire == FIXED32:
        return float(struct.unpack("<f", value.to_bytes(4, "little"))[0])
    return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])


# --- guesses


def is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters, but for tabs and ends of lines."""
    try:
        return _CONTROL.search(data.decode()) is None
    except UnicodeDecodeError:
        return False


def guess_message(data: bytes, limit: int = MAX_FIELDS) -> tuple[Fields | None, int]:
    """The fields of bytes that are rather a message than a text, and how many were looked at.

    A message that begins with a text often is a text itself, but for the line feed in front, which
    is the tag of field 1: what begins so and is a message to its end is one.
    """
    if not data or (data[0] not in b"\t\n\r" and is_text(data)):
        return None, 0
    fields: list[Field] = []
    found = _parse(data, fields, limit)
    if found is not None and any(field.number > MAX_PLAUSIBLE for field in fields):
        found = None
    return found, len(fields)


def guess_packed(data: bytes) -> str:
    """What a list of numbers bytes may be: "varints 3, 270", "floats 1, 2.5"; "" for none."""
    if not 2 <= len(data) <= 8 * MAX_PACKED:
        return ""
    for wire, letter, size, name in ((FIXED64, "d", 8, "doubles"), (FIXED32, "f", 4, "floats")):
        if len(data) % size == 0 and len(data) > size:
            numbers = struct.unpack(f"<{len(data) // size}{letter}", data)
            if all(is_plausible(number) for number in numbers):
                digits = 9 if wire == FIXED32 else 17
                return f"{name} {', '.join(short_float(number, digits) for number in numbers)}"
    values = packed_varints(data)
    if values is None or not 2 <= len(values) <= MAX_PACKED:
        return ""
    whole = [signed(value) for value in values]
    if any(not -(1 << 31) <= number < 1 << 32 for number in whole):
        return ""
    return f"varints {', '.join(map(str, whole))}"


def packed_varints(data: bytes) -> list[int] | None:
    """The numbers of a packed field, None where it is none."""
    values = []
    at = 0
    try:
        while at < len(data):
            value, at = read_varint(data, at)
            values.append(value)
    except (ValueError, IndexError):
        return None
    return values


def is_plausible(number: float) -> bool:
    """Whether a person would have meant `number`: neither tiny nor huge, and no NaN."""
    return number == 0.0 or 1e-6 <= abs(number) < 1e12


def short_float(number: float, digits: int) -> str:
    """A float in as few digits as make the same float or double, which take 9 or 17."""
    layout = "<f" if digits == 9 else "<d"
    for count in range(6, digits):
        text = f"{number:.{count}g}"
        if struct.pack(layout, float(text)) == struct.pack(layout, number):
            return text
    return f"{number:.{digits}g}"


def guess_time(value: int) -> str:
    """The moment that a large number may be, from 2001 to 2100, in s, ms, us or ns; else ""."""
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        if 1_000_000_000 <= value // unit < 4_102_444_800:
            moment = datetime.fromtimestamp(value // unit, UTC)
            return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def guess_fixed(value: int, bits: int) -> str:
    """What else a fixed number may be, "" where the number itself says it."""
    return f"{value - (1 << bits)} if signed" if value >> (bits - 1) else guess_time(value)


def guess_varint(value: int) -> str:
    """What else a varint may be, "" where the number itself says it."""
    if value & _SIGN:
        return f"{signed(value)} if signed"
    if moment := guess_time(value):
        return moment
    # Every odd number may be a negative one; small ones seldom are.
    return f"{unzigzag(value)} if zigzag" if value & 1 and value >= 1 << 31 else ""
