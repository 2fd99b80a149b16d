"""A TCP connection as a channel: what asyncio says of it, and what is asked of its transport."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from rama_proxy.errors import PeerClosed
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.net.channel import Channel, monotonic

HIGH_WATER = 256 * 1024  # bytes read ahead of the relay before the peer is made to wait


class Transport(Protocol):
    """What a stream needs of an asyncio transport; tests play a conversation on their own."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str, default: object = None) -> object: ...


class Stream(Channel, asyncio.Protocol):
    """One end of a TCP connection."""

    __slots__ = ("on_made", "reading_paused", "transport")

    transport: Transport

    def __init__(
        self, info: ConnectionInfo, on_made: Callable[[Stream], None] | None = None
    ) -> None:
        super().__init__(info)
        self.on_made = on_made
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
        elif self.watch is not None:
            self.watch()

    def eof_received(self) -> bool:
        self.eof = True
        self.wake()
        return True  # keep the other direction: the rest of a response may still go out

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self.error is None:
            self.error = PeerClosed(f"connection to the {self.info.side} lost: {exc}")
        self.gone_for_good()

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

    def look_for_reset(self) -> None:
        if not self.reading_paused:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # type: ignore[attr-defined]
            if problem:
                reason = f"connection to the {self.info.side} lost: {os.strerror(problem)}"
                self.error = self.error or PeerClosed(reason)
                self.transport.abort()

    # --- writing

    def _transmit(self, data: bytes | bytearray) -> None:
        self.info.bytes_out += len(data)
        if not self.lost:
            self.transport.write(data)

    # --- the end

    def _shut(self) -> None:
        self.transport.close()

    def _end(self) -> None:
        self.transport.write_eof()

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


def _address(name: object) -> tuple[str, int] | None:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return None
