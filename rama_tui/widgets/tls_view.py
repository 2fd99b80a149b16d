"""TLS, HTTP/2 start and fingerprints of both sides of a flow, one side beside the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rama_proxy.content.http2 import start_facts
from rama_proxy.content.tls import (
    Fact,
    absence,
    client_hello_facts,
    connection_facts,
    fingerprint_facts,
    server_hello_facts,
)
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import Flow
from rama_tui.widgets.blocks import Blank, Cell, Columns, Entry, Paragraph, Rule, Table
from rama_tui.widgets.lines_view import Block, LinesView, Runs

WIDE = 110  # cells from which both sides stand beside each other


class TlsView(LinesView):
    """What is known about both connections of a flow."""

    def show_flow(self, flow: Flow, now: datetime, *, keep_place: bool = False) -> None:
        """Show the connections of `flow`; `now` is what expiry is counted from."""
        self.show_blocks([_Sides(flow, now)], keep_place=keep_place)


class _Sides:
    """Both sides as columns or one below the other, as the width has it."""

    width = 0

    def __init__(self, flow: Flow, now: datetime) -> None:
        self.client = _side("client → proxy", flow, flow.client, "client", now)
        self.server = _side("proxy → server", flow, flow.server, "server", now)
        self._columns = Columns()

    def layout(self, width: int) -> int:
        """Arrange the sections."""
        if width >= WIDE:
            self._columns = Columns(self.client, self.server)
        else:
            self._columns = Columns([*self.client, Blank(), *self.server])
        return self._columns.layout(width)

    def row(self, index: int) -> Runs:
        """Row `index`."""
        return self._columns.row(index)


def _side(
    title: str, flow: Flow, info: ConnectionInfo | None, side: str, now: datetime
) -> list[Block]:
    parts: list[Block] = [Rule(title, side)]
    missing = absence(flow, side)
    if info is not None:
        parts.append(_table(connection_facts(info, flow.kind)))
    if missing:
        parts.append(Paragraph(missing[:1].upper() + missing[1:] + ".", "dim"))
    if info is None:
        return parts
    if info.annotations:
        parts += [Blank(), Rule("fingerprints"), _table(fingerprint_facts(info))]
    if info.h2_start:
        parts += [Blank(), Rule("HTTP/2 start"), _table(start_facts(info.h2_start))]
    return parts if info.tls is None else parts + _handshake(info.tls, side, now)


def _handshake(tls: TlsInfo, side: str, now: datetime) -> list[Block]:
    parts: list[Block] = []
    if tls.certificates:
        parts += _chain(tls.certificates, now)
    if tls.client_hello:
        sender = "ClientHello" if side == "client" else "ClientHello of the proxy"
        parts += [Blank(), Rule(sender), _table(client_hello_facts(tls.client_hello))]
    if tls.server_hello:
        parts += [Blank(), Rule("ServerHello"), _table(server_hello_facts(tls.server_hello))]
    return parts


def _chain(certificates: Sequence[bytes], now: datetime) -> list[Block]:
    from rama_proxy.content.certificate import certificate_facts, certificate_title

    parts: list[Block] = []
    for index, der in enumerate(certificates):
        place = "certificate" if index == 0 else f"issuer {index}"
        parts += [Blank(), Rule(f"{place} · {certificate_title(der)}")]
        parts.append(_table(certificate_facts(der, now)))
    return parts


def _table(facts: list[Fact]) -> Table:
    return Table(
        [Entry(fact.label, (Cell(fact.value, fact.tone or "plain"),)) for fact in facts],
        label_width=None,
    )
