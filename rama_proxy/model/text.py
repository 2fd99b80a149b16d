"""Captured text made safe to show: nothing in it can steer a terminal or hide from the reader."""

from __future__ import annotations

# Invisible, or reordering what stands around it (Unicode TR 9, TR 36): shown by number.
_INVISIBLE = (
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),  # combining grapheme joiner
    (0x61C, 0x61C),  # arabic letter mark
    (0x115F, 0x1160),  # hangul fillers
    (0x17B4, 0x17B5),  # khmer inherent vowels
    (0x180B, 0x180F),  # mongolian selectors and separator
    (0x200B, 0x200F),  # zero width space, joiners, direction marks
    (0x2028, 0x202E),  # line and paragraph separator, bidi embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidi isolates
    (0x3164, 0x3164),  # hangul filler
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # halfwidth hangul filler
    (0xFFF9, 0xFFFB),  # interlinear annotation
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format characters
    (0xE0000, 0xE0FFF),  # tags, variation selectors, and what is reserved for the like
)

_SAFE: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20)}
_SAFE[0x7F] = "\u2421"
_SAFE |= dict.fromkeys(range(0x80, 0xA0), "\ufffd")  # C1: an 8-bit terminal obeys these
_SAFE |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # lone surrogates cannot be written out
for _first, _last in _INVISIBLE:
    _SAFE |= {code: f"\u2039{code:04X}\u203a" for code in range(_first, _last + 1)}
_SAFE_LINES = {code: shown for code, shown in _SAFE.items() if code not in {0x09, 0x0A}}


def escape_text(text: str) -> str:
    """`text` for one line of a terminal: controls as pictures, what is invisible by its number.

    ESC becomes "␛", a bidi override its code point in angle quotes, C1 controls and lone
    surrogates U+FFFD. What is printable stays, so the result of plain text is the text itself.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_SAFE)


def escape_lines(text: str) -> str:
    """As `escape_text`, but tabs and line feeds stay."""
    return text.translate(_SAFE_LINES)
