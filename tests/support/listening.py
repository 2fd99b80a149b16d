"""A server that says what it was sent: the bytes of one connection after another."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PATIENCE = 3.0  # seconds without a byte after which a client has sent less than it should


class Listening:
    """Keeps every byte of a connection until the client closes it.

    It answers once `expected` bytes are there, so that what comes beyond them is noticed too.
    """

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.expected = 0
        self._received: list[bytes] = []
        self._arrived = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self.socket.close()

    def received(self) -> bytes:
        """All bytes of the next connection; waits for its end."""
        assert self._arrived.acquire(timeout=10), "nobody connected"
        return self._received.pop(0)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self._received.append(self._exchange(connection))
            self._arrived.release()

    def _exchange(self, connection: socket.socket) -> bytes:
        connection.settimeout(PATIENCE)
        data = b""
        continued = answered = False
        try:
            while part := connection.recv(65536):
                data += part
                if b"100-continue\r\n" in data and b"\r\n\r\n" in data and not continued:
                    continued = True
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if len(data) >= self.expected and not answered:
                    answered = True
                    connection.sendall(ANSWER)
        except OSError:
            pass  # silent or gone: what came is what counts
        return data
