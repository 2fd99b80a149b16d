"""What the store tells about messages, without reading more than is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rama_proxy.errors import StoreError
from rama_proxy.model.websocket import BINARY, TEXT, TRUNCATED
from rama_proxy.store.messages import START
from rama_proxy.store.reader import MessageHead, Reader
from rama_proxy.store.writer import Writer

LARGE = b"large " * 200_000


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    writer = Writer(tmp_path / "a.db", budget=1 << 30, on_problem=pytest.fail)
    writer.open()
    writer.start()
    writer.put_message(3, 1, True, TEXT, b"first", 1_000_000_000.25)
    writer.put_message(3, 2, False, BINARY, LARGE, 1_000_000_001, 9_000_000, TRUNCATED)
    writer.put_message(3, 3, False, TEXT, b"", 1_000_000_002)
    writer.put_message(4, 1, True, TEXT, b"other", 1_000_000_003)
    writer.close()
    with Reader(tmp_path / "a.db") as found:
        yield found


def test_heads_are_in_order_and_hold_the_beginning(reader: Reader) -> None:
    heads = reader.message_heads(3, [3, 1, 2, 9])
    assert heads == [
        MessageHead(1, 1_000_000_000.25, True, TEXT, 5, 0, 5, b"first"),
        MessageHead(
            2, 1_000_000_001, False, BINARY, 9_000_000, TRUNCATED, len(LARGE), LARGE[:START]
        ),
        MessageHead(3, 1_000_000_002, False, TEXT, 0, 0, 0, b""),
    ]
    assert reader.message_heads(3, []) == []


def test_the_latest_number_is_that_of_the_flow(reader: Reader) -> None:
    assert [reader.last_message(flow_id) for flow_id in (3, 4, 5)] == [3, 1, 0]
    assert [reader.message_count(flow_id) for flow_id in (3, 4, 5)] == [3, 1, 0]


def test_a_whole_message_is_the_first_after_the_one_before(reader: Reader) -> None:
    assert reader.messages(3, 1, 1)[0].data == LARGE


def test_a_closed_reader_raises_our_error(reader: Reader) -> None:
    reader.close()
    with pytest.raises(StoreError):
        reader.message_heads(3, [1])
