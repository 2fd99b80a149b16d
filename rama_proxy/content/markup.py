"""HTML and XML, one element a line, indented.

A reader's view, not a parser: whatever comes in comes out in its order, only white space between
elements changes. Every rule of the scanner takes at least one byte and is never tried again on the
same bytes, so the time is linear whatever is sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

MAX_MARKUP = 2 * 1024 * 1024  # Python costs about 1 s per MiB of nothing but tags
MAX_DEPTH = 40
LINE = 100  # an element that fits in a line stays in one

_TOKEN = re.compile(
    rb"""<!--.*?(?:-->|\Z)
    |<!\[CDATA\[.*?(?:\]\]>|\Z)
    |<!DOCTYPE[^>\[]*+\[.*?(?:\]\s*+>|\Z)
    |<[!?][^>]*+>?
    |</?[A-Za-z_:\x80-\xff](?:=\s*+"[^"]*+"?|=\s*+'[^']*+'?|[^>])*+>?
    |[^<]++
    |<""",
    re.DOTALL | re.VERBOSE,
)
_NAME = re.compile(rb"</?([^\s/>]+)")
_SPACE = re.compile(rb"""("[^"]*+"|'[^']*+')|\s+""")
_SPACES = re.compile(rb"\s+")

_INLINE = frozenset(
    b"a abbr b bdi bdo big br cite code data del dfn em font i img ins kbd label mark q s samp"
    b" small span strike strong sub sup time tt u var wbr".split()
)
_VOID = frozenset(
    b"area base br col embed hr img input link meta param source track wbr".split()  # HTML 13.1.2
)
_VERBATIM = frozenset(b"script style pre textarea".split())
_END = {name: re.compile(rb"</%b[\s/>]" % name, re.IGNORECASE) for name in _VERBATIM}
_ENDS: dict[bytes, frozenset[bytes]] = {  # an open element that the start of another ends
    b"li": frozenset({b"li"}),
    b"dt": frozenset({b"dt", b"dd"}),
    b"dd": frozenset({b"dt", b"dd"}),
    b"tr": frozenset({b"tr", b"td", b"th"}),
    b"td": frozenset({b"td", b"th"}),
    b"th": frozenset({b"td", b"th"}),
    b"option": frozenset({b"option"}),
}


def pretty_html(data: bytes) -> tuple[bytes, str]:
    """`data` indented, inline elements within their line; the note says what was not done."""
    if len(data) > MAX_MARKUP:
        return data, "too large to be indented"
    return _Indenter(html=True).run(data), ""


def pretty_xml(data: bytes) -> tuple[bytes, str]:
    """`data` indented, an element with nothing but text in one line."""
    if len(data) > MAX_MARKUP:
        return data, "too large to be indented"
    return _Indenter(html=False).run(data), ""


class _Indenter:
    """The lines so far, the open elements, and the text that waits for its line."""

    def __init__(self, *, html: bool) -> None:
        self.html = html
        self.lines: list[bytes] = []
        self.open: list[tuple[bytes, int]] = []  # name, and the line of its start tag
        self.names: Counter[bytes] = Counter()
        self.run_parts: list[bytes] = []

    def run(self, data: bytes) -> bytes:
        for token in self._tokens(data):
            if not token.startswith(b"<") or token == b"<":
                self._text(token)
            elif token[1:2] in b"!?":
                self._line(token.strip())
            else:
                self._tag(token)
        self._flush()
        return b"\n".join(self.lines)

    def _tokens(self, data: bytes) -> Iterator[bytes]:
        """Tags, comments and text; what is inside a verbatim element is given out as lines here."""
        position = 0
        while match := _TOKEN.match(data, position):
            position = match.end()
            yield match[0]
            if self.html and self.open and self.open[-1][0] in _VERBATIM:
                name = self.open[-1][0]
                found = _END[name].search(data, position)
                stop = found.start() if found else len(data)
                self._verbatim(name, data[position:stop])
                position = stop

    def _text(self, token: bytes) -> None:
        if self.html:
            token = _SPACES.sub(b" ", token)
        if token.strip() or (self.run_parts and token):
            self.run_parts.append(token)

    def _tag(self, token: bytes) -> None:
        found = _NAME.match(token)
        name = found[1] if found else b""
        if b"\n" in token:
            token = _SPACE.sub(lambda match: match[1] or b" ", token)
        if self.html:
            name = name.lower()
            if name in _INLINE:
                self.run_parts.append(token)
                return
        if token.startswith(b"</"):
            self._end(name, token)
            return
        if self.html:
            self._imply_ends(name)
        self._line(token)
        if not token.endswith(b"/>") and not (self.html and name in _VOID):
            self.open.append((name, len(self.lines) - 1))
            self.names[name] += 1

    def _end(self, name: bytes, token: bytes) -> None:
        if not self.names[name]:
            self._line(token)
            return
        while self.open[-1][0] != name:
            self._pop()
        if self._joins(token):
            self._pop()
            self.lines[-1] += token
        else:
            self._pop()
            self._line(token)

    def _joins(self, end: bytes = b"") -> bool:
        """Put the text that waits behind the start tag on the line before, if all of it fits."""
        start = self.open[-1][1]
        text = b"".join(self.run_parts).strip()
        fits = len(self.lines[start]) + len(text) + len(end) <= LINE and b"\n" not in text
        if start != len(self.lines) - 1 or not (fits or not text):
            return False
        self.lines[start] += text
        self.run_parts.clear()
        return True

    def _imply_ends(self, name: bytes) -> None:
        while self.open and (self.open[-1][0] in _ENDS.get(name, ()) or self.open[-1][0] == b"p"):
            self._pop()

    def _pop(self) -> None:
        if self.run_parts and not self._joins():
            self._flush()
        name, _ = self.open.pop()
        self.names[name] -= 1

    def _verbatim(self, name: bytes, content: bytes) -> None:
        """Lines as they are: code indented as a whole, preformatted text not at all."""
        if not content.strip():
            return
        if name in {b"pre", b"textarea"}:
            self.lines.extend(content.split(b"\n"))
            return
        lines = content.expandtabs(4).strip(b"\r\n").rstrip().split(b"\n")
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        self.lines.extend(self._indent() + line[margin:] for line in lines)

    def _line(self, token: bytes) -> None:
        self._flush()
        self.lines.append(self._indent() + token)

    def _flush(self) -> None:
        if self.run_parts:
            text = b"".join(self.run_parts).strip()
            self.run_parts.clear()
            self.lines.extend(self._indent() + line.strip() for line in text.split(b"\n"))

    def _indent(self) -> bytes:
        return b"  " * min(len(self.open), MAX_DEPTH)
