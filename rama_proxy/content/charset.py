"""Bytes of a body as UTF-8 text, and whether they are text at all."""

from __future__ import annotations

import codecs
import re

from rama_proxy.model.charset import web_charset

_SAMPLE = 4096
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r\f\x1b"))  # hardly any in text; ESC colours logs

_LIKE_ASCII = frozenset({"utf-16", "utf-16-le", "utf-16-be", "iso2022_jp"})  # to a UTF-8 decoder
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META_CHARSET = re.compile(
    rb"""<meta[^>]{0,200}?charset\s{0,8}=\s{0,8}["']?([\w.:-]{1,40})""", re.IGNORECASE
)


def is_utf8(data: bytes) -> bool:
    """Whether all of `data` is valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def looks_binary(data: bytes) -> bool:
    """Whether the beginning of `data` is no text in a charset that has ASCII in it."""
    sample = data[:_SAMPLE]
    if not sample or sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    if b"\0" in sample or len(sample) - len(sample.translate(None, _CONTROLS)) > len(sample) // 20:
        return True
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    return text.count("\ufffd") > len(sample) // 3


def to_utf8(data: bytes, charset: str | None = None) -> tuple[bytes, str]:
    """`data` as UTF-8, and a note where the charset was not what was said.

    Bytes that are no UTF-8 stay as they are unless `charset`, a byte order mark or HTML's own
    declaration says what they mean.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return (data[len(mark) :] if name == "utf-8" else _decoded(data, name)), ""
    named = web_charset(charset)
    note = f"unknown charset {charset!r}" if charset and named is None else ""
    if named == "utf-8" or is_utf8(data):
        return (_decoded(data, named), note) if named in _LIKE_ASCII else (data, note)
    if named is None and (meta := _META_CHARSET.search(data[:1024])):
        named = web_charset(meta[1].decode("ascii", "replace"))
    if named is None or named == "utf-8":
        return data, note or "not valid UTF-8"
    return _decoded(data, named), note


def _decoded(data: bytes, charset: str) -> bytes:
    return data.decode(charset, "replace").encode("utf-8", "replace")
