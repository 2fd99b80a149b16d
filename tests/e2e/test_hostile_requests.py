"""Every request of the corpus through the real proxy to a strict reader: nothing malformed arrives,
and what arrives is what is stored."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from rama_proxy.model.flow import Flow
from tests.support.abuse import until
from tests.support.engine import Engine
from tests.support.hostile_requests import EVERYWHERE, TO_PROXIES, TO_SERVERS, Attack, to_server
from tests.support.recorder import Message, Recorder, Seen, llhttp_requests

REGULAR = EVERYWHERE + TO_PROXIES
REVERSE = [(answers, to_server(data)) for answers, data in EVERYWHERE] + TO_SERVERS
ANSWER = re.compile(
    rb"HTTP/1\.1 ([0-9]{3}) [^\n]*\r\n(?:[^\r\n]+\r\n)*?Content-Length: ([0-9]+)\r\n\r\n"
)


@dataclass(slots=True)
class Outcome:
    """What came of one attack."""

    answers: tuple[int, ...] = ()
    port: int = 0  # of the client
    flows: list[Flow] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


def statuses(data: bytes) -> tuple[int, ...]:
    """The statuses of the complete responses in `data`, which must be nothing but responses."""
    found = []
    while data:
        head = ANSWER.match(data)
        end = head.end() + int(head[2]) if head else 0
        if head is None or end > len(data):
            break
        found.append(int(head[1]))
        data = data[end:]
    assert not data or data.startswith(b"HTTP/1.1 "), data
    return tuple(found)


async def attack(proxy: int, attack: Attack, turn: asyncio.Semaphore) -> Outcome:
    """Send one attack; read until no more answers can come."""
    expected, data = attack
    outcome = Outcome()
    async with turn:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
        outcome.port = writer.get_extra_info("sockname")[1]
        writer.write(data)
        received = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5 if expected else 0.2) as limit:
                while part := await reader.read(65536):
                    received += part
                    if len(statuses(received)) >= len(expected):  # and then no other
                        limit.reschedule(asyncio.get_running_loop().time() + 0.1)
        if not expected:
            writer.close()
        outcome.answers = statuses(received)
        writer.transport.abort()
    return outcome


async def attack_all(area: Path, mode: str, corpus: list[Attack]) -> dict[bytes, Outcome]:
    """The outcomes of all attacks on one engine."""
    async with Recorder() as recorder:
        place = f"127.0.0.1:{recorder.port}"
        options = {
            "regular": ("--resolve", f"a.test:80:{place}"),
            "reverse": ("--mode", f"reverse:http://{place}", "--keep-host"),
        }
        with Engine(area, *options[mode]) as engine:
            turn = asyncio.Semaphore(16)
            found = await asyncio.gather(*(attack(engine.port, one, turn) for one in corpus))
            count = sum(len(answers) or 1 for answers, _ in corpus)
            query = "select count(*) from flows where state in ('done', 'error')"
            await until(lambda: engine.query(query)[0][0] >= count, f"{count} flows")
            flows = engine.flows_where("true")
        by_port = {outcome.port: outcome for outcome in found}
        for flow in flows:
            assert flow.client.peer is not None
            outcome = by_port[flow.client.peer[1]]
            outcome.flows.append(flow)
            if flow.server is not None and flow.server.local is not None:
                seen = recorder.seen[flow.server.local[1]]
                if seen not in outcome.seen:
                    outcome.seen.append(seen)
        claimed = [seen for outcome in found for seen in outcome.seen]
        assert [seen for seen in recorder.seen.values() if seen not in claimed] == []
    return {data: outcome for (_, data), outcome in zip(corpus, found, strict=True)}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[bytes, Outcome]]:
    """What came of all attacks, by mode."""
    return {
        mode: uvloop.run(attack_all(tmp_path_factory.mktemp(mode), mode, corpus))
        for mode, corpus in (("regular", REGULAR), ("reverse", REVERSE))
    }


def shown(value: object) -> str:
    """A short name for a test."""
    text = value[:1200].decode("latin-1") if isinstance(value, bytes) else str(value)
    text = re.sub(r"(http://)?a\.test|HTTP/1\.1|Host: |Transfer-Encoding", "", text)
    return re.sub(r"[^!-~]|\[|\]|::", "?", text)[:60]


CASES = [
    pytest.param(mode, answers, data, id=f"{mode}-{number}-{shown(data)}")
    for mode, corpus in (("regular", REGULAR), ("reverse", REVERSE))
    for number, (answers, data) in enumerate(corpus)
]


@pytest.mark.parametrize(("mode", "answers", "data"), CASES)
def test_nothing_malformed_is_passed_on(
    outcomes: dict[str, dict[bytes, Outcome]], mode: str, answers: tuple[int, ...], data: bytes
) -> None:
    outcome = outcomes[mode][data]
    assert outcome.answers == answers
    received = b"".join(bytes(seen.received) for seen in outcome.seen)
    wanted = to_server(data.removeprefix(b"\r\n"))
    if set(answers) == {200}:
        assert received == wanted
    else:  # of a request that is refused in its body, the part before may have been sent
        assert wanted.startswith(received)
    requests = [request for seen in outcome.seen for request in seen.requests]
    assert len(requests) == answers.count(200)
    for seen in outcome.seen:
        assert seen.refused == ""
        assert llhttp_requests(bytes(seen.received)) == seen.requests
    check_stored(outcome.flows, answers, data, requests)


def check_stored(
    flows: list[Flow], answers: tuple[int, ...], data: bytes, requests: list[Message]
) -> None:
    """A row for each answer: of what the server got, or of what was refused and why."""
    assert len(flows) == max(1, len(answers))
    for flow, status in zip(flows, answers or (0,), strict=True):
        assert flow.request.raw in data
        assert (flow.response.status if flow.response else 0) in (status, 0)
        if status == 200:
            assert (flow.state, flow.error) == ("done", "")
            assert flow.response is not None
            method, target, body = requests.pop(0)
            assert flow.request.method.encode() == method
            assert flow.request.path.encode() == target
            assert bytes(flow.request.body) == body
        else:
            assert flow.state == "error"
            assert flow.error
            assert flow.response is None or flow.error.encode() in bytes(flow.response.body)
            assert flow.response is not None or flow.kind == "tcp" or not answers


def test_the_corpus_is_large() -> None:
    assert len(REGULAR) >= 120
    assert len({data for _, data in REGULAR}) == len(REGULAR)
    assert len({data for _, data in REVERSE}) == len(REVERSE)
