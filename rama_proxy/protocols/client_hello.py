"""The first flight of TLS: a ClientHello and a ServerHello, out of the records that carry them.

Owns the wire format of RFC 8446 4.1 and of the extensions that people look at. Everything is kept
in wire order with its GREASE (RFC 8701). Knows no OpenSSL and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack_from

from rama_proxy.errors import ProtocolError

MAX_HELLO = 64 * 1024  # Chrome 156 sends 2 kB; OpenSSL refuses above 131 396
MAX_RECORD = 16384  # RFC 8446 5.1
MAX_RECORDS = 4096  # a 2 kB hello in records of one byte needs 2000

HANDSHAKE = 22
CLIENT_HELLO, SERVER_HELLO = 1, 2
RETRY_RANDOM = bytes.fromhex(  # RFC 8446 4.1.3
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)

SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS, ALPN = 0, 10, 11, 13, 16
PRE_SHARED_KEY, EARLY_DATA, SUPPORTED_VERSIONS, KEY_SHARE = 41, 42, 43, 51
ENCRYPTED_CLIENT_HELLO = 0xFE0D

Extensions = tuple[tuple[int, bytes], ...]


class _Hello:
    """What both messages have: extensions to look up."""

    __slots__ = ()

    extensions: Extensions

    def extension(self, kind: int) -> bytes | None:
        """The content of the first extension of type `kind`."""
        for found, content in self.extensions:
            if found == kind:
                return content
        return None


@dataclass(slots=True, eq=False)
class ClientHello(_Hello):
    """A ClientHello as it was sent; `raw` is the handshake message without record headers.

    The properties read one extension each. One that is missing or malformed gives the empty value:
    whether it may be so is for the TLS engine to say, which gets the same bytes.
    """

    raw: bytes
    legacy_version: int
    random: bytes
    session_id: bytes
    ciphers: tuple[int, ...]
    compressions: tuple[int, ...]
    extensions: Extensions

    @classmethod
    def from_bytes(cls, raw: bytes) -> ClientHello:
        """Parse the handshake message `raw`. Raises ProtocolError."""
        reader = _Reader(raw, CLIENT_HELLO)
        version = reader.number(2)
        random = reader.take(32)
        session_id = reader.vector(1)
        ciphers = _u16s(reader.vector(2))
        if ciphers is None:
            raise ProtocolError("cipher suites of odd length in ClientHello (RFC 8446 4.1.2)")
        compressions = tuple(reader.vector(1))
        return cls(raw, version, random, session_id, ciphers, compressions, reader.extensions())

    @property
    def sni(self) -> str:
        """The host name asked for, "" without."""
        content = self.extension(SERVER_NAME) or b""
        if len(content) < 5 or content[2] != 0:
            return ""
        length = int.from_bytes(content[3:5], "big")
        return content[5 : 5 + length].decode("latin-1")

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """The protocols offered, preferred first."""
        return _byte_strings(_list(self.extension(ALPN), 2))

    @property
    def groups(self) -> tuple[int, ...]:
        """The key exchange groups, preferred first."""
        return _u16s(_list(self.extension(GROUPS), 2)) or ()

    @property
    def point_formats(self) -> tuple[int, ...]:
        """The formats of elliptic curve points."""
        return tuple(_list(self.extension(POINT_FORMATS), 1))

    @property
    def signature_algorithms(self) -> tuple[int, ...]:
        """The signature schemes, preferred first."""
        return _u16s(_list(self.extension(SIGNATURE_ALGORITHMS), 2)) or ()

    @property
    def supported_versions(self) -> tuple[int, ...]:
        """The versions offered, preferred first; empty before TLS 1.3."""
        return _u16s(_list(self.extension(SUPPORTED_VERSIONS), 1)) or ()

    @property
    def key_shares(self) -> tuple[tuple[int, bytes], ...]:
        """Group and key of each share, in wire order."""
        data = _list(self.extension(KEY_SHARE), 2)
        shares = []
        position = 0
        while position + 4 <= len(data):
            group, length = unpack_from(">HH", data, position)
            position += 4 + length
            shares.append((group, data[position - length : position]))
        return tuple(shares) if position == len(data) else ()

    @property
    def has_early_data(self) -> bool:
        """Whether data was sent before the handshake is done (0-RTT)."""
        return self.extension(EARLY_DATA) is not None

    @property
    def has_pre_shared_key(self) -> bool:
        """Whether the client wants to resume a session of TLS 1.3."""
        return self.extension(PRE_SHARED_KEY) is not None

    @property
    def has_encrypted_hello(self) -> bool:
        """Whether ECH was sent, be it GREASE."""
        return self.extension(ENCRYPTED_CLIENT_HELLO) is not None

    @property
    def cipher_suites(self) -> tuple[int, ...]:
        """mitmproxy's name for `ciphers`."""
        return self.ciphers

    @property
    def alpn_protocols(self) -> tuple[bytes, ...]:
        """mitmproxy's name for `alpn`."""
        return self.alpn


