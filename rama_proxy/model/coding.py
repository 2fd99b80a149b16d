"""Content codings (RFC 9110 8.4.1): gzip, deflate, br, zstd, within a cap."""

from __future__ import annotations

import gzip
import zlib
from typing import Protocol

MAX_DECODED = (
    16 * 1024 * 1024
)  # a screenful at most needs far less; 1 GiB of zeros is 809 bytes of brotli
MAX_NESTING = 2


class CodingError(ValueError):
    """The data is not what its content coding says, or grows beyond the cap."""


def _inflate(data: bytes, wbits: int, limit: int) -> bytes:
    try:
        inflater = zlib.decompressobj(wbits)
        out = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise CodingError(f"broken compressed data: {error}") from error
    return out


def _deflate(data: bytes, limit: int) -> bytes:
    # RFC 9110 8.4.1.2 means zlib's format; some senders leave its header out.
    try:
        return _inflate(data, zlib.MAX_WBITS, limit)
    except CodingError:
        return _inflate(data, -zlib.MAX_WBITS, limit)


def _brotli(data: bytes, limit: int) -> bytes:
    import brotli

    try:
        return bytes(brotli.Decompressor().process(data, output_buffer_limit=limit + 1))
    except brotli.error as error:
        raise CodingError(f"broken brotli data: {error}") from error


def _zstd(data: bytes, limit: int) -> bytes:
    from backports import zstd

    try:
        return zstd.ZstdDecompressor().decompress(data, limit + 1)
    except zstd.ZstdError as error:
        raise CodingError(f"broken zstd data: {error}") from error


_DECODERS = {
    "gzip": lambda data, limit: _inflate(data, zlib.MAX_WBITS | 16, limit),
    "x-gzip": lambda data, limit: _inflate(data, zlib.MAX_WBITS | 16, limit),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def codings(content_encoding: str | None) -> list[str]:
    """The codings of a Content-Encoding value in the order they were applied."""
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    return [name for name in names if name and name != "identity"]


def decode(data: bytes, content_encoding: str | None, limit: int = MAX_DECODED) -> bytes:
    """`data` with its content codings undone.

    A body cut short gives what can be had. Raises CodingError for an unknown coding, broken data,
    more than `limit` bytes or more than two codings in each other.
    """
    decoded, more = decode_prefix(data, content_encoding, limit)
    if more:
        raise CodingError(f"more than {limit} bytes after decoding {content_encoding}")
    return decoded


def decode_prefix(
    data: bytes, content_encoding: str | None, limit: int = MAX_DECODED
) -> tuple[bytes, bool]:
    """The first `limit` bytes of what `decode` gives, and whether there is more.

    Raises CodingError as `decode` does, but not for the size.
    """
    names = codings(content_encoding)
    if len(names) > MAX_NESTING:
        raise CodingError(
            f"{len(names)} content codings in each other, at most {MAX_NESTING} are read"
        )
    more = False
    for name in reversed(names):
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise CodingError(f"unknown content coding {name!r}")
        data = decoder(data, limit)
        if len(data) > limit:
            data, more = data[:limit], True
    return data, more


def encode(data: bytes, content_encoding: str | None) -> bytes:
    """`data` with the content codings applied. Raises CodingError for an unknown coding."""
    for name in codings(content_encoding):
        if name in {"gzip", "x-gzip"}:
            data = gzip.compress(data, mtime=0)
        elif name == "deflate":
            data = zlib.compress(data)
        elif name == "br":
            import brotli

            data = brotli.compress(data)
        elif name == "zstd":
            from backports import zstd

            data = zstd.compress(data)
        else:
            raise CodingError(f"unknown content coding {name!r}")
    return data


class _Decompressor(Protocol):
    def __call__(self, data: bytes, limit: int, /) -> bytes: ...


class StreamDecoder:
    """Undoes one content coding piece by piece, as the pieces come.

    Raises CodingError for a coding that is unknown, or for several in each other.
    """

    __slots__ = ("_decompress", "_limit")

    def __init__(self, content_encoding: str | None, limit: int) -> None:
        """`limit` is how many bytes one piece may become."""
        names = codings(content_encoding)
        if len(names) != 1 or names[0] not in _STREAMS:
            raise CodingError(f"content coding {content_encoding!r} cannot be undone as it comes")
        self._decompress = _STREAMS[names[0]]()
        self._limit = limit

    def decode(self, data: bytes) -> bytes:
        """What `data` adds. Raises CodingError for broken data and for more than the limit."""
        try:
            out = self._decompress(data, self._limit + 1)
        except Exception as error:  # each library has an error of its own, one of them lazy
            raise CodingError(f"broken compressed data: {error}") from error
        if len(out) > self._limit:
            raise CodingError(f"{len(data)} bytes that grow to more than {self._limit}")
        return out


def _zlib_stream(wbits: int) -> _Decompressor:
    return zlib.decompressobj(wbits).decompress


def _brotli_stream() -> _Decompressor:
    import brotli

    process = brotli.Decompressor().process
    return lambda data, limit: bytes(process(data, output_buffer_limit=limit))


def _zstd_stream() -> _Decompressor:
    from backports import zstd

    return zstd.ZstdDecompressor().decompress


_STREAMS = {
    "gzip": lambda: _zlib_stream(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _zlib_stream(zlib.MAX_WBITS | 16),
    "deflate": lambda: _zlib_stream(zlib.MAX_WBITS),
    "br": _brotli_stream,
    "zstd": _zstd_stream,
}
