"""Rows of a store as lines for people and for programs."""

from __future__ import annotations

import json
from datetime import datetime

import click

from rama_proxy.model.flow import ACTIVE, HELD
from rama_proxy.model.grpc import code_name, http_class
from rama_proxy.model.text import escape_text
from rama_proxy.store.reader import FlowRow
from rama_proxy.units import format_size

_COLOURS = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow", 5: "red"}


def method_of(kind: str, method: str) -> str:
    """What stands for the method of a flow: of one that is not HTTP its kind, in 7 cells."""
    return method if kind == "http" else {"websocket": "WS"}.get(kind, kind.upper())


class Table:
    """Aligned columns: id, time, method, status, size, milliseconds, URL and error."""

    def __init__(self, last_id: int, *, colour: bool) -> None:
        self._id_width = max(4, len(str(last_id)))
        self._colour = colour

    def header(self) -> str:
        """The names of the columns."""
        names = (
            f"{'ID':>{self._id_width}}  {'TIME':19} {'METHOD':7} {'CODE':>4} {'SIZE':>8} {'MS':>7}"
            "  URL"
        )
        return click.style(names, dim=True) if self._colour else names

    def line(self, row: FlowRow) -> str:
        """One flow."""
        began = datetime.fromtimestamp(row.started)
        status, colour = _status(row)
        method = method_of(row.kind, row.method)
        size = "" if row.resp_size is None else format_size(row.resp_size)
        took = "" if row.total is None else f"{row.total * 1000:.0f}"
        when = f"{began:%Y-%m-%d %H:%M:%S}"
        parts = [
            f"{row.id:>{self._id_width}} ",
            self._style(when, dim=True),
            f"{escape_text(method):7}",
            self._style(f"{status:>4}", fg=colour),
            f"{size:>8}",
            f"{took:>7} ",
            escape_text(row.url),
        ]
        if row.grpc_status:
            name = f"grpc {row.grpc_status} {code_name(row.grpc_status)}".rstrip()
            parts.append(self._style(f"({name})", fg=colour))
        if row.error:
            parts.append(self._style(f"({escape_text(row.error)})", fg="red"))
        return " ".join(parts)

    def _style(self, text: str, *, fg: str | None = None, dim: bool | None = None) -> str:
        return click.style(text, fg=fg, dim=dim) if self._colour else text


def _status(row: FlowRow) -> tuple[str, str]:
    if row.grpc_status:
        return f"g{row.grpc_status}", _COLOURS[http_class(row.grpc_status)]
    if row.status is not None:
        return str(row.status), _COLOURS.get(row.status // 100, "red")
    return ("...", "cyan") if row.state in {ACTIVE, HELD} else ("---", "red")


def row_json(row: FlowRow) -> str:
    """One JSON object on one line, times in seconds, sizes in bytes."""
    entry = {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "started": round(row.started, 6),
        "method": row.method,
        "url": row.url,
        "scheme": row.scheme,
        "host": row.host,
        "port": row.port,
        "path": row.path,
        "version": row.version,
        "status": row.status,
        "grpc_status": row.grpc_status,
        "resp_type": row.resp_type or None,
        "req_size": row.req_size,
        "resp_size": row.resp_size,
        "ttfb": row.ttfb,
        "total": row.total,
        "error": row.error or None,
        "mark": row.mark or None,
        "comment": row.comment or None,
        "replay_of": row.replay_of,
    }
    return json.dumps(entry).replace("\x7f", "\\u007f")  # the one control that JSON leaves as it is
