r"""Regexes of filters: Python's way of writing them, run by RE2, whose time is linear in the text.

Written as for Python's `re`, with these differences, which RE2 brings: no look-around, no reference
back to a group, no atomic groups; \d, \w, \s and \b know ASCII only. Knows no flows.
"""

from __future__ import annotations

import functools
import re
from typing import Protocol

import re2

from rama_proxy.errors import FilterError

MAX_COUNTED = 500  # steps of a program with {n}; RE2 takes up to 5 ns a byte for each

# The pieces of a pattern that matter for its translation; anything else is a letter.
_PIECES = re.compile(
    r"""
      \\u(?P<four>[0-9a-fA-F]{4}) | \\U(?P<eight>[0-9a-fA-F]{8})
    | \\x(?P<byte>[89a-fA-F][0-9a-fA-F])
    | \\(?P<other>[^\x00-\x7f]) | (?P<end>\\Z) | \\.
    | (?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])
    | (?P<least>\{,(?=\d+\})) | (?P<dollar>\$) | (?P<letter>[^\x00-\x7f]) | .
    """,
    re.VERBOSE | re.DOTALL,
)
_UNSUPPORTED = (
    (re.compile(r"\(\?(?:[=!]|<[=!])"), "look-around", "join two filters with & and ! instead"),
    (re.compile(r"\\[1-9]|\(\?P="), "a reference back to a group", ""),
    (re.compile(r"\(\?>|[*+?}]\+"), "a repeat that gives nothing back", "leave the > or + out"),
    (re.compile(r"\(\?\("), "a condition", ""),
    (re.compile(r"\(\?#"), "a comment", "leave it out"),
    (re.compile(r"\(\?[a-zA-Z]*[aLux]"), "one of these flags", "only (?i), (?s), (?m) and (?-i)"),
    (re.compile(r"\{\d{4,}|\{\d*,\d{4,}"), "more than 1000 repeats", ""),
)


class Regex(Protocol):
    """A compiled pattern."""

    def search(self, text: bytes) -> object | None:
        """What is found first, None if nothing is."""


@functools.lru_cache(maxsize=256)
def text_regex(pattern: str) -> Regex:
    """For text as UTF-8. Raises re2.error."""
    return _compile(_translate(pattern).encode(), re2.Options.Encoding.UTF8)


@functools.lru_cache(maxsize=256)
def line_regex(pattern: str) -> Regex:
    """The same, with ^ and $ at each line."""
    return _compile(b"(?m)" + _translate(pattern).encode(), re2.Options.Encoding.UTF8)


@functools.lru_cache(maxsize=256)
def byte_regex(pattern: str) -> Regex:
    r"""For bytes: letters beyond ASCII are their UTF-8, \xff is that byte, . is any byte."""
    translated = _translate(pattern, of_bytes=True).encode("utf-8", "surrogateescape")
    return _compile(translated, re2.Options.Encoding.LATIN1, dot_nl=True)


def check_regex(pattern: str, position: int, of_bytes: bool = False) -> None:
    """Raise FilterError, at `position` in its expression, for a regex that cannot be used."""
    try:
        pattern.encode()  # not so with what argv had in it that is no text
    except UnicodeEncodeError as error:
        raise FilterError(f"bad regex {pattern!r}: not text", position + error.start) from error
    try:
        _ = byte_regex(pattern) if of_bytes else text_regex(pattern)
        too_long = "{" in pattern and _steps(pattern) > MAX_COUNTED
    except re2.error as error:
        raise _refusal(pattern, position, _message(error)) from error
    if too_long:
        raise FilterError(
            f"the repeats in {pattern!r} take too long",
            position + pattern.index("{"),
            "take + or * for a large number",
        )


def _compile(pattern: bytes, encoding: object, dot_nl: bool = False) -> Regex:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.encoding = encoding
    options.dot_nl = dot_nl
    compiled: Regex = re2.compile(pattern, options=options)
    return compiled


def _steps(pattern: str) -> int:
    """How many steps the pattern's program has; those of bytes, as UTF-8 has ten for a dot."""
    size: int = byte_regex(pattern).programsize  # type: ignore[attr-defined]  # RE2's alone
    return size


def _translate(pattern: str, *, of_bytes: bool = False) -> str:
    return _PIECES.sub(functools.partial(_piece, of_bytes=of_bytes), pattern)


def _piece(found: re.Match[str], *, of_bytes: bool) -> str:
    kind, text = found.lastgroup, found.group()
    match kind:
        case "end":
            return r"\z"
        case "dollar":
            return r"(?:$|\n?\z)"  # as in Python, also before a line's end that ends the text
        case "least":
            return "{0,"
        case "four" | "eight":
            code = int(found[kind], 16)
            letter = chr(code) if of_bytes and _is_letter(code) else ""
            return _exactly(letter) if letter else f"\\x{{{code:x}}}"
        case "byte":
            # In bytes, case is ASCII's: \xe9 is not \xc9 as well.
            return f"(?-i:{text})" if of_bytes else text
        case "letter" | "other":
            letter = text.removeprefix("\\")
            return _exactly(letter) if of_bytes else letter
        case "set":
            return _set(text)
        case _:
            return text


def _is_letter(code: int) -> bool:
    return code < 0x110000 and not 0xD800 <= code < 0xE000


def _exactly(letter: str) -> str:
    return f"(?-i:{letter})" if not letter.isascii() else re.escape(letter)


def _set(text: str) -> str:
    r"""A set of letters, with \u as RE2 writes it."""
    return re.sub(
        r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\([^\x00-\x7f])|(\\.)",
        lambda found: (
            found[0] if found[4] else found[3] or f"\\x{{{int(found[1] or found[2], 16):x}}}"
        ),
        text,
        flags=re.DOTALL,
    )


def _message(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _refusal(pattern: str, position: int, message: str) -> FilterError:
    """What is wrong: something that Python knows and RE2 does not, or a mistake."""
    plain = re.sub(r"\\[^1-9]|\[\^?\]?(?:\\.|[^\]\\])*\]", lambda m: "." * len(m[0]), pattern)
    for shape, name, hint in _UNSUPPORTED:
        found = shape.search(plain)
        if found:
            return FilterError(
                f"{name} is not supported in a regex", position + found.start(), hint
            )
    fragment = message.rpartition(": ")[2]
    return FilterError(
        f"bad regex {pattern!r}: {message}", position + max(pattern.find(fragment), 0)
    )
