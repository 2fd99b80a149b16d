"""A TCP connection as a buffer that parsers read from, with TLS put on top where it is wanted.

One task owns a stream. It looks at the buffer, and when that is not enough it waits for a change
(`changed`), on one stream or on several at once. No task, lock or timer is made per message: each
stream stamps its last activity and one sweeper expires those that are silent too long.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from rama_proxy.errors import PeerClosed, PeerStalled, PeerTimeout, ProtocolError, RamaError
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.net.tls import TlsEngine
from rama_proxy.net.waiting import CLOSING, Phase, Signal, changed

T = TypeVar("T")
Parse = Callable[[bytearray], tuple[T, int] | None]

HIGH_WATER = 256 * 1024  # bytes read ahead of the relay before the peer is made to wait
MAX_PREFACE = (
    64 * 1024
)  # bytes looked at to tell a protocol: a ClientHello of 64 KiB is no client's

monotonic = time.monotonic


class Transport(Protocol):
    """What a stream needs of an asyncio transport; tests play a conversation on their own."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str, default: object = None) -> object: ...


class Stream(Signal, asyncio.Protocol):
    """One end of a TCP connection.

    `buf` holds what was received and not yet used. `eof`: the peer will send no more; `lost`: the
    connection is gone in both directions; `error`: why, where that is known.
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
        "on_made",
        "phase",
        "reading_paused",
        "since",
        "stalled",
        "transport",
    )

    transport: Transport

    def __init__(
        self, info: ConnectionInfo, on_made: Callable[[Stream], None] | None = None
    ) -> None:
        self.waiter = None
        self.info = info
        self.on_made = on_made
        self.on_lost: Callable[[Stream], None] | None = None
        self.buf = bytearray()
        self.engines: tuple[TlsEngine, ...] = ()
        self.eof = False
        self.lost = False
        self.error: RamaError | None = None
        self.phase: Phase | None = None
        self.since = self.last = monotonic()
        self.stalled = False
        self.reading_paused = False

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a socket's, with all of Transport
        info = self.info
        info.peer = _address(transport.get_extra_info("peername"))
        info.local = _address(transport.get_extra_info("sockname"))
        if self.on_made is not None:
            self.on_made(self)

    def data_received(self, data: bytes) -> None:
        self.last = monotonic()
        self.info.bytes_in += len(data)
        if self.engines:
            data = self._decrypt(data)
        self.buf += data
        if len(self.buf) > HIGH_WATER and not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def eof_received(self) -> bool:
        self.eof = True
        self.wake()
        return True  # keep the other direction: the rest of a response may still go out

    def connection_lost(self, exc: Exception | None) -> None:
        self.eof = self.lost = True
        if exc is not None and self.error is None:
            self.error = PeerClosed(f"connection to the {self.info.side} lost: {exc}")
        self.stalled = False
        self.engines = ()  # they write to us: a cycle that would keep OpenSSL's 60 KB until a gc
        self.wake()
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        self.stalled = True
        self.since = monotonic()

    def resume_writing(self) -> None:
        self.stalled = False
        self.wake()

    # --- reading

    def before_wait(self) -> None:
        if self.reading_paused and len(self.buf) <= HIGH_WATER and not self.lost:
            self.reading_paused = False
            self.transport.resume_reading()

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
        self, parse: Parse[T], idle: Phase, busy: Phase, other: Stream | None = None
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

    def look_for_reset(self) -> None:
        """Notice that the peer has reset the connection, which without reading nothing shows."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # type: ignore[attr-defined]
            if problem:
                reason = f"connection to the {self.info.side} lost: {os.strerror(problem)}"
                self.error = self.error or PeerClosed(reason)
                self.transport.abort()

    def expire(self) -> None:
        """End the stream because its time is over; whoever waits gets PeerTimeout."""
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

    def _transmit(self, data: bytes | bytearray) -> None:
        self.info.bytes_out += len(data)
        if not self.lost:
            self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written. Raises if it is gone."""
        while self.stalled and not self.lost:
            await changed(self)
        if self.lost:
            raise self.error or PeerClosed("the peer closed the connection")

    # --- TLS

    async def secure(self, engine: TlsEngine, phase: Phase, other: Stream | None = None) -> None:
        """Do the handshake of `engine` on this stream; what is in the buffer is its first input.

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
            if other is not None and other.eof:
                raise PeerClosed("the client closed while the server's TLS handshake went on")
            await changed(self, other)
        self.phase = None
        self.info.secured = monotonic()

    def sink(self) -> Callable[[bytes], None]:
        """Where the next engine writes its records: the transport, or the engine below it."""
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

    # --- the end

    def close(self) -> None:
        """Close after what was written has gone out; see `gone`."""
        if self.lost or self.phase is CLOSING:
            return
        self.enter(CLOSING)
        self._close_engines()
        self.transport.close()

    async def gone(self) -> None:
        """Wait until a connection that was closed has sent the rest, or was given up."""
        while not self.lost:
            await changed(self)

    def _close_engines(self) -> None:
        try:
            for engine in reversed(self.engines):
                engine.close()
        except RamaError as error:
            self.error = self.error or error

    def reset(self) -> None:
        """End the connection so that the peer sees a failure, not an end (RST)."""
        self.phase = None
        if self.lost:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # type: ignore[attr-defined]
        self.transport.abort()
        self.eof = self.lost = True  # at once: uvloop would still send an end, and before the RST

    def finish(self) -> None:
        """Say that nothing more will be sent; the peer may go on sending."""
        if self.lost:
            return
        self._close_engines()
        self.transport.write_eof()

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


def _address(name: object) -> tuple[str, int] | None:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return None
