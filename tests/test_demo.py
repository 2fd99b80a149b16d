"""`rama demo`: a round shows every kind of exchange, the same every time, and leaves no trace."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from rama_proxy.config import Options
from rama_proxy.demo import assets, ticker
from rama_proxy.demo.answers import HOSTS, answer
from rama_proxy.demo.client import Client
from rama_proxy.demo.messages import Asked
from rama_proxy.demo.stage import Stage
from rama_proxy.demo.traffic import endless, first_round
from rama_proxy.filters import parse_filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import BINARY, CLOSE, PING, PONG, TEXT
from rama_proxy.protocols.websocket import parse_close, serialize_frame
from rama_proxy.store.messages import MessageRow
from rama_proxy.store.reader import Reader
from tests.support.http2_ends import http2_client
from tests.support.shell import Shell, rama


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a headless demo."""
    store = tmp_path_factory.mktemp("demo") / "demo.db"
    temporary = tmp_path_factory.mktemp("temporary")
    run = rama("demo", "--headless", "-p", "0", "-w", store, TMPDIR=str(temporary))
    assert run.returncode == 0, run.stderr
    assert len(run.stderr.splitlines()) == 2, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == sum(len(visit.urls) for visit in first_round())
    assert [line[9:20] for line in lines if line.endswith("/ticker")] == ["WS      101"]
    assert not list(temporary.glob("rama-demo-*"))
    return store


@pytest.fixture(scope="module")
def round_of_flows(recorded: Path) -> list[Flow]:
    """What a headless demo stored."""
    with Reader(recorded) as reader:
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
    assert {flow.kind for flow in round_of_flows} == {"http", "tcp", "tls", "websocket"}
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
    assert len(seen) == 5
    assert None not in prints
    assert len(set(prints)) == 5


def messages_of(store: Path, flow: Flow) -> list[MessageRow]:
    with Reader(store) as reader:
        return reader.messages(flow.id)


def test_a_websocket_says_all_there_is(recorded: Path, round_of_flows: list[Flow]) -> None:
    flow = find(round_of_flows, "GET", "https://shop.demo.test/ticker")
    assert (flow.kind, flow.state, flow.request.http_version) == ("websocket", "done", "HTTP/1.1")
    assert flow.response is not None
    assert flow.response.status == 101
    said = messages_of(recorded, flow)
    assert [(row.opcode, not row.from_client, row.data) for row in said] == [
        (line.opcode, line.by_server, line.payload) for line in ticker.CONVERSATION
    ]
    kinds = Counter(row.opcode for row in said)
    assert kinds == {TEXT: 13, BINARY: 1, PING: 1, PONG: 1, CLOSE: 2}
    assert {row.from_client for row in said if row.opcode == TEXT} == {True, False}
    assert all("type" in json.loads(row.data) for row in said if row.opcode == TEXT)
    assert parse_close(said[-1].data) == (1000, "the page was left")
    assert 0.5 < said[-1].at - said[0].at < 3


def test_events_come_one_by_one(recorded: Path, round_of_flows: list[Flow]) -> None:
    flow = find(round_of_flows, "GET", "https://events.demo.test/stream")
    assert (flow.state, flow.request.http_version) == ("done", "HTTP/2")
    events = messages_of(recorded, flow)
    assert [json.loads(row.data.partition(b"data: ")[2])["id"] for row in events] == [*range(1, 9)]
    assert 1 < events[-1].at - events[0].at < 5
    assert all(later.at - row.at > 0.1 for row, later in pairwise(events))


def test_browsers_speak_http2_and_ask_for_pictures_at_once(round_of_flows: list[Flow]) -> None:
    browser = [
        flow
        for flow in round_of_flows
        if "Mozilla" in (flow.request.headers.get("user-agent") or "") and flow.kind == "http"
    ]
    assert {(flow.request.scheme, flow.request.http_version) for flow in browser} == {
        ("http", "HTTP/1.1"), ("https", "HTTP/2"),
    }  # fmt: skip
    pictures = [flow for flow in browser if flow.request.url.startswith("https://shop.demo.test/i")]
    assert len(pictures) == 8
    assert len({flow.client.id for flow in pictures}) == 1
    ends = [flow.timing.end for flow in pictures if flow.timing.end is not None]
    assert max(flow.timing.begin for flow in pictures) < min(ends)
    assert pictures[0].client.annotations["h2fp_text"] == (
        "2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
    )
    names = [name for name, _ in pictures[0].request.headers.items()]
    assert names == ["sec-ch-ua", "user-agent", "accept", "accept-encoding", "accept-language"]


