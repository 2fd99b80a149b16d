"""`rama demo`: a round shows every kind of exchange, the same every time, and leaves no trace."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from collections import Counter
from pathlib import Path

import pytest

from rama_proxy.config import Options
from rama_proxy.demo import assets
from rama_proxy.demo.answers import HOSTS, Asked, answer
from rama_proxy.demo.client import Client
from rama_proxy.demo.stage import Stage
from rama_proxy.demo.traffic import endless, first_round
from rama_proxy.model.flow import Flow
from rama_proxy.store.reader import Reader
from tests.support.shell import Shell, rama


@pytest.fixture(scope="module")
def round_of_flows(tmp_path_factory: pytest.TempPathFactory) -> list[Flow]:
    """What a headless demo stored."""
    store = tmp_path_factory.mktemp("demo") / "demo.db"
    temporary = tmp_path_factory.mktemp("temporary")
    run = rama("demo", "--headless", "-p", "0", "-w", store, TMPDIR=str(temporary))
    assert run.returncode == 0, run.stderr
    assert len(run.stderr.splitlines()) == 2, run.stderr
    assert len(run.stdout.splitlines()) == len(first_round())
    assert not list(temporary.glob("rama-demo-*"))
    with Reader(store) as reader:
        flows = [flow for number in reader.ids() if (flow := reader.flow(number))]
        for flow in flows:
            reader.load_bodies(flow)
        return flows


def find(flows: list[Flow], method: str, url: str) -> Flow:
    [flow] = [flow for flow in flows if flow.request.url == url and flow.request.method == method]
    return flow


def test_a_round_has_every_kind_of_exchange(round_of_flows: list[Flow]) -> None:
    flows = [flow for flow in round_of_flows if flow.response is not None and not flow.error]
    statuses = Counter(flow.response.status for flow in flows if flow.response)
    assert set(statuses) >= {200, 201, 204, 206, 301, 302, 304, 401, 403, 404, 422, 429, 500, 503}
    codings = {flow.response.headers.get("content-encoding") for flow in flows if flow.response}
    assert codings >= {None, "gzip", "br", "zstd"}
    kinds = {flow.response.media_type for flow in flows if flow.response}
    assert kinds >= {
        "text/html", "text/css", "text/javascript", "image/svg+xml", "image/png",
        "application/json", "application/problem+json", "application/atom+xml",
        "text/event-stream", "application/octet-stream",
    }  # fmt: skip
    assert {flow.kind for flow in round_of_flows} == {"http", "tcp", "tls"}
    assert {flow.request.method for flow in flows} >= {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
    }  # fmt: skip


def test_bodies_and_trailers_are_what_the_servers_sent(round_of_flows: list[Flow]) -> None:
    page = find(round_of_flows, "GET", "https://shop.demo.test/").response
    assert page is not None
    assert page.content == assets.shop_page().encode()
    download = [
        flow.response
        for flow in round_of_flows
        if flow.request.url == "http://files.demo.test/backup.bin" and flow.response
    ]
    assert {len(response.content) for response in download} == {4 * 1024 * 1024, 1000}
    journal = find(round_of_flows, "GET", "https://events.demo.test/journal").response
    assert journal is not None
    assert journal.trailers is not None
    assert journal.trailers.get("server-timing") == "total;dur=12.5"
    upload = find(round_of_flows, "POST", "http://files.demo.test/upload").request
    assert upload.content == b"first second third"
    hostile = find(round_of_flows, "GET", "https://api.demo.test/v1/hostile").response
    assert hostile is not None
    assert hostile.headers.get("x-override") == "invoice\u202efdp.exe"
    assert json.loads(hostile.content)["escape"].startswith("\x1b[31;5mred")


def test_what_goes_wrong_says_why(round_of_flows: list[Flow]) -> None:
    errors = [flow.error for flow in round_of_flows if flow.error]
    for words in (
        "cannot connect to closed.demo.test:8080: connection refused",
        "cannot resolve nonexistent.invalid",
        "the certificate of expired.demo.test expired",
        "the certificate of elsewhere.demo.test is for www.example.test",
        "the certificate of selfmade.demo.test is self-signed",
        "the client does not trust our certificate",
        "140000 of 200000 bytes missing",
        "the server closed the connection before its response",
    ):
        assert len([error for error in errors if words in error]) == 1, (words, errors)
    assert len(errors) == 8


def test_clients_differ_in_their_tls(round_of_flows: list[Flow]) -> None:
    seen = {
        flow.request.headers.get("user-agent"): flow.client.annotations.get("ja4")
        for flow in round_of_flows
        if flow.client.tls is not None and flow.kind == "http"
    }
    prints = list(seen.values())
    assert len(seen) == 4
    assert None not in prints
    assert len(set(prints)) == 4


def test_count_limits_the_requests(tmp_path: Path) -> None:
    run = rama("demo", "--headless", "--count", "5", "-p", "0", "-w", tmp_path / "s.db", "--json")

    assert run.returncode == 0, run.stderr
    paths = [json.loads(line)["path"] for line in run.stdout.splitlines()]
    assert sorted(paths) == [
        "/",
        "/static/app.css",
        "/static/app.js",
        "/static/logo.svg",
        "/stream",
    ]


def test_a_signal_ends_it(tmp_path: Path) -> None:
    with Shell("demo", "--headless", "-p", "0", "-w", tmp_path / "s.db") as shell:
        shell.prints(3)
        shell.signal(signal.SIGINT)
        assert shell.end(seconds=10) == 0


def test_without_a_terminal_it_is_headless(tmp_path: Path) -> None:
    run = rama("demo", "--count", "1", "-p", "0", "-w", tmp_path / "s.db")

    assert run.returncode == 0
    assert "/stream" in run.stdout
    refused = rama("demo", "--tui", "-p", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Error: --tui needs a terminal" in refused.stderr


def test_everything_is_the_same_every_time() -> None:
    script = endless()
    again = endless()
    some = [next(script) for _ in range(300)]

    assert some == [next(again) for _ in range(300)]
    assert [visit.url for _, visit in some[:60]] == [visit.url for visit in first_round()]
    assert assets.picture(3) == assets.picture.__wrapped__(3)


def test_the_list_goes_on_without_what_takes_long() -> None:
    script = endless()
    later = [next(script) for _ in range(400)][len(first_round()) :]

    assert not any(visit.aside for _, visit in later)
    assert all(0.2 <= pause <= 1.5 for pause, _ in later)


@pytest.mark.parametrize("host", HOSTS)
def test_every_route_answers(host: str) -> None:
    for prefix in HOSTS[host]:
        reply = answer(Asked("GET", prefix, {"host": host, "accept-encoding": "br"}, b""))
        assert reply.status in range(200, 600)
        assert reply.delay is not None
    assert answer(Asked("GET", "*", {"host": "nobody"}, b"")).status == 404


async def test_the_origin_shows_certificates_good_and_bad(tmp_path: Path) -> None:
    stage = Stage()
    options = Options(resolve=("own.test:80:127.0.0.1",))
    await stage.prepare(options)
    try:
        ports = {entry.split(":")[0]: int(entry.split(":")[3]) for entry in options.resolve[1:]
                 if ":443:" in entry}  # fmt: skip
        assert options.resolve[0] == "own.test:80:127.0.0.1"
        context = ssl.create_default_context(cafile=options.ssl_ca)
        assert await verified(context, "shop.demo.test", ports) == ""
        assert "expired" in await verified(context, "expired.demo.test", ports)
        assert "mismatch" in await verified(context, "elsewhere.demo.test", ports)
        assert "self-signed" in await verified(context, "selfmade.demo.test", ports)
    finally:
        await stage.close()


async def verified(context: ssl.SSLContext, host: str, ports: dict[str, int]) -> str:
    try:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", ports[host], ssl=context, server_hostname=host
        )
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    writer.close()
    await writer.wait_closed()
    return ""


def test_a_client_without_a_proxy_says_nothing(tmp_path: Path) -> None:
    client = Client(("127.0.0.1", 1), tmp_path / "none.pem")

    assert [client.send(visit) for visit in first_round()[:30]] == [0] * 30
    client.close()
