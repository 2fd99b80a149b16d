"""How a peer began its HTTP/2 connection, as facts to read.

Numbers stay as they are on the wire: a fingerprint is compared by them. Nothing here fails on what
a peer sent.
"""

from __future__ import annotations

from rama_proxy.content.tls import Fact
from rama_proxy.content.tls_names import name_of
from rama_proxy.protocols.http2_frames import PREFACE
from rama_proxy.protocols.http2_start import Priority, parse_start

SETTINGS = {  # IANA HTTP/2 parameters; GREASE has the numbers it has in TLS
    1: "HEADER_TABLE_SIZE",
    2: "ENABLE_PUSH",
    3: "MAX_CONCURRENT_STREAMS",
    4: "INITIAL_WINDOW_SIZE",
    5: "MAX_FRAME_SIZE",
    6: "MAX_HEADER_LIST_SIZE",
    8: "ENABLE_CONNECT_PROTOCOL",
    9: "NO_RFC7540_PRIORITIES",
    16: "TLS_RENEG_PERMITTED",
}

_FIRST_WINDOW = 65535  # of a connection, RFC 9113 6.9.2
_PSEUDO = {"m": ":method", "a": ":authority", "s": ":scheme", "p": ":path"}


def start_facts(raw: bytes) -> list[Fact]:
    """What is in the bytes a peer began with: SETTINGS in wire order, windows, first HEADERS."""
    start = parse_start(raw)
    facts = [Fact(name_of(SETTINGS, name), str(value)) for name, value in start.settings]
    if not facts:
        facts.append(Fact("SETTINGS", "none"))
    if start.window_update:
        window = _FIRST_WINDOW + start.window_update
        facts.append(Fact("WINDOW_UPDATE", f"{start.window_update}, to {window}"))
    facts += [Fact(f"PRIORITY of {item.stream}", _dependency(item)) for item in start.priorities]
    if start.stream:
        facts.append(Fact("first HEADERS", f"stream {start.stream}"))
    if start.stream and raw.startswith(PREFACE):
        facts += [
            Fact("priority", _dependency(start.priority) if start.priority else "none"),
            Fact("pseudo fields", _order(start.pseudo_order)),
        ]
    return facts


def _dependency(priority: Priority) -> str:
    exclusive = ", exclusive" if priority.exclusive else ""
    return f"depends on {priority.depends_on}{exclusive}, weight {priority.weight}"


def _order(initials: str) -> str:
    return ", ".join(_PSEUDO[initial] for initial in initials) or "none"