def test_calls_end_well_and_with_not_found(recorded: Path, round_of_flows: list[Flow]) -> None:
    with Reader(recorded) as reader:
        rows = reader.page(reader.ids(parse_filter("~d rpc").where()))
    assert [(row.method, row.path, row.version, row.status, row.grpc_status) for row in rows] == [
        ("POST", "/shop.v1.Stock/Get", "HTTP/2", 200, 0),
        ("POST", "/shop.v1.Stock/Watch", "HTTP/2", 200, 0),
        ("POST", "/shop.v1.Stock/Get", "HTTP/2", 200, 5),
    ]
    got, watched, failed = (flow for flow in round_of_flows if "rpc" in flow.request.host)
    asked, item = messages_of(recorded, got)
    assert (asked.from_client, asked.data) == (True, b"\x0a\x017")
    assert item.data.startswith(b"\x08\x07\x12\x0aSilver Mug\x1a\x08\x08\x94\x0a\x12\x03EUR")
    stock = [row.data for row in messages_of(recorded, watched) if not row.from_client]
    assert stock[:2] == [b"\x08\x07\x10\x2c\x18\x00", b"\x08\x07\x10\x2b\x18\x94\x0a"]
    assert len(stock) == 5
    assert [row.from_client for row in messages_of(recorded, failed)] == [True]
    assert failed.response is not None
    assert failed.response.trailers is not None
    assert failed.response.trailers.get("grpc-message") == (
        "there is no product %E2%80%9C999%E2%80%9D"
    )


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


def test_count_limits_what_is_asked_at_once(tmp_path: Path) -> None:
    run = rama("demo", "--headless", "--count", "8", "-p", "0", "-w", tmp_path / "s.db", "--json")

    assert run.returncode == 0, run.stderr
    paths = {json.loads(line)["path"] for line in run.stdout.splitlines()}
    assert len(paths) == 8
    assert paths >= {"/img/1.png", "/img/2.png", "/img/3.png"}


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
    assert [visit for _, visit in some[: len(first_round())]] == first_round()
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


async def test_the_origin_does_the_same_over_http2(tmp_path: Path) -> None:
    stage = Stage()
    options = Options()
    await stage.prepare(options)
    try:
        context = ssl.create_default_context(cafile=options.ssl_ca)
        context.set_alpn_protocols(["h2"])
        port = next(
            int(one.split(":")[3]) for one in options.resolve if "files.demo.test:443" in one
        )
        opened = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="files.demo.test"
        )
        async with http2_client(*opened) as client:
            whole = await client.ask(files("/backup.bin"))
            assert (whole.status, len(whole.body)) == (b"200", 4 * 1024 * 1024)
            head = await client.ask(files("/backup.bin", "HEAD"))
            assert (head.status, bytes(head.body), head.reset) == (b"200", b"", None)
            cut = await client.ask(files("/cut.bin"))
            assert (len(cut.body), cut.reset) == (60_000, 2)
            gone = await client.ask(files("/reset"))
            assert (gone.status, gone.reset) == (b"", 2)
            upload = await client.ask(files("/upload", "POST"), b"x" * 9_000)
            assert (upload.status, bytes(upload.body)) == (b"201", b'{"bytes": 9000}')
    finally:
        await stage.close()


def files(path: str, method: str = "GET") -> list[tuple[bytes, bytes]]:
    return [
        (b":method", method.encode()),
        (b":authority", b"files.demo.test"),
        (b":scheme", b"https"),
        (b":path", path.encode()),
    ]


def test_what_is_said_out_of_turn_counts_for_nothing() -> None:
    server = ticker.Talk(is_server=True)
    assert server.due() is None  # the client begins
    line = serialize_frame(TEXT, b"{}", mask=b"mask")
    server.hear(line + line)
    assert [server.due() is not None for _ in range(5)] == [True, True, True, True, False]


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
