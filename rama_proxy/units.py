"""Sizes and durations as people write them: `16M`, `1h30m`, and back.

Sizes count in 1024 whatever way the unit is written. Knows nothing of options.
"""

from __future__ import annotations

import re

_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes for `500`, `64k`, `16MiB` or `1.5G`. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return int(float(match[1]) * _SIZES[match[2].lower()])


def parse_duration(text: str) -> float:
    """Seconds for `10`, `10s`, `500ms`, `2m` or `1h30m`. Raises ValueError for anything else."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"not a duration: {text!r}")
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(text))


def format_size(size: float) -> str:
    """`size` bytes in at most four digits and a unit: `512 B`, `34.5 KiB`, `16 MiB`."""
    if size < 1024:
        return f"{size:.0f} B"
    units = iter(("KiB", "MiB", "GiB", "TiB"))
    while True:
        size, unit = size / 1024, next(units)
        if size < 999.5 or unit == "TiB":
            break
    digits = f"{size:.1f}".removesuffix(".0") if size < 100 else f"{size:.0f}"
    return f"{digits} {unit}"


def format_duration(seconds: float) -> str:
    """`seconds` as `parse_duration` reads it: `250ms`, `1.5s`, `2m`, `1h30m`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (left, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)
