"""Colours for a line of a body: pygments' tokens as runs of tones.

Lines are looked at one by one, so what spans several of them (a comment) is coloured as if it
began anew. A line is foreign: pygments' expressions can take quadratic time, so that only its
beginning is looked at, and a body on which that is slow again and again gets no colours at all.
"""

from __future__ import annotations

import time
from typing import Protocol

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType

from rama_tui.widgets.lines_view import Runs

MAX_COLOURED = 1000  # characters of a line; the slowest found takes 9 ms for them
SLOW = 0.004  # seconds for a line; a usual one takes 0.1 ms
PATIENCE = 5  # slow lines

_TONES: dict[_TokenType, str] = {
    Token: "plain",
    Token.Comment: "dim",
    Token.Punctuation: "dim",
    Token.Operator: "dim",
    Token.Keyword: "word",
    Token.Keyword.Constant: "word",
    Token.Literal.Number: "number",
    Token.Literal.String: "string",
    Token.Name.Tag: "tag",
    Token.Name.Attribute: "attribute",
    Token.Name.Entity: "word",
    Token.Name.Class: "tag",
    Token.Name.Property: "name",
    Token.Comment.Preproc: "word",
}


class Highlighter(Protocol):
    """Makes runs out of a line that is safe to draw."""

    def runs(self, line: str) -> Runs:
        """The line with its tones."""


class Plain:
    """No colours."""

    def runs(self, line: str) -> Runs:
        """The line in one run."""
        return [(line, "plain")]


class Fields:
    """`name = value` lines of a form."""

    def runs(self, line: str) -> Runs:
        """Name and value apart."""
        name, equals, value = line.partition(" = ")
        if line.startswith("    ") or not equals:
            return [(line, "string")]
        return [(name, "name"), (equals, "dim"), (value, "string")]


class Pygments:
    """Colours by one of pygments' lexers."""

    def __init__(self, language: str) -> None:
        self._lexer: Lexer | None = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        self._slow = 0

    def runs(self, line: str) -> Runs:
        """The line's tokens; what is behind MAX_COLOURED has no colour."""
        if self._lexer is None:
            return [(line, "plain")]
        begin = time.monotonic()
        runs: Runs = []
        done = 0
        for kind, value in self._lexer.get_tokens(line[:MAX_COLOURED]):
            text = value.rstrip("\n")
            runs.append((text, _tone(kind)))
            done += len(text)
            if time.monotonic() - begin > SLOW:
                self._slow += 1
                if self._slow >= PATIENCE:
                    self._lexer = None
                break
        if done < len(line):
            runs.append((line[done:], "plain"))
        return runs


def highlighter(language: str) -> Highlighter:
    """What colours the lines of a View of this language."""
    if language == "form":
        return Fields()
    return Pygments(language) if language else Plain()


def _tone(kind: _TokenType) -> str:
    found = _TONES.get(kind)
    while found is None:
        assert kind.parent is not None
        kind = kind.parent
        found = _TONES.get(kind)
    return found
