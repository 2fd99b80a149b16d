"""The columns of the flow list: which there are, how wide, and what a row shows in each.

Pure functions of a FlowRow; colours are named here by what they mean and looked up by the list.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from rama_proxy.model.grpc import http_class
from rama_proxy.model.message import DEFAULT_PORTS
from rama_proxy.model.text import escape_text
from rama_proxy.store.reader import FlowRow

# What a row's first sign says; shapes differ, so that colour only repeats it.
ACTIVE, HELD, FAILED, TUNNEL = "◌", "‖", "✗", "⇄"
STATUS_SIGNS = {1: "·", 2: "●", 3: "→", 4: "▲", 5: "■"}
REPLAY, MARKED = "↺", "★"
SIGNS = {
    ACTIVE: "not answered yet",
    "●": "2xx, a success",
    "→": "3xx, a redirect",
    "▲": "4xx, the client's error",
    "■": "5xx, the server's error",
    FAILED: "failed, no answer to show",
    HELD: "held, waits for you",
    TUNNEL: "a tunnel of bytes that are not HTTP",
    REPLAY: "sent again from here",
    MARKED: "marked",
}

_STATUS_STYLES = {1: "dim", 2: "ok", 3: "redirect", 4: "client-error", 5: "server-error"}
_SHORT_TYPES = {
    "javascript": "js",
    "x-javascript": "js",
    "ecmascript": "js",
    "plain": "text",
    "x-www-form-urlencoded": "form",
    "octet-stream": "binary",
    "x-protobuf": "protobuf",
    "proto": "protobuf",
    "event-stream": "sse",
    "vnd.microsoft.icon": "ico",
    "x-icon": "ico",
}


class Column(NamedTuple):
    """One column. A width of 0 takes what is left; `style` names a colour, or asks the row."""

    name: str
    title: str
    width: int
    right: bool
    text: Callable[[FlowRow], str]
    style: str = ""


def sign(row: FlowRow) -> str:
    """The sign of a row's state or status class."""
    if row.state == "held":
        return HELD
    if row.state == "error" or row.error:
        return FAILED
    if row.kind in ("tcp", "tls"):
        return TUNNEL if row.state != "active" else ACTIVE
    if row.status is None:
        return ACTIVE
    if row.grpc_status:
        return STATUS_SIGNS[http_class(row.grpc_status)]
    return STATUS_SIGNS.get(row.status // 100, "?")


def style_of(column: Column, row: FlowRow) -> str:
    """The name of the colour of `row` in `column`, "" for that of the list."""
    if column.style == "path":
        return "server-error" if row.error else "path"
    return _status_style(row) if column.style == "status" else column.style


def _status_style(row: FlowRow) -> str:
    if row.state == "held":
        return "held"
    if row.state == "error" or row.error:
        return "server-error"
    if row.status is None:
        return "dim"
    if row.grpc_status:
        return _STATUS_STYLES[http_class(row.grpc_status)]
    return _STATUS_STYLES.get(row.status // 100, "dim")


def _status(row: FlowRow) -> str:
    """The HTTP status; of a gRPC call that failed, whose HTTP status says nothing, its own."""
    return f"g{row.grpc_status}" if row.grpc_status else str(row.status or "—")


def _signs(row: FlowRow) -> str:
    extra = MARKED if row.mark else REPLAY if row.replay_of else " "
    return extra + sign(row)


def _clock(row: FlowRow) -> str:
    return time.strftime("%H:%M:%S", time.localtime(row.started))


def _clock_ms(row: FlowRow) -> str:
    return f"{_clock(row)}.{int(row.started * 1000) % 1000:03}"


def _host(row: FlowRow) -> str:
    shown = f"[{row.host}]" if ":" in row.host else row.host
    return shown if row.port in (DEFAULT_PORTS.get(row.scheme), 0) else f"{shown}:{row.port}"


def _path(row: FlowRow) -> str:
    if row.error:
        return f"{row.path} — {row.error}" if row.path.startswith("/") else row.error
    return row.path if row.kind in ("http", "websocket") else f"{row.kind} tunnel"


def _type(row: FlowRow) -> str:
    kind = row.resp_type.rpartition("/")[2]
    kind = kind.rpartition("+")[2]  # problem+json is json
    return _SHORT_TYPES.get(kind) or kind.removeprefix("vnd.").removeprefix("x-")


def _protocol(row: FlowRow) -> str:
    if row.kind in {"tcp", "tls"}:
        return row.kind
    if row.kind == "websocket":
        return "wss" if row.scheme == "https" else "ws"
    version = row.version.removeprefix("HTTP/")
    return f"{row.scheme}/{version}" if row.scheme else version


def short_size(size: int | None) -> str:
    """`size` in bytes in at most five characters: `0`, `1023`, `1.5k`, `44k`, `3.2M`."""
    if size is None:
        return ""
    if size < 1000:
        return str(size)
    amount = float(size)
    for unit in "kMGT":
        amount /= 1000
        if amount < 999.5 or unit == "T":
            break
    return f"{amount:.1f}{unit}" if amount < 9.95 else f"{amount:.0f}{unit}"


def short_time(seconds: float | None) -> str:
    """A duration in at most six characters: `0.4ms`, `88ms`, `1.24s`, `12.4s`, `3m05`."""
    if seconds is None:
        return ""
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f}ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.2f}s" if seconds < 9.995 else f"{seconds:.1f}s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes}m{left:02}" if minutes < 100 else f"{minutes // 60}h{minutes % 60:02}"


def _duration(row: FlowRow) -> str:
    return "…" if row.state in ("active", "held") else short_time(row.total)


_SIGN = Column("sign", "", 2, False, _signs, "status")
_ID = Column("id", "#", 0, True, lambda row: str(row.id), "dim")
_TIME = Column("time", "Time", 8, False, _clock, "dim")
_TIME_MS = Column("time", "Time", 12, False, _clock_ms, "dim")
_METHOD = Column("method", "Method", 7, False, lambda row: row.method, "method")
_STATUS = Column("status", "Code", 4, True, _status, "status")
_HOST = Column("host", "Host", 0, False, _host)
_PATH = Column("path", "Path", 0, False, _path, "path")
_TYPE = Column("type", "Type", 8, False, _type, "dim")
_SIZE = Column("size", "Size", 5, True, lambda row: short_size(row.resp_size))
_TOTAL = Column("ms", "Took", 6, True, _duration)
_VERSION = Column("ver", "Proto", 9, False, _protocol, "dim")

# From the narrowest up; the first whose next one does not fit is taken.
_SETS: tuple[tuple[int, tuple[Column, ...]], ...] = (
    (0, (_SIGN, _METHOD, _STATUS, _PATH)),
    (46, (_SIGN, _METHOD, _STATUS, _HOST, _PATH, _TOTAL)),
    (66, (_SIGN, _METHOD, _STATUS, _HOST, _PATH, _SIZE, _TOTAL)),
    (84, (_SIGN, _TIME, _METHOD, _STATUS, _HOST, _PATH, _TYPE, _SIZE, _TOTAL)),
    (104, (_SIGN, _ID, _TIME, _METHOD, _STATUS, _HOST, _PATH, _TYPE, _SIZE, _TOTAL)),
    (136, (_SIGN, _ID, _TIME_MS, _METHOD, _STATUS, _HOST, _PATH, _TYPE, _SIZE, _TOTAL, _VERSION)),
)
HOST_SHARE = 0.4  # of what host and path have together
HOST_WIDTHS = (12, 32)
MIN_DIGITS = 4


class Cell(NamedTuple):
    """A column with the width it has now."""

    column: Column
    width: int


def columns_for(width: int, last_id: int = 0) -> tuple[Cell, ...]:
    """The columns of a list `width` cells wide; with a blank after each they fill it exactly.

    The first column of numbers has room for flow `last_id`.
    """
    columns = next(found for least, found in reversed(_SETS) if width >= least)
    digits = max(MIN_DIGITS, len(str(last_id))) if _ID in columns else 0
    left = max(0, width - digits - sum(column.width + 1 for column in columns))
    host = 0
    if _HOST in columns:
        host = min(HOST_WIDTHS[1], max(HOST_WIDTHS[0], round(left * HOST_SHARE)))
    flexible = {"id": digits, "host": host, "path": max(0, left - host)}
    return tuple(Cell(column, column.width or flexible[column.name]) for column in columns)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Captured `text`, escaped, in exactly `width` cells; what is cut off shows as an ellipsis."""
    text = escape_text(text[: width * 4])  # beyond that nothing fits, whatever it is made of
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return " " * (width - length) + text if right else text + " " * (width - length)
