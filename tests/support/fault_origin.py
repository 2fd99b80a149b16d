"""A server that does to HTTP/1 whatever a test asks for, by the first part of the path.

Threads and plain sockets: every byte it sends is written here, nothing corrects it. MODES lists
what it can do. `heads` and `bodies` keep what arrived, as it arrived.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import BinaryIO, Self
from urllib.parse import parse_qs, urlsplit

NO_LINGER = struct.pack("ii", 1, 0)  # a close then sends RST


class Exchange:
    """One request at the origin: where to answer, and what was asked."""

    def __init__(self, origin: FaultOrigin, sock: socket.socket, reader: BinaryIO, head: bytes):
        self.origin = origin
        self.sock = sock
        self.reader = reader
        self.head = head
        self.method, self.target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
        self.query = parse_qs(urlsplit(self.target).query)

    def send(self, data: bytes) -> None:
        """Send `data` at once."""
        self.sock.sendall(data)

    def number(self, name: str, default: float) -> float:
        """A number from the query."""
        return float(self.query.get(name, [str(default)])[0])

    def field(self, name: str) -> str | None:
        """The first value of a request header."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None

    def read_body(self) -> bytes:
        """The request's body as sent, chunk lines included."""
        if "chunked" in (self.field("transfer-encoding") or "").lower():
            body = self._read_chunked()
        else:
            body = self.reader.read(int(self.field("content-length") or 0))
        self.origin.bodies.append(body)
        return body

    def _read_chunked(self) -> bytes:
        body = b""
        while line := self.reader.readline():
            body += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            body += self.reader.read(size + 2)
        while line := self.reader.readline():  # trailers, then the empty line
            body += line
            if line == b"\r\n":
                break
        return body

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)


Mode = Callable[[Exchange], bool]  # whether the connection stays open
MODES: dict[str, Mode] = {}


def mode(function: Mode) -> Mode:
    """Make `function` answer the path of its name."""
    MODES[function.__name__.rstrip("_").replace("_", "-")] = function
    return function


class FaultOrigin:
    """Listens on a port of 127.0.0.1 until closed; with `context` over TLS."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        scheme, host = ("https", "localhost") if context else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self.port}"
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # the peer left, or we are closing
            plain = sock
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._sockets.discard(plain)
                self._sockets.add(sock)
            with sock.makefile("rb") as reader:
                while (head := self._read_head(reader)) and self._answer(sock, reader, head):
                    pass
        sock.close()
        self._sockets.discard(sock)

    @staticmethod
    def _read_head(reader: BinaryIO) -> bytes:
        head = b""
        while line := reader.readline():
            head += line
            if line == b"\r\n" and head != b"\r\n":
                return head
        return b""

    def _answer(self, sock: socket.socket, reader: BinaryIO, head: bytes) -> bool:
        self.heads.append(head)
        exchange = Exchange(self, sock, reader, head)
        name = urlsplit(exchange.target).path.split("/")[1]
        return MODES[name](exchange) and exchange.field("connection") != "close"

    def close(self) -> None:
        """Stop listening, break every connection and wait for the threads."""
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# well-behaved, but seldom met


@mode
def echo(exchange: Exchange) -> bool:
    """Answers with the request as it arrived, head and body."""
    data = exchange.head + exchange.read_body()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))
    return True


@mode
def sink(exchange: Exchange) -> bool:
    """Reads the body without keeping it; answers with its size."""
    left = size = int(exchange.field("content-length") or 0)
    while left:
        left -= len(exchange.reader.read(min(left, 1 << 20)))
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(size)), size))
    return True


@mode
def headers(exchange: Exchange) -> bool:
    """Header names in odd case, twice, and with bytes above 0x7f."""
    exchange.send(
        b"HTTP/1.1 200 Fine\r\nx-UPPER-lower: a\r\nSet-Cookie: a=1\r\nX-Odd:caf\xe9\r\n"
        b"set-cookie: b=2\r\nCONTENT-length: 2\r\n\r\nok"
    )
    return True


@mode
def trailers(exchange: Exchange) -> bool:
    """A chunked body with trailers."""
    exchange.send(
        b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n"
    )
    return True


@mode
def extensions(exchange: Exchange) -> bool:
    """Chunk extensions, quoted ones too."""
    exchange.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'5;a=b;c="d;e"\r\nhello\r\n000;last\r\n\r\n'
    )
    return True


@mode
def early(exchange: Exchange) -> bool:
    """Three informational responses before the final one."""
    exchange.send(b"HTTP/1.1 102 Processing\r\n\r\n")
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" * 2)
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return True


@mode
def continue_(exchange: Exchange) -> bool:
    """100 Continue to a request that expects it, then its body back."""
    if exchange.field("expect"):
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    data = exchange.read_body()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))
    return True


@mode
def no_continue(exchange: Exchange) -> bool:
    """417 in place of 100 Continue; the body is never read."""
    exchange.send(
        b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    return False


@mode
def sse(exchange: Exchange) -> bool:
    """`count` events, `every` seconds apart."""
    exchange.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for number in range(int(exchange.number("count", 3))):
        if number and exchange.origin.closing.wait(exchange.number("every", 1)):
            return False
        event = b"id: %d\ndata: tick\n\n" % number
        exchange.send(b"%x\r\n%s\r\n" % (len(event), event))
    exchange.send(b"0\r\n\r\n")
    return True


@mode
def close(exchange: Exchange) -> bool:
    """A body that ends with the connection."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
    return False


