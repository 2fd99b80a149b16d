"""Messages of a WebSocket in the shell, and in filters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rama_proxy.cli import main
from rama_proxy.filters import parse_filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import (
    BINARY,
    CLOSE,
    EDITED,
    PING,
    TEXT,
    TRUNCATED,
    WebSocketData,
    WebSocketMessage,
)
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer
from tests.support.flows import make_flow

AT = 1_790_000_000.25
SENT: list[tuple[bool, int, bytes, int, int]] = [
    (True, TEXT, b'{"token": "secret"}', 19, 0),
    (False, PING, b"", 0, 0),
    (False, TEXT, b"\x1b[2Jowned\nsecond line", 19, EDITED),
    (False, BINARY, b"\x00\x01needle", 5_000_000, TRUNCATED),
    (True, CLOSE, b"\x03\xe8bye", 5, 0),
    (False, CLOSE, b"\x03", 1, 0),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    for flow in (websocket_flow(), make_flow(2)):
        writer.put_flow(flow)
    for seq, (from_client, opcode, data, size, flags) in enumerate(SENT, 1):
        writer.put_message(1, seq, from_client, opcode, data, AT + seq, size, flags)
    writer.close()
    return path


def websocket_flow() -> Flow:
    flow = make_flow(1)
    flow.kind = "websocket"
    flow.websocket = WebSocketData()
    for from_client, opcode, data, _, _ in SENT:
        if opcode < CLOSE:
            flow.websocket.keep(WebSocketMessage(opcode, from_client, data, AT))
    return flow


def show(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["show", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_messages_are_printed_safely(store: Path) -> None:
    text = show("1", str(store))
    assert "\x1b" not in text
    lines = text[text.index("6 messages") :].splitlines()
    headings = [line[16:] for line in lines if line[15:17] == " →" or line[15:17] == " ←"]
    assert headings == [
        "→ client text 19 B",
        "← server ping 0 B",
        "← server text 19 B (edited)",
        "← server binary 4.8 MiB (only the beginning was kept)",
        "→ client close 5 B",
        "← server close 1 B",
    ]
    assert '{"token": "secret"}' in lines
    assert "␛[2Jowned" in lines
    assert "1000 bye" in lines
    assert any("00 01 6e 65" in line for line in lines)
    assert "messages" not in show("2", str(store)).splitlines()[-1]


def test_messages_in_json(store: Path) -> None:
    messages = json.loads(show("1", str(store), "--json"))["messages"]
    assert [message["seq"] for message in messages] == [1, 2, 3, 4, 5, 6]
    assert messages[0] == {
        "seq": 1,
        "at": AT + 1,
        "from_client": True,
        "type": "text",
        "size": 19,
        "flags": [],
        "text": '{"token": "secret"}',
    }
    assert messages[3]["base64"] == "AAFuZWVkbGU="
    assert (messages[4]["code"], messages[4]["reason"]) == (1000, "bye")
    assert json.loads(show("2", str(store), "--json"))["messages"] == []


def test_messages_come_in_portions(store: Path) -> None:
    with Reader(store) as reader:
        assert reader.message_count(1) == 6
        assert [row.seq for row in reader.messages(1, 2, 3)] == [3, 4, 5]
        row = reader.messages(1, 3, 1)[0]
        assert (row.at, row.from_client, row.opcode, row.size, row.flags, row.data) == (
            AT + 4, False, BINARY, 5_000_000, TRUNCATED, b"\x00\x01needle",
        )  # fmt: skip
        assert reader.messages(2) == []


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("~b secret", True),
        ("~bq secret", True),
        ("~bs secret", False),
        ("~bs needle", True),
        ("~bq needle", False),
        ("!~b nowhere_to_be_found", True),
    ],
)
def test_filters_look_into_messages(store: Path, expression: str, fits: bool) -> None:
    wanted = parse_filter(expression)
    assert wanted.matches(websocket_flow()) is fits
    with Reader(store) as reader:
        assert (1 in reader.ids(wanted.where())) is fits
