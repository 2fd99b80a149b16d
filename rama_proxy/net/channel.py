"""Bytes both ways with one peer: a buffer that parsers read from, with TLS on top where wanted.

What carries them is the subclass's: a TCP connection (`net.stream`), or one stream of an HTTP/2
connection. One task owns a channel. It looks at the buffer, and when that is not enough it waits
for a change (`changed`), on one channel or on several at once. No task, lock or timer is made per
message: each channel stamps its last activity and one sweeper expires those silent too long.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from rama_proxy.errors import PeerClosed, PeerStalled, PeerTimeout, ProtocolError, RamaError
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.net.tls import TlsEngine
from rama_proxy.net.waiting import CLOSING, Phase, Signal, changed

T = TypeVar("T")
Parse = Callable[[bytearray], tuple[T, int] | None]

MAX_PREFACE = (
    64 * 1024
)  # bytes looked at to tell a protocol: a ClientHello of 64 KiB is no client's

monotonic = time.monotonic


class Channel(Signal, ABC):
    """One end of a connection.

    `buf` holds what was received and not yet used. `eof`: the peer will send no more; `lost`: the
    channel is gone in both directions; `error`: why, where that is known; `stalled`: the peer does
    not keep up with what is written. `watch` is called after each change where nobody waits for
    one: for a protocol that many tasks share, and that reads its bytes as they come.
    """

    __slots__ = (
        "buf",
        "engines",
        "eof",
        "error",
        "info",
        "last",
        "lost",
        "on_lost",
        "phase",
        "since",
        "stalled",
        "watch",
    )

    shared = False  # the connection carries other channels too, and stays when this one ends

    def __init__(self, info: ConnectionInfo) -> None:
        self.waiter = None
        self.info = info
        self.on_lost: Callable[[Channel], None] | None = None
        self.buf = bytearray()
        self.engines: tuple[TlsEngine, ...] = ()
        self.eof = False
        self.lost = False
        self.error: RamaError | None = None
        self.phase: Phase | None = None
        self.since = self.last = monotonic()
        self.stalled = False
        self.watch: Callable[[], None] | None = None

    def wake(self) -> None:
        super().wake()
        if self.watch is not None:
            self.watch()

    # --- what carries the bytes

    @abstractmethod
    def _transmit(self, data: bytes | bytearray) -> None:
        """Send bytes as they are. Never blocks and never raises."""

    @abstractmethod
    def _end(self) -> None:
        """Say that nothing more will be sent."""

    @abstractmethod
    def _shut(self) -> None:
        """Close both ways, after what was written has gone out."""

    @abstractmethod
    def reset(self) -> None:
        """End the channel so that the peer sees a failure, not an end."""

    def look_for_reset(self) -> None:
        """Notice that the peer has reset the channel, where reading does not show it."""

    # --- reading

    @property
    def left(self) -> bool:
        """Whether the peer, as a client, wants no answer any more: who ends sending has gone."""
        return self.eof

    async def receive(self, parse: Parse[T], limit: int, idle: Phase, busy: Phase) -> T | None:
        """What `parse` makes of the buffer, waiting for more as long as it asks for it.

        None at the end of the connection before a first byte. `idle` is the phase while the buffer
        is empty, `busy` while it holds a part. Raises ProtocolError 431 beyond `limit` bytes,
        PeerClosed at an end in the middle, PeerTimeout, and what `parse` raises.
        """
        while True:
            if self.buf:
                found = parse(self.buf)
                if found is not None and found[1] <= limit:
                    value, used = found
                    del self.buf[:used]
                    self.phase = None
                    return value
                if len(self.buf) > limit:
                    raise ProtocolError(f"more than {limit} bytes without an end of the head", 431)
            if self.eof:
                if not self.buf and (self.error is None or isinstance(self.error, PeerClosed)):
                    return None
                raise self.error or PeerClosed("the peer closed in the middle of a message")
            wanted = busy if self.buf else idle
            if self.phase is not wanted:
                self.enter(wanted)
            await changed(self)

    async def peek(
        self, parse: Parse[T], idle: Phase, busy: Phase, other: Channel | None = None
    ) -> T | None:
        """As receive, but nothing is used up. None as well when `other` speaks or ends first."""
        while True:
            if self.buf:
                found = parse(self.buf)
                if found is not None:
                    self.phase = None
                    return found[0]
                if len(self.buf) > MAX_PREFACE:
                    raise ProtocolError(f"nothing known in the first {MAX_PREFACE} bytes")
            if self.eof and self.error is not None and not isinstance(self.error, PeerClosed):
                raise self.error
            if self.eof or (other is not None and (other.buf or other.eof)):
                self.phase = None
                return None
            wanted = busy if self.buf else idle
            if self.phase is not wanted:
                self.enter(wanted)
            await changed(self, other)

    # --- time

    def enter(self, phase: Phase | None) -> None:
        """Begin `phase` at this moment."""
        self.phase = phase
        self.since = monotonic()

    def overdue(self, now: float, stall_limit: float) -> bool:
        """Whether the phase's time is over, or the peer has not read for `stall_limit` seconds."""
        phase = self.phase
        if self.stalled or phase is CLOSING:
            return now - self.since > stall_limit  # what it sends does not show that it reads
        if phase is None:
            return False
        start = self.since if phase.whole else max(self.since, self.last)
        return now - start > phase.limit

    def expire(self) -> None:
        """End the channel because its time is over; whoever waits gets PeerTimeout."""
        phase = self.phase
        unread = self.stalled or phase is CLOSING
        if unread or phase is None:
            self.error = PeerStalled("the peer stopped reading")
        else:
            self.error = PeerTimeout(f"no {phase.what} within {phase.limit:g} s")
        self.eof = True
        self.phase = None
        if unread:
            self.reset()
        self.wake()

    # --- writing

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up with what is written."""
        return not self.stalled

    def write(self, data: bytes | bytearray) -> None:
        """Send `data`. Never blocks: look at `writable`, or await drain, after large ones.

        Never raises either: on a broken connection it is lost, and reading tells why.
        """
        if self.lost:
            return
        if not self.engines:
            self._transmit(data)
            return
        try:
            self.engines[-1].write(data)
        except RamaError as error:
            self.error = self.error or error
            self.eof = True

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written. Raises if it is gone."""
        while self.stalled and not self.lost:
            await changed(self)
        if self.lost:
            raise self.error or PeerClosed("the peer closed the connection")

    # --- TLS

    async def secure(self, engine: TlsEngine, phase: Phase, other: Channel | None = None) -> None:
        """Do the handshake of `engine` on this channel; what is in the buffer is its first input.

        Raises UpstreamTlsError or ClientTlsError as the engine does, PeerTimeout, PeerClosed; the
        last as well when `other`, for whom it is done, ends.
        """
        data = bytes(self.buf)
        self.buf.clear()
        self.engines += (engine,)
        self.enter(phase)
        engine.start()
        if data:
            self.buf += self._decrypt(data, len(self.engines) - 1)
        while not engine.established:
            if self.error is not None:
                raise self.error
            if self.eof:
                raise PeerClosed("the peer closed during the TLS handshake")
            if other is not None and other.left:
                raise PeerClosed("the client closed while the server's TLS handshake went on")
            await changed(self, other)
        self.phase = None
        self.info.secured = monotonic()

    def sink(self) -> Callable[[bytes], None]:
        """Where the next engine writes its records: the wire, or the engine below it."""
        return self.engines[-1].write if self.engines else self._transmit

    def _decrypt(self, data: bytes, first: int = 0) -> bytes:
        try:
            for engine in self.engines[first:]:
                data = engine.feed(data)
                if engine.failure is not None:  # behind plaintext that still counts
                    self.error = self.error or engine.failure
                    self.eof = True
                if engine.closed:
                    self.eof = True
                if not data:
                    break
        except RamaError as error:
            self.error = error
            self.eof = True
            return b""
        return data

    def _close_engines(self) -> None:
        try:
            for engine in reversed(self.engines):
                engine.close()
        except RamaError as error:
            self.error = self.error or error

    # --- the end

    def close(self) -> None:
        """Close after what was written has gone out; see `gone`."""
        if self.lost or self.phase is CLOSING:
            return
        self.enter(CLOSING)
        self._close_engines()
        self._shut()

    async def gone(self) -> None:
        """Wait until a channel that was closed has sent the rest, or was given up."""
        while not self.lost:
            await changed(self)

    def finish(self) -> None:
        """Say that nothing more will be sent; the peer may go on sending."""
        if self.lost:
            return
        self._close_engines()
        self._end()

    async def linger(self, phase: Phase) -> None:
        """Close, but read on for a moment: a peer still sending would lose our answer to a RST."""
        if self.lost:
            return
        if not self.eof:
            self.finish()
            self.enter(phase)
            while not self.eof:
                self.buf.clear()
                await changed(self)
        self.close()

    def gone_for_good(self) -> None:
        """Take note that the channel is lost: its engines go, whoever waits wakes."""
        self.eof = self.lost = True
        self.stalled = False
        self.engines = ()  # they write to us: a cycle that would keep OpenSSL's 60 KB until a gc
        self.wake()
        if self.on_lost is not None:
            self.on_lost(self)
