"""The grammar of HTTP/1 heads as compiled patterns, and sentences for what breaks it.

The patterns are possessive (`*+`): none of them can backtrack, so every head costs time linear in
its size. Knows bytes only; what fields mean is in `http1_framing`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Field

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # RFC 9110 5.6.2
MAX_METHOD = 64  # the longest registered one, UPDATEREDIRECTREF, has 17
SHOWN = 80  # bytes of a bad line that a message quotes

# RFC 9112 3, with bytes >= 0x80 in the target: browsers and scripts send raw UTF-8 there.
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb"{1,64}+) ([\x21-\x7e\x80-\xff]++) HTTP/1\.([01])\r\n")
# What may become a request line. Of a long one only the first bytes are looked at.
_VERSION_START = rb"(?:H?|HTT?|HTTP(?:/(?:[0-9](?:\.(?:[0-9]\r?)?)?)?)?)\Z"
_AFTER_METHOD = rb" [\x21-\x7e\x80-\xff]*+(?:\Z| " + _VERSION_START + rb")"
REQUEST_START = re.compile(rb"\r?\Z|" + TOKEN + rb"{1,64}+(?:\Z|" + _AFTER_METHOD + rb")")
# RFC 9112 4. Some servers leave out the reason with its space; h11, llhttp and browsers take it.
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\x00-\x08\x0a-\x1f\x7f]*+))?\r\n")
# RFC 9112 5. `^` stands after each LF: a line that does not match yields no field, and the
# lines are counted. The look behind leaves out lines with blanks at their end, which are seldom.
_NAME = rb"^(" + TOKEN + rb"++):[ \t]*+"
_REQUEST_VALUE = rb"([\t\x20-\x7e\x80-\xff]*+)"
# RFC 9110 5.5 lets a recipient keep control characters other than NUL, CR, LF. Servers do send
# them (cookies), browsers take them; a response that works without a proxy works with it. Not
# those that some programs strip like blanks.
_RESPONSE_VALUE = rb"([^\x00\x0b\x0c\r\n]*+)"


class FieldLines(NamedTuple):
    """What a field line may be: `strict` without blanks behind the value, `loose` with them."""

    strict: re.Pattern[bytes]
    loose: re.Pattern[bytes]


def _field_lines(value: bytes) -> FieldLines:
    return FieldLines(
        re.compile(_NAME + value + rb"(?<![ \t])\r\n", re.MULTILINE),
        re.compile(_NAME + value + rb"\r\n", re.MULTILINE),
    )


REQUEST_FIELDS = _field_lines(_REQUEST_VALUE)
RESPONSE_FIELDS = _field_lines(_RESPONSE_VALUE)

TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]++")
METHOD = re.compile(TOKEN + rb"{1,64}+")

# RFC 9112 3.2, 7.2: host[:port], the host an IP literal, or a registered name (RFC 3986 3.2.2).
_HOST = rb"(?:\[[0-9A-Fa-f:.]++\]|(?:[\w\-.~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})*+)"
AUTHORITY = re.compile(rb"(" + _HOST + rb")(?::([0-9]{0,5}))?+")
ABSOLUTE_TARGET = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*+)://([^ /?#]*+)")

_ANY_NAME = re.compile(TOKEN + rb"++")
_BAD_BYTES = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")


def quoted(data: bytes | bytearray) -> str:
    """`data` for a message: as Python would write it, cut where it is long."""
    return repr(bytes(data)) if len(data) <= SHOWN else f"{bytes(data[:SHOWN])!r}..."


def refuse_endless(buf: bytearray, start: int, status: int) -> None:
    """Raise if the unfinished head or trailers from `start` can never end.

    A sender that ends lines with LF or CR alone has come to its empty line, and would wait for an
    answer for ever. The last LF and two in a row show it without a look at every line.
    """
    if buf.startswith(b"\n", start):
        raise ProtocolError(_bare("LF", buf, start), status)
    last = buf.rfind(b"\n", start)
    if last >= 0 and buf[last - 1] != 0x0D:
        raise ProtocolError(_bare("LF", buf, last), status)
    double = buf.find(b"\n\n", start)
    if double >= 0:
        raise ProtocolError(_bare("LF", buf, double + 1), status)
    double = buf.find(b"\r\r", start)
    if double >= 0:
        raise ProtocolError(_bare("CR", buf, double), status)


def _bare(what: str, buf: bytearray, index: int) -> str:
    line = buf[buf.rfind(b"\n", 0, index) + 1 : index + 1]
    return f"bare {what} in line {quoted(line)} (RFC 9112 2.2)"


def parse_fields(
    block: bytes, start: int, lines: int, grammar: FieldLines, status: int
) -> list[Field]:
    """The fields of `block` from `start` to its end: `lines` field lines and an empty one.

    Raises ProtocolError with `status` and a sentence about the first line that is none.
    """
    fields: list[Field] = grammar.strict.findall(block, start)
    if len(fields) == lines:
        return fields
    fields = grammar.loose.findall(block, start)
    if len(fields) == lines:
        return [(name, value.rstrip(b" \t")) for name, value in fields]
    parts = block[start:-2].split(b"\n")
    bad = next(i for i, line in enumerate(parts) if not grammar.loose.match(line + b"\n"))
    raise ProtocolError(_field_fault(parts[bad], parts[bad - 1] if bad else b""), status)


def _field_fault(line: bytes, previous: bytes) -> str:
    if not line.endswith(b"\r"):
        return f"bare LF in line {quoted(line)} (RFC 9112 2.2)"
    line = line[:-1]
    if b"\r" in line:
        return f"bare CR in line {quoted(line)} (RFC 9112 2.2)"
    if b"\x00" in line:
        return f"NUL in header line {quoted(line)} (RFC 9110 5.5)"
    if line[:1] in {b" ", b"\t"}:
        if previous:
            return f"folded header line {quoted(previous[:-1])}, {quoted(line)} (RFC 9112 5.2)"
        return f"blank before the first header field: {quoted(line)} (RFC 9112 2.2)"
    name, colon, value = line.partition(b":")
    if not colon:
        return f"header line without a colon: {quoted(line)} (RFC 9112 5)"
    if not name:
        return f"header line without a name: {quoted(line)} (RFC 9112 5)"
    if name != name.rstrip(b" \t"):
        return f"whitespace between name and colon in header line {quoted(line)} (RFC 9112 5.1)"
    if not _ANY_NAME.fullmatch(name):
        return f"bad character in header name {quoted(name)} (RFC 9110 5.1)"
    found = _BAD_BYTES.search(value)
    what = f"control character {found[0]!r}" if found else "bad character"
    return f"{what} in the value of header {quoted(name)} (RFC 9110 5.5)"
