"""grpcio through the proxy in reverse mode: the results of a direct channel, and rows of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from rama_proxy.model.flow import Flow
from tests.support.between import Between
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.grpc_calls import CALLS, LARGE
from tests.support.grpc_peers import GrpcClient, GrpcServer
from tests.support.grpc_service import SERVICE
from tests.support.peers import wait_for

WAYS = ("direct", "proxied")
EXPECTED: dict[str, dict[str, Any]] = {
    "unary": {
        "messages": ["HELLO"],
        "status": "OK",
        "head": [["x-a", "b"], ["x-a", "c"], ["x-bytes-bin", "\x00\x01\xff"]],
        "trailers": [["x-sum", "5"], ["x-raw-bin", "\x00\xff"]],
    },
    "large": {"messages": [f"{LARGE} of AAAAA"], "status": "OK", "details": ""},
    "empty": {"messages": [""], "status": "OK", "details": ""},
    "compressed": {"messages": ["5000 of AAAAA"], "status": "OK", "details": ""},
    "server_streaming": {
        "messages": [f"message {number}" for number in range(20)],
        "status": "OK",
        "details": "",
    },
    "client_streaming": {"messages": ["10 225000"], "status": "OK", "details": ""},
    "lockstep": {
        "messages": [f"question {number}" for number in range(20)],
        "status": "OK",
        "details": "",
    },
    "failing": {
        "messages": [],
        "status": "FAILED_PRECONDITION",
        "details": "Grüße: 100% of it\nfailed",
        "trailers": [["x-detail-bin", "\x01\x02"]],
    },
    "failing_late": {
        "messages": ["message 0", "message 1", "message 2"],
        "status": "DATA_LOSS",
        "details": "after the last",
        "trailers": [],
    },
    "unknown": {
        "messages": [],
        "status": "UNIMPLEMENTED",
        "details": "Method not found!",
        "trailers": [],
    },
    "deadline": {
        "messages": [],
        "status": "DEADLINE_EXCEEDED",
        "trailers": [],
        "cancelled": "yes",
    },
    "cancel": {"messages": ["first"], "status": "CANCELLED", "cancelled": "yes"},
    "many": {
        "messages": [f"CALL {number}" for number in range(50)],
        "status": "OK",
        "details": "",
    },
}


class Channels:
    """By scheme and way: a client, and the engine that it goes through."""

    def __init__(self, between: Between, servers: dict[str, GrpcServer]) -> None:
        self._between, self._servers = between, servers
        self._clients: dict[tuple[str, str], GrpcClient] = {}
        self._closing = contextlib.ExitStack()

    def engine(self, scheme: str) -> Engine:
        """The engine that "stored" goes through: what is in its store is of the test before."""
        return self._between.reverse(self._servers[scheme].url, "--body-limit", "1M")[0]

    def client(self, scheme: str, way: str) -> GrpcClient:
        """The client, started when first asked for."""
        if (scheme, way) not in self._clients:
            url = self._servers[scheme].url
            route = self._between.direct(url)
            if way == "proxied":
                _, route = self._between.reverse(url)
            if way == "stored":
                _, route = self._between.reverse(url, "--body-limit", "1M")
            target = route.url.partition("://")[2]
            trust = route.trust if route.secure else ""
            client = GrpcClient(target, trust)
            self._clients[scheme, way] = self._closing.enter_context(client)
        return self._clients[scheme, way]

    def close(self) -> None:
        """End every client."""
        self._closing.close()


@pytest.fixture(scope="module")
def channels(
    between: Between, ca: TestAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Channels]:
    """Clients to a server without TLS and to one with it."""
    pem = tmp_path_factory.mktemp("grpc") / "leaf.pem"
    pem.write_bytes(ca.leaf("localhost", "127.0.0.1"))
    with (
        GrpcServer() as plain,
        GrpcServer(pem) as secure,
        contextlib.closing(Channels(between, {"http": plain, "https": secure})) as channels,
    ):
        yield channels


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", WAYS)
def test_results_are_the_same(channels: Channels, scheme: str, way: str, name: str) -> None:
    assert channels.client(scheme, way).call(name) == EXPECTED[name]


def rows_of(engine: Engine, method: str, before: int) -> list[Flow]:
    """The finished flows of a method that are newer than `before`, once there is one."""
    mine = f"path = '/{SERVICE}/{method}' and id > {before} and state in ('done', 'error')"
    wait_for(lambda: engine.query(f"select 1 from flows where {mine}"), f"a row of {method}")
    return engine.flows_where(mine)


def last_id(engine: Engine) -> int:
    """The newest flow's id."""
    return int(engine.query("select coalesce(max(id), 0) from flows")[0][0])


