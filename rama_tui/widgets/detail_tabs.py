"""The tabs of an opened flow: which it has, and which of them is shown first."""

from __future__ import annotations

from collections.abc import Container

from rama_proxy.model.flow import Flow

EXCHANGE, MESSAGES, TLS, TIMING, RAW = "exchange", "messages", "tls", "timing", "raw"
TABS = (
    (EXCHANGE, "Request · Response"),
    (MESSAGES, "Messages"),
    (TLS, "TLS & fingerprint"),
    (TIMING, "Timing"),
    (RAW, "Raw"),
)


def tabs_of(flow: Flow | None, messages: int) -> list[tuple[str, str]]:
    """Id and title of the tabs of a flow that has so many messages, or may get some."""
    may_come = flow is not None and flow.kind == "websocket"
    count = f" {messages:,}" if messages else ""
    return [
        (name, title + count if name == MESSAGES else title)
        for name, title in TABS
        if name != MESSAGES or messages or may_come
    ]


class TabChoice:
    """What a person wants to see of flows: a tab, or what a flow is about.

    That is its messages, or request and response where it has none.
    """

    def __init__(self) -> None:
        self._tab = ""  # what it is about

    def choose(self, tab: str, offered: Container[str]) -> None:
        """A person chose `tab` among those `offered`."""
        is_about = tab == MESSAGES or (tab == EXCHANGE and MESSAGES not in offered)
        self._tab = "" if is_about else tab

    def tab_of(self, offered: Container[str]) -> str:
        """The tab to show of a flow that has those `offered`."""
        if self._tab in offered:
            return self._tab
        return MESSAGES if MESSAGES in offered else EXCHANGE