@dataclass(slots=True, eq=False)
class ServerHello(_Hello):
    """A ServerHello as it was sent; `raw` is the handshake message without record headers."""

    raw: bytes
    legacy_version: int
    random: bytes
    session_id: bytes
    cipher: int
    compression: int
    extensions: Extensions

    @classmethod
    def from_bytes(cls, raw: bytes) -> ServerHello:
        """Parse the handshake message `raw`. Raises ProtocolError."""
        reader = _Reader(raw, SERVER_HELLO)
        version = reader.number(2)
        random = reader.take(32)
        session_id = reader.vector(1)
        cipher, compression = reader.number(2), reader.number(1)
        return cls(raw, version, random, session_id, cipher, compression, reader.extensions())

    @property
    def version(self) -> int:
        """The version chosen: that of supported_versions, else the legacy one."""
        content = self.extension(SUPPORTED_VERSIONS) or b""
        return int.from_bytes(content, "big") if len(content) == 2 else self.legacy_version

    @property
    def is_retry_request(self) -> bool:
        """Whether this is a HelloRetryRequest: the ServerHello proper comes later."""
        return self.random == RETRY_RANDOM


def parse_client_hello(buf: bytearray) -> tuple[ClientHello, int] | None:
    """The ClientHello at the start of a connection, however it is cut into records.

    The bytes used are those of its records. Raises ProtocolError for what is no TLS, and for a
    message above MAX_HELLO.
    """
    found = _message(buf, CLIENT_HELLO)
    return None if found is None else (ClientHello.from_bytes(found[0]), found[1])


def parse_server_hello(buf: bytearray) -> tuple[ServerHello, int] | None:
    """The ServerHello at the start of a server's answer; else as `parse_client_hello`.

    Its last record may hold the next message of the server too, and is used whole.
    """
    found = _message(buf, SERVER_HELLO)
    return None if found is None else (ServerHello.from_bytes(found[0]), found[1])


def parse_handshake(raw: bytes) -> ClientHello:
    """The ClientHello stored as `TlsInfo.client_hello`. Raises ProtocolError."""
    return ClientHello.from_bytes(raw)


def _message(buf: bytearray, kind: int) -> tuple[bytes, int] | None:
    """The handshake message `kind` at the start of `buf` and the bytes of its records."""
    message = bytearray()
    position = records = 0
    while True:
        size = len(buf) - position
        if size and buf[position] != HANDSHAKE:
            raise ProtocolError(f"TLS record of type {buf[position]} where a handshake begins")
        if size > 1 and buf[position + 1] != 3:
            raise ProtocolError(f"TLS record of version {buf[position + 1]} (RFC 8446 5.1)")
        if size < 5:
            return None
        length = buf[position + 3] << 8 | buf[position + 4]
        if not 0 < length <= MAX_RECORD:
            raise ProtocolError(f"TLS handshake record of {length} bytes (RFC 8446 5.1)")
        records += 1
        if records > MAX_RECORDS:
            raise ProtocolError(f"hello in more than {MAX_RECORDS} TLS records")
        message += buf[position + 5 : position + 5 + length]
        whole = _size(message, kind)
        if size < 5 + length:
            return None
        position += 5 + length
        if whole is not None and len(message) >= whole:
            return bytes(message[:whole]), position


def _size(message: bytearray, kind: int) -> int | None:
    """How long the handshake message that begins with `message` is, None until that is known."""
    if message and message[0] != kind:
        raise ProtocolError(f"TLS handshake message of type {message[0]}, not {kind}")
    if len(message) < 4:
        return None
    whole = 4 + int.from_bytes(message[1:4], "big")
    if whole > MAX_HELLO:
        raise ProtocolError(f"TLS hello of {whole} bytes, at most {MAX_HELLO} are read")
    return whole


class _Reader:
    """Takes fields from the front of a handshake message. Raises ProtocolError when it is short."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, kind: int) -> None:
        self.data = data
        self.position = 4
        if len(data) < 4 or data[0] != kind or int.from_bytes(data[1:4], "big") != len(data) - 4:
            raise ProtocolError(f"no TLS handshake message of type {kind}: {data[:4]!r}")

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise ProtocolError(f"TLS hello is cut off at byte {len(self.data)}, wants {end}")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A vector with its length in `size` bytes before it (RFC 8446 3.4)."""
        return self.take(self.number(size))

    def extensions(self) -> Extensions:
        """The rest of the message; old clients send none (RFC 5246 7.4.1.2)."""
        if self.position == len(self.data):
            return ()
        end = self.number(2) + self.position
        if end != len(self.data):
            raise ProtocolError(f"extensions end at byte {end} of {len(self.data)} in TLS hello")
        found = []
        while self.position < end:
            found.append((self.number(2), self.vector(2)))
        return tuple(found)


def _list(content: bytes | None, size: int) -> bytes:
    """What an extension holds behind a length of `size` bytes, b"" where that does not fit."""
    if content is None or len(content) < size:
        return b""
    return content[size:] if int.from_bytes(content[:size], "big") == len(content) - size else b""


def _u16s(data: bytes) -> tuple[int, ...] | None:
    """Numbers of two bytes, None if one byte is left."""
    return None if len(data) % 2 else unpack_from(f">{len(data) // 2}H", data)


def _byte_strings(data: bytes) -> tuple[bytes, ...]:
    """Strings with their length in one byte before each, empty if they do not fit."""
    found = []
    position = 0
    while position < len(data):
        end = position + 1 + data[position]
        found.append(data[position + 1 : end])
        position = end
    return tuple(found) if position == len(data) else ()
