"""Bytes as rows of offset, hexadecimal and ASCII."""

from __future__ import annotations

from typing import NamedTuple

ROW = 16
_SHOWN = bytes(code if 0x20 <= code < 0x7F else 0x2E for code in range(256))


class HexRow(NamedTuple):
    """One row: `digits` in groups of eight, always as wide as a full row."""

    offset: str
    digits: str
    text: str


def row_count(data: bytes, row: int = ROW) -> int:
    """How many rows `data` takes."""
    return -(-len(data) // row)


def hex_row(data: bytes, index: int, row: int = ROW) -> HexRow:
    """Row `index` of `data`, of `row` bytes each."""
    part = data[index * row : (index + 1) * row]
    groups = [part[start : start + 8].hex(" ") for start in range(0, len(part), 8)]
    width = row * 3 - 1 + (row - 1) // 8
    return HexRow(
        f"{index * row:08x}", "  ".join(groups).ljust(width), part.translate(_SHOWN).decode("ascii")
    )


def hexdump(data: bytes) -> str:
    """All rows of `data`, as `hexdump -C` shows them."""
    rows = (hex_row(data, index) for index in range(row_count(data)))
    return "".join(f"{row.offset}  {row.digits}  |{row.text}|\n" for row in rows)