@mode
def old(exchange: Exchange) -> bool:
    """HTTP/1.0 without a length."""
    exchange.send(b"HTTP/1.0 200 OK\r\n\r\nold")
    return False


@mode
def head_length(exchange: Exchange) -> bool:
    """To HEAD, the length of a body that does not come."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    return True


@mode
def upgrade(exchange: Exchange) -> bool:
    """101, then every byte comes back."""
    exchange.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    )
    while data := exchange.sock.recv(65536):
        exchange.send(data)
    return False


@mode
def slow(exchange: Exchange) -> bool:
    """The answer comes after `wait` seconds."""
    exchange.origin.closing.wait(exchange.number("wait", 0.5))
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
    return True


# broken


@mode
def short(exchange: Exchange) -> bool:
    """Fewer bytes than Content-Length says."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    return False


@mode
def chunk_cut(exchange: Exchange) -> bool:
    """The connection ends inside a chunk."""
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\ncut")
    return False


@mode
def chunk_bad(exchange: Exchange) -> bool:
    """A chunk size that is no number, after a good chunk."""
    exchange.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nno\r\n0\r\n\r\n"
    )
    return True


@mode
def garbage(exchange: Exchange) -> bool:
    """No HTTP at all."""
    exchange.send(b"\x00\xff garbage, and more of it\r\n\r\n")
    return False


@mode
def bare_lf(exchange: Exchange) -> bool:
    """Lines that end in LF alone."""
    exchange.send(b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello")
    return True


@mode
def two_lengths(exchange: Exchange) -> bool:
    """Two lengths that differ."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
    return True


@mode
def endless_head(exchange: Exchange) -> bool:
    """Header fields without end."""
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    while not exchange.origin.closing.is_set():
        exchange.send(b"X-More: and more\r\n" * 100)
    return False


@mode
def second(exchange: Exchange) -> bool:
    """A second response that nobody asked for, in the same segment."""
    exchange.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned"
    )
    return True


@mode
def hang_up(exchange: Exchange) -> bool:
    """Closes without a word."""
    del exchange
    return False


@mode
def reset(exchange: Exchange) -> bool:
    """Resets the connection in place of an answer."""
    exchange.reset()
    return False


@mode
def reset_body(exchange: Exchange) -> bool:
    """Resets it in the middle of the body."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    exchange.origin.closing.wait(0.1)  # else the RST overtakes the bytes
    exchange.reset()
    return False


@mode
def silence(exchange: Exchange) -> bool:
    """Never answers."""
    exchange.origin.closing.wait()
    return False


@mode
def silence_body(exchange: Exchange) -> bool:
    """Begins a body and says no more."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    exchange.origin.closing.wait()
    return False
