"""Filters of the messages inside a flow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rama_proxy.errors import FilterError
from rama_proxy.filters import MESSAGE_OPERATORS, parse_message_filter
from rama_proxy.model.websocket import (
    BINARY,
    CLOSE,
    DROPPED,
    EDITED,
    INCOMPLETE,
    INJECTED,
    PING,
    PONG,
    TEXT,
    TRUNCATED,
    UNREAD,
)
from rama_proxy.store.reader import Reader
from rama_proxy.store.writer import Writer

MESSAGES = (
    (True, TEXT, b'{"type":"hello"}', 0),
    (False, TEXT, b'{"type":"Welcome"}', EDITED),
    (False, BINARY, b"\x00\xffhello\nyou", 0),
    (True, PING, b"", 0),
    (False, PONG, b"", 0),
    (True, TEXT, "grüße > alle".encode(), DROPPED),
    (False, TEXT, b"ping", INJECTED | TRUNCATED),
    (False, CLOSE, b"\x03\xe8bye", 0),
    (True, TEXT, b"\xab\x56", UNREAD | INCOMPLETE),
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("messages") / "a.db"
    writer = Writer(path, budget=1 << 20, on_problem=pytest.fail)
    writer.open()
    writer.start()
    for seq, (from_client, opcode, data, flags) in enumerate(MESSAGES, 1):
        writer.put_message(7, seq, from_client, opcode, data, 1e9, flags=flags)
    writer.put_message(8, 1, True, TEXT, b"hello", 1e9)
    writer.close()
    with Reader(path) as found:
        yield found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("hello", [1, 3]),
        ("HELLO", [1, 3]),
        ("hello.you", [3]),
        ("welcome|grüße", [2, 6]),
        ('"type\\":\\"hello"', [1]),
        ("~b hello", [1, 3]),
        ("~bq hello", [1]),
        ("~bs hello", [3]),
        ("~q", [1, 4, 6, 9]),
        (">", [1, 4, 6, 9]),
        ("→", [1, 4, 6, 9]),
        ("~s", [2, 3, 5, 7, 8]),
        ("<", [2, 3, 5, 7, 8]),
        ("← & ~text", [2, 7]),
        ("~b >", [6]),
        ("~text", [1, 2, 6, 7, 9]),
        ("~binary", [3]),
        ("~ping", [4]),
        ("ping", [7]),
        ("~pong", [5]),
        ("~close", [8]),
        ("~edited", [2]),
        ("~dropped", [6]),
        ("~injected", [7]),
        ("~truncated", [7]),
        ("~unread", [9]),
        ("~broken", [9]),
        ("> !hello", [4, 6, 9]),
        ("!(~ping | ~pong | ~close) <", [2, 3, 7]),
        ("~bq hello | ~close", [1, 8]),
        ("!~bq hello & ~q", [4, 6, 9]),
    ],
)
def test_what_a_filter_finds(reader: Reader, text: str, expected: list[int]) -> None:
    where = parse_message_filter(text).where()
    assert list(reader.find_messages(7, where, 0, 100)) == expected
    assert list(reader.find_messages(7, where, 4, 7)) == [seq for seq in expected if 4 < seq <= 7]


@pytest.mark.parametrize(
    ("text", "position", "says", "hint"),
    [
        ("~bimary", 0, "there is no operator ~bimary", "did you mean ~binary (binary)?"),
        ("~d host", 0, "there is no operator ~d", ""),
        ("> &", 3, "something is missing after &", ""),
        ("a(b", 1, "this ( is never closed", ""),
        ("ab [", 3, "bad regex", ""),
        ("~b", 2, "takes a body regex", ""),
    ],
)
def test_a_mistake_is_pointed_at(text: str, position: int, says: str, hint: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_message_filter(text)
    assert says in str(caught.value)
    assert caught.value.position >= position
    assert hint in (caught.value.hint or "")


def test_every_operator_is_understood(reader: Reader) -> None:
    for operator in MESSAGE_OPERATORS.values():
        text = f"!~{operator.code} x" if operator.takes else f"!~{operator.code}"
        reader.find_messages(7, parse_message_filter(text).where(), 0, 100)
        assert operator.help
