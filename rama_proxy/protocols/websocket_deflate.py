"""permessage-deflate (RFC 7692): what was agreed, and both directions of it.

Inflating is capped: what a message grows to is for the record and for addons, never for relaying.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from rama_proxy.errors import ProtocolError

MAX_INFLATED = 16 * 1024 * 1024  # of one message; 1 GiB of zeros is 1 MiB on the wire
NAME = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"  # the empty block that senders leave out, RFC 7692 7.2.1
_MIN_ZLIB_BITS = 9  # zlib cannot deflate with a window of 256 bytes

# RFC 6455 9.1: tokens, and values that are tokens or the same in quotes.
_PARAMETER = re.compile(r"""\s*([^\s;,="]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;,"]*))\s*)?(?:;|$)""")
_SPLIT = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')


class Extension(NamedTuple):
    """One extension of a Sec-WebSocket-Extensions field."""

    name: str
    params: dict[str, str]


class Deflate(NamedTuple):
    """The agreed parameters for one direction: those of its sender."""

    takeover: bool  # the window outlives a message
    bits: int  # its size, 8 to 15


def parse_extensions(value: str | None) -> list[Extension]:
    """The extensions of a field's value. Raises ProtocolError where it has no such form."""
    found: list[Extension] = []
    for part in _SPLIT.split(value or ""):
        text = part.strip()
        if not text:
            continue
        names: list[str] = []
        params: dict[str, str] = {}
        at = 0
        while at < len(text):
            match = _PARAMETER.match(text, at)
            if match is None:
                raise ProtocolError(f"bad Sec-WebSocket-Extensions {text!r} (RFC 6455 9.1)")
            at = match.end()
            if names:
                params[match[1].lower()] = match[2] if match[2] is not None else match[3] or ""
            names.append(match[1])
        found.append(Extension(names[0].lower(), params))
    return found


def agreed_deflate(extension: Extension) -> tuple[Deflate, Deflate]:
    """What a server's answer says of the client's direction and of its own.

    Raises ProtocolError for a parameter that permessage-deflate has not got.
    """
    sides: list[Deflate] = []
    left = dict(extension.params)
    for side in ("client", "server"):
        takeover = left.pop(f"{side}_no_context_takeover", None)
        bits = left.pop(f"{side}_max_window_bits", None)
        if takeover or (bits is not None and bits not in _BITS):
            raise ProtocolError(f"bad parameters of {NAME}: {extension.params} (RFC 7692 7.1)")
        sides.append(Deflate(takeover is None, 15 if bits is None else int(bits)))
    if left:
        raise ProtocolError(f"unknown parameters of {NAME}: {', '.join(left)} (RFC 7692 7.1)")
    return sides[0], sides[1]


_BITS = frozenset({"8", "9", "10", "11", "12", "13", "14", "15"})


class Inflater:
    """Decompresses the messages of one direction, in order and piece by piece.

    `lost` is set once a message was too large or broken while its window was needed for the next:
    what follows cannot be read any more.
    """

    __slots__ = ("_deflate", "_stream", "lost")

    def __init__(self, deflate: Deflate) -> None:
        self._deflate = deflate
        self._stream = self._fresh()
        self.lost = False

    def _fresh(self) -> zlib._Decompress:
        return zlib.decompressobj(-max(_MIN_ZLIB_BITS, self._deflate.bits))

    def inflate(self, data: bytes, room: int) -> bytes:
        """What `data` adds to the message. More than `room` bytes: it was given up as too large.

        Raises ProtocolError if it is broken.
        """
        out = b""
        while data:
            try:
                part = self._stream.decompress(data, room - len(out) + 1)
            except zlib.error as error:
                self.give_up()
                raise ProtocolError(
                    f"broken compressed message: {error} (RFC 7692 7.2.2)"
                ) from error
            out = out + part if out else part
            if len(out) > room:
                self.give_up()
                break
            data = b""
            if self._stream.eof:  # a last block inside a message, RFC 7692 7.2.3.4
                data = self._stream.unused_data
                self._stream = self._fresh()
        return out

    def end(self, room: int) -> bytes:
        """The rest of a message whose last byte was given, as `inflate` gives it."""
        rest = self.inflate(TAIL, room)
        if not self._deflate.takeover:
            self._stream = self._fresh()
        return rest

    def give_up(self) -> None:
        """Leave the current message: the next one can be read if it stands for itself."""
        if self._deflate.takeover:
            self.lost = True
        self._stream = self._fresh()


def deflate_message(data: bytes, bits: int) -> bytes | None:
    """`data` compressed on its own, None where zlib cannot keep to a window of `bits`.

    It refers to no message before it, so that it may follow any.
    """
    if bits < _MIN_ZLIB_BITS:
        return None
    stream = zlib.compressobj(wbits=-bits)
    packed = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(TAIL)
