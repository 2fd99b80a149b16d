"""The other end of a TlsEngine: the standard library's TLS in memory, or an engine on a socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from rama_proxy.errors import RamaError
from rama_proxy.net.tls import TlsEngine

Sink = Callable[[bytes], None]


class StdlibPeer:
    """`ssl` on memory buffers. `sink` is where an engine sends to; `play` moves the bytes."""

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        host: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=host,
            session=session,
        )
        self.received = b""
        self.established = False
        self.closed = False
        self.error: ssl.SSLError | None = None

    def sink(self, data: bytes) -> None:
        """Take bytes of the engine."""
        self._incoming.write(data)

    def step(self) -> bytes:
        """Go as far as the bytes allow; what is to be sent to the engine."""
        try:
            if not self.established:
                self.tls.do_handshake()
                self.established = True
            while data := self.tls.read(65536):
                self.received += data
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            self.error = error
        return self._outgoing.read()

    def write(self, data: bytes) -> bytes:
        """The records that carry `data`."""
        self.tls.write(data)
        return self._outgoing.read()


def play(engine: TlsEngine, peer: StdlibPeer) -> bytes:
    """Let both talk until neither has anything to say; the plaintext that the engine got."""
    if not engine.established:
        engine.start()
    received = b""
    while data := peer.step():
        received += engine.feed(data)
    return received


@contextlib.contextmanager
def engine_server(make: Callable[[Sink], TlsEngine]) -> Iterator[EngineServer]:
    """A port where engines made by `make` answer every HTTP request with `hello`."""
    server = EngineServer(make)
    try:
        yield server
    finally:
        server.close()


class EngineServer:
    """Serves one connection after the other. `errors` are what the engines raised."""

    def __init__(self, make: Callable[[Sink], TlsEngine]) -> None:
        self._make = make
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.errors: list[RamaError] = []
        self.engines: list[TlsEngine] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        with contextlib.suppress(OSError):  # closed before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        engine = self._make(connection.sendall)
        self.engines.append(engine)
        request = b""
        try:
            engine.start()
            while b"\r\n\r\n" not in request:
                data = connection.recv(65536)
                if not data:
                    return
                request += engine.feed(data)
            engine.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            engine.close()
        except RamaError as error:
            self.errors.append(error)
        except OSError:
            return  # the client went away
