"""What an unfinished filter could go on with: operators, their words, and usual values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rama_proxy.filters.fields import OPERATORS
from rama_proxy.filters.operator import Operator

# The unfinished piece at the end, and what stands before it: `~code`, or `word sign`.
_END = re.compile(
    r"(?:~(?P<code>[\w-]+)\s+|\b(?P<word>\w+)\s+(?:[!=<>]=?|!?~)\s*)?(?P<piece>~?[^\s()~'\"&|!]*)$"
)


def completions(text: str, operators: Mapping[str, Operator] = OPERATORS) -> list[str]:
    """`text` with its last piece complete, in each way there is; none after a finished piece."""
    found = _END.search(text)
    piece = found["piece"] if found else ""
    if found is None or text.count('"') % 2 or text.count("'") % 2:
        return []
    before = text[: len(text) - len(piece)]
    if piece.startswith("~"):
        return _going_on(before, piece, (f"~{code}" for code in operators))
    operator = operators.get(found["code"] or "")
    if found["word"]:
        operator = next((one for one in operators.values() if one.word == found["word"]), None)
    if operator is not None and operator.takes:
        return _going_on(before, piece, operator.values)
    words = [one.word for one in operators.values() if one.word]
    return _going_on(before, piece, words) if piece else []


def _going_on(before: str, piece: str, candidates: Iterable[str]) -> list[str]:
    begin = piece.lower()
    return [
        before + piece + candidate[len(piece) :]
        for candidate in candidates
        if candidate.lower().startswith(begin) and len(candidate) > len(piece)
    ]
