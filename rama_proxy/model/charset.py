"""Names of charsets as they come from the network.

Only those of the web are looked up (WHATWG Encoding 4.2): Python's codecs know some that take
quadratic time (punycode, idna) or run escapes.
"""

from __future__ import annotations

import codecs

_WEB_CHARSETS = frozenset(
    {
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "latin-1"),
        *(f"iso8859-{part}" for part in range(1, 17) if part != 12),
        *(f"cp125{part}" for part in range(9)),
        *("cp866", "cp874", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949"),
    }
)
_AS_WINDOWS = {"ascii": "cp1252", "iso8859-1": "cp1252", "latin-1": "cp1252"}  # WHATWG 4.2


def web_charset(name: str | None) -> str | None:
    """Python's name of charset `name`, None if it is none of the web's."""
    try:
        found = codecs.lookup(name or "").name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        return None
    return _AS_WINDOWS.get(found, found) if found in _WEB_CHARSETS else None
