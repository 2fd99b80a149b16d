"""JSON re-indented without parsing it into values: repeated keys and long numbers stay as sent."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from itertools import accumulate

import msgspec

MAX_LOOSE = 2 * 1024 * 1024  # the fallback is Python and costs 0.5 s per MiB
MAX_INDENTATION = 32 * 1024 * 1024  # nesting 1000 deep blows 16 MiB up to 16 GiB
MAX_DEPTH = 60
MAX_LINES = 100_000
PART = 128 * 1024

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_WHOLE_STRINGS = re.compile(rb'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]|[^\s"\[\]{},:]++', re.DOTALL)
_NO_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
_STEPS = bytes.maketrans(b"[{]},", b"\x01\x01\xff\xff\x00")
_GUARD = re.compile(rb"\s*+(\)\]\}'[^\n]*\n|(?:for ?\(;;\);|while ?\(1\);))")  # against inclusion


def pretty_json(data: bytes) -> tuple[bytes, str]:
    """`data` indented by two, and a note where it is no valid JSON. Never fails."""
    guard = _GUARD.match(data)
    if guard is not None:
        pretty, note = pretty_json(data[guard.end() :])
        return guard[0].rstrip() + b"\n" + pretty, note
    if not data.strip():
        return data, ""
    if indentation(data) > MAX_INDENTATION:
        return data, "indenting would blow it up: nested too deep"
    try:
        return msgspec.json.format(data, indent=2), ""
    except msgspec.DecodeError as error:
        problem = str(error).removeprefix("JSON is malformed: ")
    except RecursionError:
        problem = "nested too deep"
    if problem == "Input data was truncated":
        problem = "it ends too early"
    if len(data) > MAX_LOOSE:
        return data, f"not valid JSON: {problem}"
    return indent_loosely(data), f"not valid JSON: {problem}"


def pretty_json_lines(data: bytes) -> tuple[bytes, str]:
    """As `pretty_json` for a JSON value on each line (NDJSON)."""
    parts = []
    note = ""
    size = 0
    lines = data.split(b"\n", MAX_LINES)
    for number, line in enumerate(lines, 1):
        if size > MAX_INDENTATION or number > MAX_LINES:
            parts.extend(lines[number - 1 :])
            note = note or f"indented up to line {number - 1:,} only"
            break
        pretty, problem = pretty_json(line.lstrip(b"\x1e"))  # RFC 7464 puts RS before each
        note = note or (problem and f"line {number}: {problem}")
        parts.append(pretty)
        size += len(pretty)
    return b"\n".join(parts), note


def indentation(data: bytes) -> int:
    """How many bytes of spaces indenting `data` would add; counted up to MAX_INDENTATION."""
    depth = total = 0
    for part in _parts(data):
        steps = array("b", _STRING.sub(b"", part).translate(_STEPS, _NO_STRUCTURE))
        depths = array("q", accumulate(steps, initial=depth))
        depth = depths[-1]
        total += 2 * (sum(depths) - depths[0])
        if total > MAX_INDENTATION:
            break
    return total


def _parts(data: bytes) -> Iterator[bytes]:
    """`data` in pieces that cut no string; one call of `re` on all of it would stop the screen."""
    position = 0
    while position < len(data):
        match = _WHOLE_STRINGS.match(data, position, position + PART)
        end = match.end() if match else position
        if end == position:  # a string longer than a piece
            string = _STRING.match(data, position)
            position = string.end() if string else len(data)
        else:
            yield data[position:end]
            position = end


def indent_loosely(data: bytes) -> bytes:
    """Something like JSON, broken into lines at brackets and commas. Never fails."""
    out: list[bytes] = []
    depth = 0
    fresh = False  # just behind an opening bracket
    ended = False  # just behind a whole value
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token in b"]}":
            depth = max(depth - 1, 0)
            out.append(token if fresh else _line(depth) + token)
            fresh, ended = False, depth == 0
            continue
        if fresh or (ended and token != b","):
            out.append(_line(depth))
        fresh = ended = False
        if token in b"[{":
            depth += 1
            fresh = True
            out.append(token)
        elif token == b",":
            out.append(b"," + _line(depth))
        elif token == b":":
            out.append(b": ")
        else:
            out.append(token)
    return b"".join(out)


def _line(depth: int) -> bytes:
    return b"\n" + b"  " * min(depth, MAX_DEPTH)
