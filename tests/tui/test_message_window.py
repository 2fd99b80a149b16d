"""The messages that are listed, and how few of them are read."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from rama_proxy.store.reader import MessageHead
from rama_tui.message_window import MAX_PAGES, PAGE, MessageWindow


class Rows:
    """Messages that say how they were asked for; those in `missing` are not there."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.missing: set[int] = set()

    def read(self, seqs: Sequence[int]) -> list[MessageHead]:
        """A row for each."""
        self.asked.append(list(seqs))
        found = [seq for seq in seqs if seq not in self.missing]
        return [MessageHead(seq, seq, True, 1, 0, 0, 0, b"") for seq in found]


def test_a_million_messages_are_a_range() -> None:
    rows = Rows()
    window = MessageWindow(rows.read)
    window.begin(filtered=False)
    assert window.grow(1_000_000) == 1_000_000
    head = window.head(999_999)
    assert head is not None
    assert head.seq == 1_000_000
    assert len(rows.asked) == 1
    assert len(rows.asked[0]) <= PAGE
    assert window.near(500_000) == 499_999
    assert window.near(2_000_000) == 999_999


def test_what_a_filter_found_is_added() -> None:
    window = MessageWindow(Rows().read)
    window.begin(filtered=True)
    assert window.near(5) == 0
    assert window.add(array("q", [3, 9])) == 2
    assert window.add(array("q", [12])) == 1
    assert [window.near(seq) for seq in (1, 3, 4, 12, 99)] == [0, 0, 1, 2, 2]
    head = window.head(1)
    assert head is not None
    assert head.seq == 9


def test_a_page_that_was_not_full_is_read_again() -> None:
    rows = Rows()
    window = MessageWindow(rows.read)
    window.begin(filtered=False)
    window.grow(PAGE + 1)
    assert window.head(0)
    assert window.head(PAGE)
    assert window.grow(PAGE + 2) == 1
    assert window.head(PAGE + 1)
    assert window.head(0)
    assert [asked[0] for asked in rows.asked] == [1, PAGE + 1, PAGE + 1]


def test_few_pages_are_kept() -> None:
    rows = Rows()
    window = MessageWindow(rows.read)
    window.begin(filtered=False)
    window.grow(PAGE * (MAX_PAGES + 1))
    for number in (*range(MAX_PAGES), 0, MAX_PAGES, 0, 1):
        window.head(number * PAGE)
    assert len(rows.asked) == MAX_PAGES + 2  # the second page had to make room


def test_a_message_that_is_not_there_is_none() -> None:
    rows = Rows()
    rows.missing.add(2)
    window = MessageWindow(rows.read)
    window.begin(filtered=False)
    window.grow(3)
    assert [window.head(index) is None for index in range(3)] == [False, True, False]
