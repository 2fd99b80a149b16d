"""Form data (application/x-www-form-urlencoded), one field a line, decoded."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

MAX_FIELDS = 20_000


def pretty_form(data: bytes) -> tuple[bytes, str]:
    """`name = value` lines in wire order, and a note where fields had to be left out.

    Line breaks in a value continue on lines of their own, indented.
    """
    fields = data.split(b"&", MAX_FIELDS)
    note = ""
    if len(fields) > MAX_FIELDS:
        fields.pop()
        note = f"more than {MAX_FIELDS:,} fields: the rest is not shown"
    lines = []
    for field in fields:
        name, equals, value = field.partition(b"=")
        text = _unquoted(value).replace(b"\r\n", b"\n").replace(b"\n", b"\n    ")
        name = _unquoted(name).replace(b"\n", b" ")
        lines.append(b"%b = %b" % (name, text) if equals else name)
    return b"\n".join(lines), note


def _unquoted(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))
