"""A connection of the demo's clients that speaks HTTP/1, or WebSocket after it."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

from rama_proxy.demo.ticker import KEY, Talk
from rama_proxy.demo.visit import Visit

_UPGRADE = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
)


class Http1Client:
    """Sends visits on `sock`, one request at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def exchange(self, visit: Visit) -> tuple[int, bool]:
        """The status of the first response, when all are there; and whether another may follow.

        Raises OSError or HTTPException where there is none.
        """
        first = 0
        stays = True
        for url in visit.urls:
            if not stays:
                break
            self.sock.sendall(_request(visit, url))
            status, stays = self._read(visit)
            first = first or status
        return first, stays

    def _read(self, visit: Visit) -> tuple[int, bool]:
        with http.client.HTTPResponse(self.sock, method=visit.method) as response:
            response.begin()
            if response.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                self._talk()
                return response.status, False
            while response.read(65536):
                pass
            stays = not response.will_close and not response.length  # what is left was cut off
        return response.status, stays

    def _talk(self) -> None:
        talk = Talk(is_server=False)
        while not talk.over:
            if due := talk.due():
                self.sock.sendall(due[1])
            elif data := self.sock.recv(65536):
                talk.hear(data)
            else:
                return


def _request(visit: Visit, url: str) -> bytes:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http" and visit.way == "connect":
        target = f"{parts.scheme}://{parts.netloc}{target}"
    fields = [("Host", parts.netloc), *visit.all_fields]
    if visit.way == "websocket":
        fields += _UPGRADE
    elif visit.chunks:
        fields.append(("Transfer-Encoding", "chunked"))
    elif visit.body or visit.method in ("POST", "PUT", "PATCH"):
        fields.append(("Content-Length", str(len(visit.body))))
    head = [f"{visit.method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in fields)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in visit.chunks)
    body = body + b"0\r\n\r\n" if visit.chunks else visit.body
    return "\r\n".join([*head, "", ""]).encode() + body
