"""gRPC calls and event streams in the shell, in the store's columns, and in filters."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from rama_proxy.cli import main
from rama_proxy.cli.console import flow_json, flow_line
from rama_proxy.errors import ConfigError
from rama_proxy.filters import parse_filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.relay.body_messages import messages_of
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer
from tests.support.descriptors import SHOP
from tests.support.flows import make_flow
from tests.support.grpc_flows import call, events


def flows() -> list[Flow]:
    return [call(1), call(2, "5"), events(3), make_flow(9)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    for flow in flows():
        answer, flow.response = flow.response, None
        messages = messages_of(flow, writer, 1 << 20)
        flow.response = answer
        messages = messages or messages_of(flow, writer, 1 << 20)
        if messages is not None and flow.id != 9:
            messages.feed(True, bytes(flow.request.body))
            assert answer is not None
            messages.feed(False, bytes(answer.body))
            messages.end()
        writer.put_flow(flow)
    writer.close()
    return path


@pytest.fixture
def descriptors(tmp_path: Path) -> Path:
    file = tmp_path / "shop.pb"
    file.write_bytes(SHOP)
    return file


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def below(text: str, heading: str) -> list[str]:
    """The lines from `heading` on, times left out."""
    lines = text[text.index(heading) :].splitlines()
    return [line[16:] if line[15:17] in (" →", " ←") else line for line in lines]


def test_messages_of_a_call_are_printed_decoded(store: Path) -> None:
    text = run("show", "1", str(store))
    assert "grpc             0 OK" in text
    assert text.count("(its messages are shown below)") == 2
    assert below(text, "2 messages") == [
        "2 messages",
        "",
        "→ client message 4 B",
        '1: "i7"',
        "",
        "← server message 10 B",
        '1: "needle"',
        "4: 2",
    ]


def test_messages_of_a_call_are_printed_by_name(
    store: Path, descriptors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [
        "2 messages",
        "",
        "→ client message 4 B (shop.v1.GetItem)",
        'id: "i7"',
        "",
        "← server message 10 B (shop.v1.Item)",
        'name: "needle"',
        "kind: TOY  # 2",
    ]
    text = run("show", "1", str(store), "--protobuf-descriptors", str(descriptors))
    assert below(text, "2 messages") == expected
    monkeypatch.setenv("RAMA_PROTOBUF_DESCRIPTORS", str(descriptors))
    assert below(run("show", "1", str(store)), "2 messages") == expected


def test_how_a_call_failed_is_said(store: Path) -> None:
    text = run("show", "2", str(store))
    assert "grpc             5 NOT_FOUND: no such␛ thing!" in text
    assert "\x1b" not in text
    table = run("ls", str(store)).splitlines()
    assert " 200 " in table[1]
    assert "  g5 " in table[2]
    assert table[2].endswith("https://shop.test/shop.v1.Shop/Get (grpc 5 NOT_FOUND)")


def test_lines_of_a_capture_say_how_a_call_failed() -> None:
    assert " 200 " in flow_line(call(1), colour=False)
    line = flow_line(call(2, "5"), colour=False)
    assert " g5 " in line
    assert line.endswith("/shop.v1.Shop/Get (grpc 5 NOT_FOUND: no such␛ thing!)")
    assert "\x1b[31m g5" in flow_line(call(2, "5"), colour=True)
    statuses = [json.loads(flow_json(flow))["grpc_status"] for flow in flows()]
    assert statuses == [0, 5, None, None]


def test_calls_in_json(store: Path, descriptors: Path) -> None:
    options = ("--protobuf-descriptors", str(descriptors))
    entry = json.loads(run("show", "1", str(store), "--json", *options))
    assert entry["grpc"] == {"status": 0, "name": "OK", "message": None}
    message = entry["messages"][1]
    assert (message["type"], message["base64"]) == ("binary", "CgZuZWVkbGUgAg==")
    assert (message["message_type"], message["decoded"]) == (
        "shop.v1.Item",
        'name: "needle"\nkind: TOY  # 2',
    )
    entry = json.loads(run("show", "2", str(store), "--json"))
    assert entry["grpc"]["message"] == "no such\x1b thing!"
    assert entry["messages"][0]["message_type"] is None
    listed = [json.loads(line) for line in run("ls", str(store), "--json").splitlines()]
    assert [row["grpc_status"] for row in listed] == [0, 5, None, None]
    assert json.loads(run("show", "9", str(store), "--json"))["grpc"] is None


def test_events_are_printed(store: Path) -> None:
    text = run("show", "3", str(store))
    assert "\x1b" not in text
    assert below(text, "2 messages") == [
        "2 messages",
        "",
        "← server event 23 B",
        "event: up",
        "data: {",
        '  "a": 1',
        "}",
        "",
        "← server event 21 B",
        "id: 2",
        "data: ␛[2Jowned",
    ]
    message = json.loads(run("show", "3", str(store), "--json"))["messages"][0]
    assert message["text"] == 'event: up\ndata: {"a":1}'
    assert message["event"] == {"event": "up", "id": None, "data": '{"a":1}'}


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("~b needle", [1]),
        ("~bs needle", [1]),
        ("~bq needle", []),
        ("~bq i7", [1, 2]),
        ("~b 'event: up'", [3]),
        ("~b 'owned' & ~bs '2J'", [3]),
    ],
)
def test_filters_look_into_messages(store: Path, expression: str, ids: list[int]) -> None:
    wanted = parse_filter(expression)
    assert [flow.id for flow in flows() if wanted.matches(flow)] == ids
    with Reader(store) as reader:
        assert list(reader.ids(wanted.where())) == ids


def test_a_body_without_rows_is_shown_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    writer.put_flow(call(1))
    writer.close()
    text = run("show", "1", str(path))
    assert "# message 1, 10 B, gzip from" in text
    assert '\n1: "needle"\n' in text
    assert "below" not in text


def test_the_status_is_a_column_for_grpc_only(store: Path) -> None:
    connection = sqlite3.connect(store)
    rows = connection.execute("SELECT id, status, grpc_status FROM flows ORDER BY id").fetchall()
    connection.close()
    assert rows[:3] == [(1, 200, 0), (2, 200, 5), (3, 200, None)]
    with Reader(store) as reader:
        assert [row.grpc_status for row in reader.page([2, 1, 3])] == [5, 0, None]
        assert next(reader.iter_flows()).grpc_status == 0
        flow = reader.flow(2)
    assert flow is not None
    assert flow.response is not None
    assert flow.response.trailers == Headers(
        [("grpc-status", "5"), ("grpc-message", "no such\x1b thing%21")]
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"syntax = 'proto3';", "it is .proto source"),
        (b"\xff\xff", "it is no descriptor set, or a damaged one"),
        (None, "No such file or directory"),
    ],
)
@pytest.mark.parametrize("command", ["show", "tui", "capture"])
def test_a_bad_descriptor_set_is_refused(
    command: str,
    content: bytes | None,
    reason: str,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "bad.pb"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr("rama_proxy.cli.tui.has_terminal", lambda: True)
    words = {"show": ["show", "1", str(store)], "tui": ["tui"], "capture": ["capture", "-p", "0"]}
    result = CliRunner().invoke(main, [*words[command], "--protobuf-descriptors", str(file)])
    assert isinstance(result.exception, ConfigError) or result.exit_code == ConfigError.exit_code
    said = f"{result.output}{result.exception}"
    assert str(file) in said
    assert reason in said
