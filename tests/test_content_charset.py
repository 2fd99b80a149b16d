"""Text and its charsets."""

from __future__ import annotations

import pytest

from rama_proxy.content.charset import looks_binary, to_utf8
from rama_proxy.model.charset import web_charset


@pytest.mark.parametrize(
    ("data", "charset", "expect"),
    [
        (b"plain", None, b"plain"),
        ("naïve".encode(), None, "naïve".encode()),
        (b"na\xefve", "iso-8859-1", "naïve".encode()),
        (b"\x93quoted\x94", "latin1", "“quoted”".encode()),  # WHATWG: latin-1 means windows-1252
        ("日本".encode("shift_jis"), "Shift_JIS", "日本".encode()),
        ("日本".encode("iso2022_jp"), "ISO-2022-JP", "日本".encode()),  # is ASCII to look at
        ("hi".encode("utf-16"), None, b"hi"),
        ("hi".encode("utf-16-le"), "utf-16le", b"hi"),
        (b"\xef\xbb\xbfhi", None, b"hi"),
        (b'<meta charset="windows-1251"><p>\xef\xf0', None, '<meta charset="windows-1251"><p>пр'),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=gbk">\xc4\xe3',
            None,
            '<meta http-equiv="Content-Type" content="text/html; charset=gbk">你',
        ),
        ("naïve".encode(), "iso-8859-1", "naïve"),  # says latin-1, is UTF-8: common, and sure
    ],
)
def test_text_becomes_utf8(data: bytes, charset: str | None, expect: bytes | str) -> None:
    wanted = expect.encode() if isinstance(expect, str) else expect
    assert to_utf8(data, charset) == (wanted, "")


def test_what_is_no_utf8_stays_and_is_noted() -> None:
    assert to_utf8(b"caf\xe9") == (b"caf\xe9", "not valid UTF-8")
    assert to_utf8(b"caf\xe9", "klingon") == (b"caf\xe9", "unknown charset 'klingon'")
    assert to_utf8(b"cafe", "klingon") == (b"cafe", "unknown charset 'klingon'")


@pytest.mark.parametrize(
    "name",
    [
        "idna",
        "punycode",
        "rot13",
        "unicode_escape",
        "undefined",
        "utf-7",
        "hex",
        "x\0y",
        "",
        "../a",
    ],
)
def test_only_charsets_of_the_web_are_known(name: str) -> None:
    assert web_charset(name) is None


@pytest.mark.parametrize(
    ("data", "expect"),
    [
        (b"", False),
        (b"text\n\tand more\r\n", False),
        ("Grüße, 世界".encode() * 100, False),
        (b"caf\xe9 au lait, d\xe9j\xe0 vu", False),
        (b"\x1b[32mok\x1b[0m\n" * 20, False),
        ("é".encode() * 4000 + b"\xff", False),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", True),
        (b"\x1f\x8b\x08\x00", True),
        (bytes(range(1, 256)) * 4, True),
        (b"\xff\xfe" + "wide".encode("utf-16-le"), False),
    ],
)
def test_bytes_are_told_from_text(data: bytes, expect: bool) -> None:
    assert looks_binary(data) is expect
