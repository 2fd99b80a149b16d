"""Every answer of the corpus through the real proxy: the client gets all of a good response, a 502
or a part that shows that it is one, and what comes behind reaches nobody."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import h11
import pytest
import uvloop

from rama_proxy.model.flow import Flow
from tests.support.abuse import until, vanish
from tests.support.engine import Engine
from tests.support.hostile_responses import ANSWERS, CLOSE, RESET, Answer

MINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"


@dataclass(slots=True)
class Outcome:
    """What a client got: first for the hostile path, then for its own on the same connection."""

    first: list[object] = field(default_factory=list)  # events of h11, its refusal as str
    ended: str = ""  # open, closed, reset
    second: bytes = b""
    flows: list[Flow] = field(default_factory=list)


class Origin:
    """Gives ANSWERS[N] for /N, and MINE for /mine."""

    def __init__(self) -> None:
        self.go_on = [asyncio.Event() for _ in ANSWERS]  # the client has something

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                name = head.split(b" ")[1].removeprefix(b"/").decode()
                if name == "mine":
                    writer.write(MINE)
                elif not await self._answer(int(name), writer):
                    break
        writer.close()

    async def _answer(self, number: int, writer: asyncio.StreamWriter) -> bool:
        for index, part in enumerate(ANSWERS[number].parts):
            if index and ANSWERS[number].verdict != "bad":
                await self.go_on[number].wait()
            if part == RESET:
                vanish(writer)
            if part in (CLOSE, RESET):
                return False
            writer.write(part)
            await writer.drain()
        return True


def request(port: int, path: str, fields: str = "") -> bytes:
    """A GET for the origin."""
    host = f"127.0.0.1:{port}"
    return f"GET http://{host}/{path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


async def visit(engine: Engine, origin: Origin, port: int, number: int) -> Outcome:
    """Ask for /N, and, if the connection lasts, for /mine."""
    outcome = Outcome()
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    writer.write(request(port, str(number)))
    judge = h11.Connection(h11.CLIENT)
    judge.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    judge.send(h11.EndOfMessage())
    async with asyncio.timeout(10):
        outcome.ended = await read_first(reader, judge, outcome, origin.go_on[number])
        if outcome.ended == "open":
            writer.write(request(port, "mine", "Connection: close\r\n"))
            with contextlib.suppress(ConnectionError):
                outcome.second = judge.trailing_data[0] + await reader.read()
    writer.transport.abort()
    return outcome


async def read_first(
    reader: asyncio.StreamReader, judge: h11.Connection, outcome: Outcome, go_on: asyncio.Event
) -> str:
    """Read until h11 has a whole response, or the connection ends; gives how it stands then."""
    while True:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            return "reset"
        go_on.set()
        judge.receive_data(data)
        try:
            while (event := judge.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                outcome.first.append(event)
                if isinstance(event, h11.EndOfMessage):
                    kept = judge.their_state is h11.DONE
                    return "open" if kept and await stays_open(reader) else "closed"
        except h11.RemoteProtocolError as error:
            outcome.first.append(str(error))
            return "closed"
        if not data:
            return "closed"


async def stays_open(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes behind a response, not even an end."""
    try:
        async with asyncio.timeout(0.05):
            return bool(await reader.read(1))
    except TimeoutError:
        return True
    except ConnectionError:
        return False


async def visit_all(area: Path) -> list[Outcome]:
    """The outcomes of all answers on one engine."""
    origin = Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with Engine(area) as engine:
        numbers = range(len(ANSWERS))
        outcomes = await asyncio.gather(*(visit(engine, origin, port, n) for n in numbers))
        count = len(outcomes) + sum(outcome.second != b"" for outcome in outcomes)
        query = "select count(*) from flows where state in ('done', 'error')"
        await until(lambda: engine.query(query)[0][0] >= count, f"{count} flows")
        for flow in engine.flows_where("path != '/mine'"):
            outcomes[int(flow.request.path.removeprefix("/"))].flows.append(flow)
    server.close()
    return outcomes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """What came of all answers."""
    return uvloop.run(visit_all(tmp_path_factory.mktemp("responses")))


def shown(answer: Answer) -> str:
    """A short name for a test."""
    text = b" + ".join(answer.parts)[:400].decode("latin-1")
    return f"{answer.verdict}-" + re.sub(r"[^!-~]+|\[|\]|::", "_", text)[:60]


@pytest.mark.parametrize("number", range(len(ANSWERS)), ids=[shown(answer) for answer in ANSWERS])
def test_what_a_client_gets(outcomes: list[Outcome], number: int) -> None:
    outcome, verdict = outcomes[number], ANSWERS[number].verdict
    final = [event for event in outcome.first if isinstance(event, h11.Response)]
    body = b"".join(bytes(event.data) for event in outcome.first if isinstance(event, h11.Data))
    (flow,) = outcome.flows
    assert b"evil" not in outcome.second
    if outcome.ended == "open":
        assert outcome.second == MINE
    if verdict == "bad":
        assert [event.status_code for event in final] == [502]
        assert flow.error
        assert flow.error.encode() in body
    elif verdict == "cut":
        assert outcome.ended == "reset"
        assert not any(isinstance(event, h11.EndOfMessage) for event in outcome.first)
        assert flow.error
        assert flow.response is not None
        assert not flow.response.body.complete
    else:
        assert isinstance(outcome.first[-1], h11.EndOfMessage)
        assert body in (b"hello", b"")
        assert flow.error == ""
        assert flow.response is not None
        assert (flow.response.status, bytes(flow.response.body)) == (final[0].status_code, body)
