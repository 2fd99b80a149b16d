"""A message in a line, by itself, and for the clipboard."""

from __future__ import annotations

import pytest

from rama_proxy.content.messages import (
    close_text,
    kind_name,
    message_line,
    message_origin,
    message_text,
    opcode_name,
    view_message,
)
from rama_proxy.content.origin import NOWHERE
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.model.websocket import BINARY, CLOSE, PING, TEXT, UNREAD


@pytest.mark.parametrize(
    ("opcode", "flags", "data", "line"),
    [
        (TEXT, 0, b'{\n  "a": 1,\r\n\t"b": 2\n}\n', '{ "a": 1, "b": 2 }'),
        (TEXT, 0, b"\x1b[31mred", "\x1b[31mred"),
        (TEXT, 0, b"a\xffb", "a\ufffdb"),
        (TEXT, UNREAD, b"text", "74 65 78 74"),
        (BINARY, 0, b"\x00\x01\x02", "00 01 02"),
        (BINARY, 0, b"plain words", "plain words"),
        (PING, 0, b"", ""),
        (CLOSE, 0, b"\x03\xe8bye", "1000 (normal) bye"),
        (CLOSE, 0, b"", "1005 (no code)"),
        (CLOSE, 0, b"\x0f\xa0", "4000"),
        (CLOSE, 0, b"\x00\x01", "00 01"),
        (CLOSE, 0, b"\x03", "03"),
    ],
)
def test_a_line(opcode: int, flags: int, data: bytes, line: str) -> None:
    assert message_line(opcode, flags, data) == line


def test_a_line_of_bytes_is_short() -> None:
    assert len(message_line(BINARY, 0, bytes(500))) < 200


@pytest.mark.parametrize(
    ("opcode", "flags", "data", "name", "expected"),
    [
        (TEXT, 0, b'{"a":[1]}', "auto", ("JSON", b'{\n  "a": [\n    1\n  ]\n}')),
        (TEXT, 0, b'{"a":[1]}', "raw", ("JSON", b'{"a":[1]}')),
        (TEXT, 0, b"hello", "auto", ("text", b"hello")),
        (TEXT, 0, b"\x00\x01 odd", "auto", ("text", b"\x00\x01 odd")),
        (TEXT, 0, b"hello", "hex", ("hex", b"hello")),
        (TEXT, UNREAD, b"hello", "auto", ("hex", b"hello")),
        (BINARY, 0, b"\x00\x01", "auto", ("hex", b"\x00\x01")),
        (BINARY, 0, b'{"a":1}', "auto", ("JSON", b'{\n  "a": 1\n}')),
        (CLOSE, 0, b"\x03\xe9noon", "auto", ("close", b"1001 (going away) noon")),
        (CLOSE, 0, b"\x03\xe9noon", "hex", ("hex", b"\x03\xe9noon")),
    ],
)
def test_a_view(
    opcode: int, flags: int, data: bytes, name: str, expected: tuple[str, bytes]
) -> None:
    view = view_message(opcode, flags, data, name=name)
    assert (view.name, view.data) == expected


def test_a_message_is_shown_as_its_body_says() -> None:
    flow = Flow(ConnectionInfo("client"), Request("POST", b"/a.B/C", "HTTP/2", Headers(), b""))
    flow.request.headers.set("Content-Type", "application/grpc")
    origin = message_origin(flow, from_client=True)
    view = view_message(BINARY, 0, b"\n\5hello", origin)
    assert (view.name, view.data, view.language) == ("protobuf", b'1: "hello"', "yaml")
    assert view_message(BINARY, 0, b"\n\5hello", origin, "hex").name == "hex"
    assert kind_name(BINARY, origin) == "message"
    assert message_origin(flow, from_client=False) is NOWHERE
    flow.response = Response(200, "", "HTTP/2", Headers(), b"")
    flow.response.headers.set("Content-Type", "text/event-stream")
    origin = message_origin(flow, from_client=False)
    view = view_message(TEXT, 0, b'event: a\ndata: {"n":1}', origin)
    assert (view.name, kind_name(TEXT, origin)) == ("event", "event")
    assert view.data == b'event: a\ndata: {\n  "n": 1\n}'
    flow.kind = "websocket"
    assert message_origin(flow, from_client=True) is NOWHERE


def test_what_the_clipboard_gets() -> None:
    assert message_text(TEXT, 0, "grüße\x00\n".encode()) == "grüße\x00\n"
    assert message_text(TEXT, 0, b"\xff\x00") == "ff00"
    assert message_text(TEXT, UNREAD, b"ab") == "6162"
    assert message_text(BINARY, 0, b"ab") == "ab"
    assert message_text(BINARY, 0, b"a\x00") == "6100"


def test_names() -> None:
    assert [opcode_name(code) for code in (TEXT, CLOSE, 11)] == ["text", "close", "op 11"]
    assert close_text(b"\x0f\xa1why") == "4001 why"
