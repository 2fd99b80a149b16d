"""The messages inside a gRPC body, of one direction: payload bytes in, messages out.

Knows gRPC, gRPC-Web and Connect streams, which put five bytes before each message: flags, and the
length in four. Judges for the record only and never raises: a framing that is broken is told by
`problem`, and what follows is read no further.
"""

from __future__ import annotations

import binascii

from rama_proxy.model.coding import CodingError, codings, decode_prefix
from rama_proxy.model.grpc import Framing
from rama_proxy.model.websocket import INCOMPLETE, TRUNCATED, UNREAD

PREFIX = 5  # bytes before each message
COMPRESSED = 0x01  # the flag that all three have
# What may be decompressed of one direction, so that tiny messages cannot keep a core busy.
FREE = 4 * 1024 * 1024
RATIO = 100  # and this much for each byte that came; text packs 3 to 20 times


class GrpcMessage:
    """One message. `data` is what was kept of it, decompressed unless `flags` have UNREAD.

    `size` is that of the whole message as far as it is known, `packed` that on the wire. `ends`:
    it is no message, but the frame that ends a stream. `flags` are those of model.websocket.
    """

    __slots__ = ("_chunks", "_kept", "compressed", "data", "ends", "flags", "packed", "problem",
                 "size")  # fmt: skip

    def __init__(self, packed: int, compressed: bool = False, ends: bool = False) -> None:
        self.packed = packed
        self.size = packed
        self.compressed = compressed
        self.ends = ends
        self.flags = 0
        self.data = b""
        self.problem = ""
        self._chunks: list[bytes] = []
        self._kept = 0

    def add(self, data: bytes, limit: int) -> None:
        """Keep of `data` what fits below `limit` bytes."""
        room = limit - self._kept
        if len(data) > room:
            self.flags |= TRUNCATED
            data = data[:room]
        if data:
            self._chunks.append(data)
            self._kept += len(data)

    def finish(self, coding: str, limit: int) -> int:
        """Put `data` together, at most `limit` bytes decompressed; gives how many those are."""
        chunks, self._chunks = self._chunks, []
        self.data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if not self.compressed or not self.packed:
            return 0
        try:
            if not codings(coding):
                raise CodingError("compressed, though no compression was named")
            if limit <= 0:
                raise CodingError("compressed more than can be followed")
            self.data, more = decode_prefix(self.data, coding, limit)
        except CodingError as error:
            self.flags |= UNREAD
            self.problem = str(error)
            return 0
        if more:
            self.flags |= TRUNCATED
        whole = not self.flags & (TRUNCATED | INCOMPLETE)
        self.size = len(self.data) if whole else max(self.packed, len(self.data))
        return len(self.data)


class Splitter:
    """Splits one direction, however its bytes are cut.

    `coding` is the grpc-encoding of its head, `limit` how many bytes of a message are kept.
    """

    __slots__ = ("_base64", "_ended", "_left", "_message", "_partial", "_spare", "coding",
                 "framing", "limit", "problem")  # fmt: skip

    def __init__(self, framing: Framing, coding: str, limit: int) -> None:
        self.framing = framing
        self.coding = coding
        self.limit = limit
        self.problem = ""
        self._base64 = Base64Stream() if framing.is_base64 else None
        self._partial = b""  # of a prefix
        self._message: GrpcMessage | None = None
        self._left = 0  # bytes of it to come
        self._spare = FREE
        self._ended = False

    def feed(self, payload: bytes) -> list[GrpcMessage]:
        """The messages that `payload` completes."""
        if self.problem:
            return []
        self._spare += RATIO * len(payload)
        if self._base64 is not None:
            payload = self._base64.feed(payload)
        found: list[GrpcMessage] = []
        at, size = 0, len(payload)
        while at < size:
            message = self._message
            if message is None:
                prefix = self._partial + payload[at : at + PREFIX - len(self._partial)]
                at += len(prefix) - len(self._partial)
                if len(prefix) < PREFIX:
                    self._partial = prefix
                    break
                self._partial = b""
                message = self._begin(prefix)
                if message is None:
                    break
            taken = min(self._left, size - at)
            if taken:
                whole = taken == size
                message.add(payload if whole else payload[at : at + taken], self.limit)
                self._left -= taken
                at += taken
            if not self._left:
                found.append(self._finished(message))
        if self._base64 is not None and self._base64.is_broken and not self.problem:
            self.problem = "bad base64"
        return found

    def end(self) -> GrpcMessage | None:
        """The message that was under way when the body ended."""
        if self._message is not None and not self.problem:
            message = self._message
            message.flags |= INCOMPLETE
            return self._finished(message)
        if self._partial and not self.problem:
            self.problem = f"it ends inside the {PREFIX} bytes before a message"
        return None

    def _begin(self, prefix: bytes) -> GrpcMessage | None:
        flags, end_flag = prefix[0], self.framing.end_flag
        if self._ended:
            self.problem = "bytes behind the frame that ends the stream"
            return None
        if flags & ~(COMPRESSED | end_flag):
            self.problem = f"bad {self.framing.name} message flags 0x{flags:02x}"
            return None
        self._left = int.from_bytes(prefix[1:], "big")
        ends = bool(flags & end_flag)
        self._message = GrpcMessage(self._left, bool(flags & COMPRESSED), ends)
        return self._message

    def _finished(self, message: GrpcMessage) -> GrpcMessage:
        self._message = None
        self._ended = message.ends
        self._spare -= message.finish(self.coding, min(self.limit, self._spare))
        return message


class Base64Stream:
    """Undoes base64 in which each piece may have a padding of its own, as gRPC-Web sends it."""

    __slots__ = ("_partial", "is_broken")

    def __init__(self) -> None:
        self._partial = b""
        self.is_broken = False

    def feed(self, text: bytes) -> bytes:
        """The bytes that `text` gives; what is behind a mistake gives none."""
        text = self._partial + text.translate(None, b"\r\n \t")
        whole = len(text) - len(text) % 4
        self._partial = text[whole:]
        out: list[bytes] = []
        at = 0
        while at < whole and not self.is_broken:
            padding = text.find(b"=", at, whole)
            end = whole if padding < 0 else min(whole, padding - padding % 4 + 4)
            try:
                out.append(binascii.a2b_base64(text[at:end], strict_mode=True))
            except binascii.Error:
                self.is_broken = True
            at = end
        return b"".join(out)
