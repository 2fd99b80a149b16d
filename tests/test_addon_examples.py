"""The example scripts: each is loaded as a user's would be, and does what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rama_proxy.addon import ServerConnectData
from rama_proxy.addon_files import load_script
from rama_proxy.hooks import HOOK_NAMES, Hooks
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request, Response
from tests.support.play import Play

EXAMPLES = Path(__file__).parent.parent / "addons/examples"
TESTED = {"add_header", "answer", "block_hosts", "log_json", "redirect_host"}


def hooks_of(name: str) -> tuple[Hooks, list[tuple[str, str, str]]]:
    """The hooks of an example, and what is reported about them."""
    problems: list[tuple[str, str, str]] = []
    module = load_script(EXAMPLES / f"{name}.py")
    return Hooks([module], lambda *problem: problems.append(problem)), problems


def flow_to(url: str, response: Response | None = None) -> Flow:
    flow = Flow(ConnectionInfo("client"), Request.make("GET", url))
    flow.response = response
    return flow


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == TESTED


@pytest.mark.parametrize("name", sorted(TESTED))
def test_every_example_explains_itself_and_has_a_hook(name: str) -> None:
    module = load_script(EXAMPLES / f"{name}.py")
    assert module.__doc__
    assert any(getattr(Hooks([module]), hook) for hook in HOOK_NAMES)


async def test_add_header(tmp_path: Path) -> None:
    play = Play(tmp_path, addons=[load_script(EXAMPLES / "add_header.py")])
    (flow,) = await (
        play.client(b"GET http://a.test/ HTTP/1.1\r\nhost: a.test\r\nx-a: 1\r\n\r\n")
        .server(
            b"GET / HTTP/1.1\r\nhost: a.test\r\nx-a: 1\r\nX-Debug-Session: rama\r\n\r\n",
            reply=b"HTTP/1.1 204 No Content\r\nA: b\r\nstrict-transport-security: x\r\n\r\n",
        )
        .client_gets(b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n")
    )
    assert flow.state == "done"
    assert play.reports == []


@pytest.mark.parametrize(
    ("path", "status", "value"),
    [
        ("/api/me", 200, {"name": "Ada", "admin": False}),
        ("/api/login?next=/", 503, {"error": "try again later"}),
        ("/api/other", None, None),
    ],
)
async def test_answer(path: str, status: int | None, value: object) -> None:
    hooks, problems = hooks_of("answer")
    flow = flow_to(f"http://a.test{path}")
    await hooks.run(hooks.requestheaders, flow)
    assert problems == []
    if status is None:
        assert flow.response is None
        return
    assert flow.response is not None
    assert flow.response.status == status
    assert json.loads(flow.response.content) == value
    assert flow.response.headers["Content-Type"] == "application/json"


async def test_answer_asks_no_server(tmp_path: Path) -> None:
    play = Play(tmp_path, addons=[load_script(EXAMPLES / "answer.py")])
    (flow,) = await play.client(
        b"GET http://no.test/api/me HTTP/1.1\r\nHost: no.test\r\n\r\n"
    ).client_gets(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n"
        b'{"name": "Ada", "admin": false}'
    )
    assert (flow.state, flow.server) == ("done", None)


@pytest.mark.parametrize(
    ("host", "blocked"),
    [
        ("stats.Google-Analytics.com", True),
        ("telemetry.example", True),
        ("google-analytics.com", False),
        ("example.org", False),
    ],
)
@pytest.mark.parametrize("hook", ["requestheaders", "http_connect"])
async def test_block_hosts(hook: str, host: str, blocked: bool) -> None:
    hooks, problems = hooks_of("block_hosts")
    flow = flow_to(f"http://{host}/")
    await hooks.run(getattr(hooks, hook), flow)
    assert problems == []
    assert (flow.response is not None) is blocked
    assert flow.tags == ({"blocked"} if blocked else set())
    if flow.response is not None:
        assert flow.response.status == 403
        assert host.lower() in flow.response.text


async def test_log_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hooks, problems = hooks_of("log_json")
    answers = [
        ('{"é": [1, null]}', {"Content-Type": "application/json"}),
        ("<html>", {"Content-Type": "text/html"}),
        ("{broken", {"Content-Type": "application/problem+json"}),
    ]
    wanted = []
    for content, headers in answers:
        flow = flow_to("http://a.test/x?y=1", Response.make(200, content, headers))
        wanted.append(hooks.wants_body(hooks.response, flow))
        await hooks.run(hooks.response, flow)
    assert problems == []
    assert wanted == [True, False, True]
    written = (tmp_path / "responses.jsonl").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in written]
    assert lines[0] == {"url": "http://a.test/x?y=1", "status": 200, "value": {"é": [1, None]}}
    assert len(lines) == 2
    assert "unreadable" in lines[1]["value"]


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        (("api.example.com", 443), ("127.0.0.1", 8443)),
        (("api.example.com", 80), ("127.0.0.1", 8000)),
        (("api.example.com", 8080), ("api.example.com", 8080)),
        (("example.com", 443), ("example.com", 443)),
    ],
)
async def test_redirect_host(address: tuple[str, int], reached: tuple[str, int]) -> None:
    hooks, problems = hooks_of("redirect_host")
    data = ServerConnectData(ConnectionInfo("server", address=address), ConnectionInfo("client"))
    await hooks.run(hooks.server_connect, data)
    assert data.server.address == reached
    assert problems == []
