"""HTTP/2 without I/O (RFC 9113): bytes in, events out; heads and data in, bytes out.

This module alone knows the engine, h2 or, where it is installed, jh2 with the same API: HPACK and
the settings are its work. Frames, streams, windows and the validity of fields are ours
(`http2_inbound`, `http2_outbound`, `http2_streams`, `http2_fields`): the engine ends the
connection where RFC 9113 8.1.1 ends a stream, ends all streams at a GOAWAY, knows no floods, and
copies each body four times.

CPU by tests/bench/http2_exchange.py (CPython 3.11), both ends of one exchange, as a proxy has them:
h2 4.4 133-138 us where each request has a path of its own, 36 us where heads come again
(`http2_memo`); jh2 5.0 74 and 70 us; h2 used whole, without our limits, 229 us. 100 MiB through
both ends: 25-38 ms; h2 used whole 270 ms. By `make bench`, the whole proxy over TLS, one page asked
for again and again: h2 160-197 us an exchange, jh2 213 us, mitmdump 1840-2530 us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rama_proxy.errors import Http2Error
from rama_proxy.model.headers import Field
from rama_proxy.protocols import http2_frames as wire
from rama_proxy.protocols.http2_events import Code
from rama_proxy.protocols.http2_fields import NeverIndexed
from rama_proxy.protocols.http2_limits import Limits
from rama_proxy.protocols.http2_memo import DecodedBlocks, FieldList, Memo, resizes
from rama_proxy.protocols.http2_outbound import Outbound
from rama_proxy.protocols.http2_start import is_whole

if TYPE_CHECKING:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.exceptions import ProtocolError as EngineError
    from h2.settings import SettingCodes
    from hpack import HPACKError, OversizedHeaderListError
else:
    try:
        from jh2 import connection
    except ImportError:
        from h2 import connection
    H2Connection, H2Configuration = connection.H2Connection, connection.H2Configuration
    EngineError, SettingCodes = connection.ProtocolError, connection.SettingCodes
    HPACKError = connection.HPACKError
    OversizedHeaderListError = connection.OversizedHeaderListError

ENGINE = H2Connection.__module__.partition(".")[0]  # "h2" or "jh2"

MAX_TABLE = 64 * 1024  # of our encoder, whatever the peer allows; browsers say 64 KiB
# RFC 7541 7.1.3: not to be guessed from what a compressed length tells. nghttp2 and h2 do it so.
_SECRET = {b"authorization", b"proxy-authorization"}
_SHORT_COOKIE = 20
_KNOWN_SETTINGS = {1, 2, 3, 4, 5, 6, 8}  # others the engine would keep, all 65536 of them


class _Engine:
    """The engine of one connection; it sees no frames but SETTINGS."""

    __slots__ = ("_connection", "_decoded", "_encoded", "_limits")

    def __init__(self, client_side: bool, limits: Limits) -> None:
        config = H2Configuration(client_side=client_side, header_encoding=None)
        self._connection = H2Connection(config)
        self._connection.decoder.max_header_list_size = limits.max_header_list
        self._limits = limits
        if not client_side:
            self._connection.receive_data(wire.PREFACE)
        self._decoded: DecodedBlocks | None = None
        self._encoded: Memo[tuple[Field, ...], bytes] | None = None
        if ENGINE == "h2":  # jh2 shows no table, and is as fast without
            self._decoded = DecodedBlocks(self._connection.decoder.header_table)
            self._encoded = Memo(self._connection.encoder.header_table)

    def decode(self, block: bytes) -> FieldList:
        """The fields of a header block, cookies unjoined."""
        memo = self._decoded
        if memo is None or resizes(block):
            return self._decode(block)
        known = memo.get(block)
        if known is None:
            known = self._decode(block)
            memo.keep(block, known)
        return known

    def _decode(self, block: bytes) -> FieldList:
        broken = f"header block of {len(block)} bytes does not decode (RFC 7541)"
        if ENGINE == "jh2" and not is_whole(block):
            raise Http2Error(Code.COMPRESSION_ERROR, broken)  # jh2 panics, and writes to stderr
        try:
            decoded = self._connection.decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise self._too_large() from error
        except (HPACKError, IndexError, UnicodeDecodeError) as error:
            raise Http2Error(Code.COMPRESSION_ERROR, broken) from error
        if ENGINE == "jh2":  # it counts names and values alone
            size = sum([len(one[0]) + len(one[1]) + 32 for one in decoded])
            if size > self._limits.max_header_list:
                raise self._too_large()
        return FieldList([_field(one) for one in decoded])

    def _too_large(self) -> Http2Error:
        return Http2Error(
            Code.ENHANCE_YOUR_CALM,
            f"a head of more than {self._limits.max_header_list} bytes (RFC 9113 10.5.1)",
        )

    def encode(self, fields: list[Field]) -> bytes:
        """The header block of fields, in their order."""
        memo = self._encoded
        if memo is None or self._connection.encoder.header_table.resized:
            return self._encode(fields)
        key = tuple(fields)
        if NeverIndexed in map(type, key):  # equal to a field that may be indexed
            return self._encode(fields)
        known = memo.get(key)
        if known is None:
            known = self._encode(fields)
            memo.keep(key, known, len(known))
        return known

    def _encode(self, fields: list[Field]) -> bytes:
        return self._connection.encoder.encode(
            [
                (
                    name,
                    value,
                    name in _SECRET or (name == b"cookie" and len(value) < _SHORT_COOKIE),
                )
                if type(field) is tuple
                else (name, value, True)
                for field in fields
                for name, value in (field,)
            ]
        )

    def settings_came(self, settings: list[tuple[int, int]]) -> bytes:
        """Take the peer's settings. Raises Http2Error for a value that may not be."""
        known = [
            (name, min(value, MAX_TABLE) if name == wire.HEADER_TABLE_SIZE else value)
            for name, value in settings
            if name in _KNOWN_SETTINGS
        ]
        try:
            self._connection.receive_data(wire.serialize_settings(known))
        except EngineError as error:
            raise Http2Error(error.error_code, f"SETTINGS: {error} (RFC 9113 6.5.2)") from error
        return self._connection.data_to_send()

    @property
    def initial_window(self) -> int:
        return self._connection.remote_settings.initial_window_size

    @property
    def max_streams(self) -> int:
        return self._connection.remote_settings.max_concurrent_streams

    @property
    def max_frame(self) -> int:
        return self._connection.max_outbound_frame_size

    @property
    def connect_protocol(self) -> bool:
        return bool(self._connection.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL, 0))


class Http2Connection(Outbound):
    """One connection, seen from one end: `client_side` opens streams, the other answers them.

    `closed` is set by what ends the connection; then nothing is read any more and what there is
    to send is the last. `refusing` is set by the peer's GOAWAY: it takes no more streams.

    A message goes out as `open` or `send_head`, `send_data` as often as needed, and `end` or
    `send_trailers`; 1xx heads before. What is sent on a stream that is gone raises PeerClosed;
    fields that are no HTTP/2 raise ProtocolError 500. Nothing is acknowledged to the peer before
    `acknowledge`: a window opens when the relay has passed the data on.
    """

    def __init__(self, client_side: bool, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        super().__init__(client_side, limits, _Engine(client_side, limits))


def _field(decoded: tuple[bytes, bytes] | tuple[bytes, bytes, bool]) -> Field:
    """A field of the decoder's: h2 gives tuples with an attribute, jh2 with a third item."""
    if len(decoded) == 3:
        name, value, secret = decoded
    else:
        (name, value), secret = decoded, not getattr(decoded, "indexable", True)
    return NeverIndexed((name, value)) if secret else (name, value)