@pytest.mark.parametrize(
    ("name", "method", "status", "message"),
    [
        ("unary", "Upper", "0", None),
        ("failing", "Fail", "9", "Gr%C3%BC%C3%9Fe: 100%25 of it%0Afailed"),
        ("failing_late", "CountAndFail", "15", "after the last"),
        ("server_streaming", "Count", "0", None),
    ],
)
def test_a_row_has_the_status(
    channels: Channels, name: str, method: str, status: str, message: str | None
) -> None:
    engine = channels.engine("https")
    before = last_id(engine)
    channels.client("https", "stored").call(name)
    (flow,) = rows_of(engine, method, before)
    assert (flow.request.method, flow.request.version) == ("POST", "HTTP/2")
    assert flow.request.headers.get("content-type") == "application/grpc"
    assert flow.request.headers.get("te") == "trailers"
    assert flow.response is not None
    assert (flow.response.status, flow.state) == (200, "done")
    assert (flow.response.trailers is None) is (name == "failing")  # it has them in its head
    ending = flow.response.trailers or flow.response.headers
    assert ending.get("grpc-status") == status
    assert ending.get("grpc-message") in (message, "" if message is None else 0)


def test_a_response_of_trailers_alone_has_them_in_its_head(channels: Channels) -> None:
    engine = channels.engine("http")
    before = last_id(engine)
    channels.client("http", "stored").call("unknown")
    (flow,) = rows_of(engine, "Unheard", before)
    assert flow.response is not None
    assert flow.response.headers.get("grpc-status") == "12"
    assert flow.response.body.size == 0


def test_a_call_that_was_given_up_is_a_row_that_says_so(channels: Channels) -> None:
    engine = channels.engine("http")
    before = last_id(engine)
    channels.client("http", "stored").call("deadline")
    (flow,) = rows_of(engine, "Wait", before)
    assert flow.state == "error"
    assert flow.error


@pytest.mark.parametrize(
    ("name", "method", "asked", "answered"),
    [
        ("unary", "Upper", [b"hello"], [b"HELLO"]),
        ("compressed", "Upper", [b"a" * 5000], [b"A" * 5000]),
        ("server_streaming", "Count", [b"20"], [b"message %d" % n for n in range(20)]),
        (
            "lockstep",
            "Echo",
            [b"question %d" % number for number in range(20)],
            [b"question %d" % number for number in range(20)],
        ),
    ],
)
def test_every_message_is_a_row(
    channels: Channels, name: str, method: str, asked: list[bytes], answered: list[bytes]
) -> None:
    engine = channels.engine("https")
    before = last_id(engine)
    channels.client("https", "stored").call(name)
    (flow,) = rows_of(engine, method, before)
    rows = engine.query(
        f"select from_client, data, size from messages where flow_id = {flow.id} order by seq"
    )
    assert [data for from_client, data, _ in rows if from_client] == asked
    assert [data for from_client, data, _ in rows if not from_client] == answered
    if name == "lockstep":  # in the order in which they went by
        assert [from_client for from_client, _, _ in rows] == [1, 0] * 20
