"""A small HTTP client that goes through a proxy: plainly, by CONNECT, or by SOCKS5.

Blocking. It keeps connections open, and does not mind what goes wrong: what goes wrong is what the
demo shows. What is said on a connection is for client_http1 and client_http2.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
from pathlib import Path
from urllib.parse import urlsplit

from rama_proxy.demo.client_http1 import Http1Client
from rama_proxy.demo.client_http2 import Http2Client
from rama_proxy.demo.visit import Agent, Visit
from rama_proxy.errors import PeerClosed

TIMEOUT = 15.0
Connection = Http1Client | Http2Client
ConnectionKey = tuple[str, str, str, int, str]


class Client:
    """Sends visits through `proxy` for agents that trust the authority in file `ca`."""

    def __init__(self, proxy: tuple[str, int], ca: Path) -> None:
        self.proxy = proxy
        self.ca = ca
        self._open: dict[ConnectionKey, Connection] = {}
        self._sockets: set[socket.socket] = set()

    def send(self, visit: Visit) -> int:
        """The status of the first answer, 0 if there was none."""
        parts = urlsplit(visit.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        assert parts.hostname is not None
        key = (visit.agent.name, visit.way, parts.hostname, port, parts.scheme)
        try:
            if visit.way == "raw":
                return self._talk(visit, parts.hostname, port)
            connection = self._open.pop(key, None) or self._connect(visit.agent, key)
            try:
                status, stays = connection.exchange(visit)
            except BaseException:
                self._forget(connection.sock)
                raise
        except (OSError, http.client.HTTPException, PeerClosed):
            return 0
        if stays:
            self._open[key] = connection
        else:
            self._forget(connection.sock)
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

    def _connect(self, agent: Agent, key: ConnectionKey) -> Connection:
        sock = self._dial(agent, key)
        if isinstance(sock, ssl.SSLSocket) and sock.selected_alpn_protocol() == "h2":
            return Http2Client(sock, agent.http2)
        return Http1Client(sock)

    def _dial(self, agent: Agent, key: ConnectionKey) -> socket.socket:
        _, way, host, port, scheme = key
        sock = socket.create_connection(self.proxy, TIMEOUT)
        self._sockets.add(sock)
        try:
            if way == "socks5":
                _ask_socks(sock, host, port)
            elif scheme != "http":
                _ask_tunnel(sock, agent, host, port)
            if scheme == "https":
                plain = sock
                sock = self._context(agent).wrap_socket(plain, server_hostname=host)
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
        sock = self._dial(visit.agent, (visit.agent.name, "raw", host, port, "tcp"))
        try:
            for line in visit.chunks:
                sock.sendall(line)
                received = 0
                while received < len(line) and (data := sock.recv(4096)):
                    received += len(data)
        finally:
            self._forget(sock)
        return 200


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
