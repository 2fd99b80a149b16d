"""Connections as rows of the store, and rows as connections."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from rama_proxy.model.connection import Address, ConnectionInfo, TlsInfo
from rama_proxy.model.jsontext import from_json, to_json
from rama_proxy.store.rows import Row, later, microseconds, since

_NAMES = (
    "id side mode via peer peer_port local local_port host port original original_port"
    " opened_at closed_at t_dns_us t_connect_us t_tls_us bytes_in bytes_out error tls tls_version"
    " cipher tls_group sni alpn alpn_offered verify_error resumed certificates client_hello"
    " server_hello h2_start annotations"
)
CONNECTION_COLUMNS = tuple(_NAMES.split())

_NO_TLS: Row = (0,) + (None,) * 11


def connection_row(info: ConnectionInfo) -> Row:
    """The values of CONNECTION_COLUMNS for `info`."""
    opened = info.opened
    resolved = opened if info.resolved is None else info.resolved
    connected = resolved if info.connected is None else info.connected
    started = microseconds(info.started)
    return (
        info.id, info.side, info.mode or None, info.via or None,
        *_address(info.peer), *_address(info.local), *_address(info.address),
        *_address(info.original), started,
        None if info.closed is None or opened is None
        else started + microseconds(info.closed - opened),
        None if opened is None else since(info.resolved, opened),
        None if resolved is None else since(info.connected, resolved),
        None if connected is None else since(info.secured, connected),
        info.bytes_in, info.bytes_out, info.error or None,
        *(_NO_TLS if info.tls is None else _tls_values(info.tls)),
        info.h2_start or None,
        to_json(info.annotations) if info.annotations else None,
    )  # fmt: skip


def _address(address: Address | None) -> tuple[str | None, int | None]:
    return (None, None) if address is None else (address[0], address[1])


def _tls_values(tls: TlsInfo) -> Row:
    chain = [fingerprint(certificate) for certificate in tls.certificates]
    return (
        1, tls.version or None, tls.cipher or None, tls.group or None, tls.sni or None,
        tls.alpn or None, to_json(tls.alpn_offered) if tls.alpn_offered else None,
        tls.verify_error or None, int(tls.resumed), to_json(chain) if chain else None,
        tls.client_hello or None, tls.server_hello or None,
    )  # fmt: skip


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 that every tool shows for a DER certificate."""
    return hashlib.sha256(certificate).hexdigest()


def chain_of(row: Mapping[str, Any]) -> list[str]:
    """The fingerprints of the certificates that a row names, leaf first."""
    return from_json(row["certificates"]) if row["certificates"] else []


def connection_from_row(
    row: Mapping[str, Any], certificates: Mapping[str, bytes]
) -> ConnectionInfo:
    """The connection of a row; `certificates` has the DER for the fingerprints of `chain_of`.

    Its marks are on the scale of `started`, as are those of the store's flows.
    """
    opened = row["opened_at"] / 1_000_000
    info = ConnectionInfo(row["side"], id=row["id"], started=opened, opened=opened)
    info.mode, info.via = row["mode"] or "", row["via"] or ""
    info.peer = _pair(row["peer"], row["peer_port"])
    info.local = _pair(row["local"], row["local_port"])
    info.address = _pair(row["host"], row["port"])
    info.original = _pair(row["original"], row["original_port"])
    info.resolved = later(opened, row["t_dns_us"])
    resolved = opened if info.resolved is None else info.resolved
    info.connected = later(resolved, row["t_connect_us"])
    connected = resolved if info.connected is None else info.connected
    info.secured = later(connected, row["t_tls_us"])
    info.closed = None if row["closed_at"] is None else row["closed_at"] / 1_000_000
    info.bytes_in, info.bytes_out = row["bytes_in"], row["bytes_out"]
    info.error = row["error"] or ""
    info.tls = _tls(row, certificates) if row["tls"] else None
    info.h2_start = row["h2_start"] or b""
    info.annotations = from_json(row["annotations"]) if row["annotations"] else {}
    return info


def _pair(host: str | None, port: int | None) -> Address | None:
    return None if host is None or port is None else (host, port)


def _tls(row: Mapping[str, Any], certificates: Mapping[str, bytes]) -> TlsInfo:
    return TlsInfo(
        version=row["tls_version"] or "",
        cipher=row["cipher"] or "",
        group=row["tls_group"] or "",
        alpn=row["alpn"] or "",
        alpn_offered=tuple(from_json(row["alpn_offered"])) if row["alpn_offered"] else (),
        sni=row["sni"] or "",
        client_hello=row["client_hello"] or b"",
        server_hello=row["server_hello"] or b"",
        certificates=tuple(certificates[name] for name in chain_of(row) if name in certificates),
        verify_error=row["verify_error"] or "",
        resumed=bool(row["resumed"]),
    )
