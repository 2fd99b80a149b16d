"""What hooks can do to a connection: each is called when the addon page says so, and obeyed."""

from __future__ import annotations

from pathlib import Path

from rama_proxy import Addon, ConnectionInfo, Flow, Response, ServerConnectData
from tests.support.play import Play

GET = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"
RELATIVE = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Recorder(Addon):
    """Keeps the names of the hooks called, with what they were about."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def client_connected(self, client: ConnectionInfo) -> None:
        self.seen.append(f"client_connected {client.side}")

    def client_disconnected(self, client: ConnectionInfo) -> None:
        self.seen.append(f"client_disconnected {client.side}")

    def server_connect(self, data: ServerConnectData) -> None:
        self.seen.append(f"server_connect {data.server.address}")

    def server_connected(self, data: ServerConnectData) -> None:
        self.seen.append(f"server_connected for {data.client.side}")

    def server_connect_error(self, data: ServerConnectData) -> None:
        self.seen.append(f"server_connect_error {data.server.error}")

    def server_disconnected(self, data: ServerConnectData) -> None:
        self.seen.append(f"server_disconnected {data.server.address}")

    def http_connect(self, flow: Flow) -> None:
        self.seen.append(f"http_connect {flow.request.url}")

    def requestheaders(self, flow: Flow) -> None:
        self.seen.append("requestheaders")

    def request(self, flow: Flow) -> None:
        self.seen.append("request")

    def responseheaders(self, flow: Flow) -> None:
        self.seen.append("responseheaders")

    def response(self, flow: Flow) -> None:
        self.seen.append("response")

    def error(self, flow: Flow) -> None:
        self.seen.append(f"error {flow.error}")


async def test_hooks_come_in_their_order(tmp_path: Path) -> None:
    recorder = Recorder()
    await (
        Play(tmp_path, addons=[recorder])
        .client(GET)
        .server(RELATIVE, reply=NO_CONTENT)
        .client_gets(NO_CONTENT)
    )
    assert recorder.seen == [
        "client_connected client",
        "requestheaders",
        "request",
        "server_connect ('a.test', 80)",
        "server_connected for client",
        "responseheaders",
        "response",
        "client_disconnected client",
        "server_disconnected ('a.test', 80)",  # it waited for another request until then
    ]


async def test_a_failed_flow_ends_in_error_and_in_no_response(tmp_path: Path) -> None:
    recorder = Recorder()
    (flow,) = await (
        Play(tmp_path, addons=[recorder])
        .server_refuses("nobody listens on a.test:80")
        .client(GET)
        .client_gets_start(b"HTTP/1.1 502 Bad Gateway\r\n")
    )
    assert recorder.seen[-3:] == [
        "server_connect_error nobody listens on a.test:80",
        "error nobody listens on a.test:80",
        "client_disconnected client",
    ]
    assert "response" not in recorder.seen
    assert flow.error == "nobody listens on a.test:80"


async def test_a_client_is_turned_away(tmp_path: Path) -> None:
    class Refuse(Addon):
        def client_connected(self, client: ConnectionInfo) -> None:
            client.error = "not you"

    flows = await Play(tmp_path, addons=[Refuse()]).client_gets_end()
    assert flows == []


async def test_a_server_is_refused_with_a_reason(tmp_path: Path) -> None:
    class Refuse(Addon):
        def server_connect(self, data: ServerConnectData) -> None:
            data.server.error = "not there"

    play = Play(tmp_path, addons=[Refuse()])
    (flow,) = await play.client(GET).client_gets_start(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert flow.error == "not there"
    assert play.dialer.made == []


async def test_a_connection_goes_to_another_address(tmp_path: Path) -> None:
    class Move(Addon):
        def server_connect(self, data: ServerConnectData) -> None:
            data.server.address = ("127.0.0.1", 8000)

    (flow,) = await (
        Play(tmp_path, addons=[Move()])
        .client(GET)
        .server(RELATIVE, reply=NO_CONTENT)
        .client_gets(NO_CONTENT)
    )
    assert flow.server is not None
    assert flow.server.address == ("127.0.0.1", 8000)
    assert flow.request.host == "a.test"


async def test_a_tunnel_is_refused(tmp_path: Path) -> None:
    class Refuse(Recorder):
        def http_connect(self, flow: Flow) -> None:
            super().http_connect(flow)
            flow.response = Response.make(403, "no\n")

    refuse = Refuse()
    play = Play(tmp_path, addons=[refuse])
    (flow,) = await (
        play.client(b"CONNECT a.test:22 HTTP/1.1\r\nHost: a.test:22\r\n\r\n")
        .client_gets(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n")
        .client_closes()
    )
    assert "http_connect a.test:22" in refuse.seen
    assert flow.response is not None
    assert (flow.request.method, flow.response.status) == ("CONNECT", 403)
    assert play.dialer.made == []
