"""A small HTTP client that goes through a proxy: plainly, by CONNECT, or by SOCKS5.

Blocking, on the standard library alone. It sends fields in the order given, keeps connections
open, and does not mind what goes wrong: what goes wrong is what the demo shows.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 15.0
ConnectionKey = tuple[str, str, str, int, str]


@dataclass(slots=True, frozen=True)
class Agent:
    """Who asks: the first fields of each request, and how its TLS looks."""

    name: str
    fields: tuple[tuple[str, str], ...]
    ciphers: str = ""
    alpn: tuple[str, ...] = ()
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    trusts: bool = True


@dataclass(slots=True)
class Visit:
    """One request. `way` is connect (plain http by absolute-form), socks5 or raw."""

    agent: Agent
    method: str
    url: str
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    way: str = "connect"
    aside: bool = False  # takes long: others need not wait for it
    chunks: tuple[bytes, ...] = field(default=())


class Client:
    """Sends visits through `proxy` for agents that trust the authority in file `ca`."""

    def __init__(self, proxy: tuple[str, int], ca: Path) -> None:
        self.proxy = proxy
        self.ca = ca
        self._open: dict[ConnectionKey, socket.socket] = {}
        self._sockets: set[socket.socket] = set()

    def send(self, visit: Visit) -> int:
        """The status of the answer, 0 if there was none."""
        parts = urlsplit(visit.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        assert parts.hostname is not None
        key = (visit.agent.name, visit.way, parts.hostname, port, parts.scheme)
        try:
            if visit.way == "raw":
                return self._talk(visit, parts.hostname, port)
            sock = self._open.pop(key, None) or self._connect(visit, key)
            try:
                status, stays = _exchange(sock, visit)
            except BaseException:
                self._forget(sock)
                raise
        except (OSError, http.client.HTTPException):
            return 0
        if stays:
            self._open[key] = sock
        else:
            self._forget(sock)
        return status

    def close(self) -> None:
        """Break every connection, those that another thread waits for as well."""
        for sock in list(self._sockets):
            self._forget(sock)
        self._open.clear()

    def _forget(self, sock: socket.socket) -> None:
        self._sockets.discard(sock)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _connect(self, visit: Visit, key: ConnectionKey) -> socket.socket:
        _, way, host, port, scheme = key
        sock = socket.create_connection(self.proxy, TIMEOUT)
        self._sockets.add(sock)
        try:
            if way == "socks5":
                _ask_socks(sock, host, port)
            elif scheme != "http":
                _ask_tunnel(sock, visit.agent, host, port)
            if scheme == "https":
                plain = sock
                sock = self._context(visit.agent).wrap_socket(plain, server_hostname=host)
                self._sockets.discard(plain)
                self._sockets.add(sock)
        except BaseException:
            self._forget(sock)
            raise
        return sock

    def _context(self, agent: Agent) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.maximum_version = agent.newest_tls
        if agent.trusts:
            context.load_verify_locations(self.ca)
        if agent.ciphers:
            context.set_ciphers(agent.ciphers)
        if agent.alpn:
            context.set_alpn_protocols(list(agent.alpn))
        return context

    def _talk(self, visit: Visit, host: str, port: int) -> int:
        """Send the body into a tunnel, line by line, and read each echo."""
        sock = self._connect(visit, (visit.agent.name, "raw", host, port, "tcp"))
        try:
            for line in visit.chunks:
                sock.sendall(line)
                received = 0
                while received < len(line) and (data := sock.recv(4096)):
                    received += len(data)
        finally:
            self._forget(sock)
        return 200


def _exchange(sock: socket.socket, visit: Visit) -> tuple[int, bool]:
    parts = urlsplit(visit.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http" and visit.way == "connect":
        target = f"{parts.scheme}://{parts.netloc}{target}"
    fields = [("Host", parts.netloc), *visit.agent.fields, *visit.fields]
    if visit.chunks:
        fields.append(("Transfer-Encoding", "chunked"))
    elif visit.body or visit.method in ("POST", "PUT", "PATCH"):
        fields.append(("Content-Length", str(len(visit.body))))
    head = [f"{visit.method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in fields)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in visit.chunks)
    body = body + b"0\r\n\r\n" if visit.chunks else visit.body
    sock.sendall("\r\n".join([*head, "", ""]).encode() + body)
    response = http.client.HTTPResponse(sock, method=visit.method)
    with response:
        response.begin()
        while response.read(65536):
            pass
        stays = not response.will_close and not response.length  # what is left was cut off
    return response.status, stays


def _ask_tunnel(sock: socket.socket, agent: Agent, host: str, port: int) -> None:
    where = f"{host}:{port}"
    fields = "".join(f"{name}: {text}\r\n" for name, text in agent.fields if name == "User-Agent")
    sock.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{fields}\r\n".encode())
    with http.client.HTTPResponse(sock, method="CONNECT") as response:
        response.begin()
        if response.status != 200:
            raise ConnectionRefusedError(response.status)


def _ask_socks(sock: socket.socket, host: str, port: int) -> None:
    """RFC 1928, without authentication, the name left to the proxy."""
    sock.sendall(b"\x05\x01\x00")
    name = host.encode()
    if sock.recv(2, socket.MSG_WAITALL) != b"\x05\x00":
        raise ConnectionRefusedError(host)
    sock.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack(">H", port))
    if sock.recv(10, socket.MSG_WAITALL)[1:2] != b"\x00":
        raise ConnectionRefusedError(host)
