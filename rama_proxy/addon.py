"""What an addon may be: every hook with what it gets, and what it may ask of the proxy.

An addon is any object or module with functions of the names of `Addon`. How they are called is in
`hooks`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request
from rama_proxy.protocols.client_hello import ClientHello
from rama_proxy.protocols.http2_start import ConnectionStart

Exporter = Callable[[Flow], str]
Done = Awaitable[None] | None  # a hook may be async


@dataclass(slots=True)
class ServerConnectData:
    """A connection to a server and the client it is for. Setting `server.error` refuses it."""

    server: ConnectionInfo
    client: ConnectionInfo


@dataclass(slots=True)
class ClientHelloData:
    """A ClientHello before it is answered. `ignore_connection` passes all of it on untouched."""

    client: ConnectionInfo
    client_hello: ClientHello
    ignore_connection: bool = False


@dataclass(slots=True)
class Http2StartData:
    """How a client began its HTTP/2 connection, up to the head of its first request."""

    client: ConnectionInfo
    start: ConnectionStart


class Engine(Protocol):
    """What an addon may ask of the running proxy."""

    async def find(self, expression: str) -> list[int]:
        """The ids of the stored flows that a filter selects, in order. Raises for a bad one."""

    async def flow(self, flow_id: int) -> Flow | None:
        """A stored flow with its bodies, None if there is none."""

    async def submit(self, request: Request, parent: Flow | None = None) -> Flow:
        """Send a request that no client sent; gives its flow once that is over.

        A failure is in the flow's `error`. `parent` is the flow that is sent once more. Raises
        ValueError for a request that cannot be sent: a tunnel, or one that is not whole.
        """


@dataclass(slots=True)
class CommandCall:
    """One call of an addon's command.

    `await progress({…})` tells who waits for it how far it is; it returns when they keep up.
    Requests that are submitted through this `engine` share connections, as those of a client do.
    """

    arguments: Mapping[str, object]
    engine: Engine
    progress: Callable[[Mapping[str, object]], Awaitable[None]]


Command = Callable[[CommandCall], Awaitable[Mapping[str, object]]]


@dataclass(slots=True)
class Loader:
    """What `load` gets: the settings given to addons, a way to declare one, and the engine.

    `engine` is None where none runs; it may be asked from `running` on.
    """

    settings: dict[str, object] = field(default_factory=dict)
    engine: Engine | None = None

    def add_option(self, name: str, typespec: object, default: object, help: str = "") -> None:  # noqa: A002  mitmproxy's name
        """Declare setting `name`; one given before keeps its value."""
        del typespec, help
        self.settings.setdefault(name, default)


class Addon:
    """Every hook, in the order in which one exchange meets them. Each may be async.

    Beside hooks an addon may have `exporters` (format name → function of a flow that gives text)
    and `annotations` (name → what it means), the values of which it puts into a connection's
    `annotations`; they become columns and filters. `commands` (name → async function of a
    CommandCall) are what others may ask it to do; what they give is the answer.
    """

    exporters: Mapping[str, Exporter] = {}
    annotations: Mapping[str, str] = {}
    commands: Mapping[str, Command] = {}

    def load(self, loader: Loader) -> Done:
        """The addon was loaded; declare settings here."""

    def running(self) -> Done:
        """The proxy accepts connections."""

    def done(self) -> Done:
        """The addon is unloaded, or the proxy stops."""

    def client_connected(self, client: ConnectionInfo) -> Done:
        """A client connected. Setting `client.error` closes the connection."""

    def client_disconnected(self, client: ConnectionInfo) -> Done:
        """A client's connection is closed."""

    def server_connect(self, data: ServerConnectData) -> Done:
        """A connection to a server is about to be made; `data.server.address` may be changed."""

    def server_connected(self, data: ServerConnectData) -> Done:
        """A connection to a server was made."""

    def server_connect_error(self, data: ServerConnectData) -> Done:
        """A connection to a server failed; `data.server.error` says why."""

    def server_disconnected(self, data: ServerConnectData) -> Done:
        """A connection to a server is closed."""

    def tls_clienthello(self, data: ClientHelloData) -> Done:
        """A client sent its ClientHello; nothing was answered yet."""

    def tls_established_server(self, data: ServerConnectData) -> Done:
        """The TLS handshake with a server is done; `data.server.tls` says what was agreed."""

    def http2_start(self, data: Http2StartData) -> Done:
        """The head of a client's first HTTP/2 request is here; comes once for each connection."""

    def http_connect(self, flow: Flow) -> Done:
        """A client asks for a tunnel. Setting `flow.response` refuses it."""

    def requestheaders(self, flow: Flow) -> Done:
        """The head of a request is here, the body not yet."""

    def request(self, flow: Flow) -> Done:
        """The whole request is here. Setting `flow.response` answers it without a server."""

    def responseheaders(self, flow: Flow) -> Done:
        """The head of a response is here, the body not yet."""

    def response(self, flow: Flow) -> Done:
        """The whole response is here and goes to the client next."""

    def websocket_start(self, flow: Flow) -> Done:
        """A connection became a WebSocket; `flow.websocket` is what it will be known by."""

    def websocket_message(self, flow: Flow) -> Done:
        """A text or binary message is here; it is `flow.websocket.messages[-1]`."""

    def websocket_end(self, flow: Flow) -> Done:
        """A WebSocket has ended; `flow.websocket.close_code` says how."""

    def error(self, flow: Flow) -> Done:
        """The flow failed; `flow.error` says why. Exactly one of response and error is called."""
