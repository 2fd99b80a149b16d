"""What an HTTP/2 peer may cost: sizes, windows, and how often a frame that costs it nothing.

Time comes in as an argument, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What we announce and hold a peer to.

    A stream's window bounds what a slow reader on it holds back, the connection's what all
    streams together do: 15 streams may stand still and the 16th still moves (Chromium: 6 of 15
    MiB). At 1 MiB a stream moves 100 MiB/s over 10 ms of round trip.
    """

    max_streams: int = 128  # nginx 128, Envoy advises 100
    max_header_list: int = 64 * KIB  # decoded, 32 bytes more for each field (RFC 9113 6.5.2)
    max_header_block: int = 64 * KIB  # as on the wire, over all CONTINUATION frames
    max_continuations: int = 16  # CVE-2024-27316; node and Go bound the bytes alone
    max_settings: int = 100  # values in one SETTINGS; node 32, peers send 9 and what they grease
    stream_window: int = 1 * MIB
    connection_window: int = 16 * MIB
    flood: int = 1000  # frames of one kind in `flood_seconds`; Envoy 1000 unanswered, nginx 1000
    flood_seconds: float = 10.0
    connect_protocol: bool = True  # RFC 8441 3: we take extended CONNECT


# Frames that each of our DATA frames or each stream earns the peer. A fast reader with a small
# window sends WINDOW_UPDATE for each DATA frame, twice; Envoy allows 10 for each, and 100
# PRIORITY for each stream.
EARNED_BY_DATA = 10
EARNED_BY_STREAM = 100


class Flood:
    """Counts frames of the kinds that cost the peer nothing, over a window of time.

    The window is renewed when it has passed, not slid: twice the limit may pass around its edge.
    """

    __slots__ = ("counts", "data_sent", "limit", "seconds", "since", "streams_opened")

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self.since = 0.0
        self.counts: dict[str, int] = {}
        self.data_sent = 0
        self.streams_opened = 0

    def count(self, kind: str, now: float) -> str:
        """Count one frame; a sentence when there were too many of its kind, else ""."""
        if now - self.since > self.seconds:
            self.since = now
            self.counts.clear()
            self.data_sent = self.streams_opened = 0
        seen = self.counts[kind] = self.counts.get(kind, 0) + 1
        if seen <= self.limit:
            return ""
        if kind in {"WINDOW_UPDATE", "PRIORITY"}:
            earned = self.data_sent * EARNED_BY_DATA + self.streams_opened * EARNED_BY_STREAM
            if seen <= self.limit + earned:
                return ""
        return f"more than {self.limit} {kind} in {self.seconds:g} seconds"
