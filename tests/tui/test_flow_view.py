"""The ids and pages behind the list, against a plain sorted list."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rama_proxy.store.reader import FlowRow
from rama_tui.flow_view import MAX_PAGES, PAGE, FlowView
from tests.tui.test_columns import ROW


class Rows:
    """A store of rows in memory that counts how often it is read."""

    def __init__(self, *ids: int) -> None:
        self.rows = {number: replace(ROW, id=number, rev=number) for number in ids}
        self.reads: list[list[int]] = []

    def page(self, ids: Sequence[int]) -> list[FlowRow]:
        """The rows of `ids` that are there."""
        self.reads.append(list(ids))
        return [self.rows[number] for number in ids if number in self.rows]

    def touch(self, number: int) -> None:
        """Write row `number` again."""
        self.rows[number] = replace(ROW, id=number, rev=self.rows[number].rev + 1000)


def view_of(rows: Rows) -> FlowView:
    """A view of all `rows`."""
    return FlowView(rows.page, array("q", sorted(rows.rows)))


def revs(view: FlowView) -> list[int]:
    """The revision of each row of the view."""
    found = [view.row(index) for index in range(len(view))]
    return [row.rev for row in found if row is not None]


def test_rows_are_read_by_the_page_and_once() -> None:
    rows = Rows(*range(1, 301))
    view = view_of(rows)
    for index in (0, 1, PAGE - 1, PAGE, 299):
        row = view.row(index)
        assert row is not None
        assert row.id == index + 1
    assert [len(ids) for ids in rows.reads] == [PAGE, PAGE, 300 - 2 * PAGE]


def test_few_pages_are_kept() -> None:
    rows = Rows(*range(PAGE * (MAX_PAGES + 2)))
    view = view_of(rows)
    for number in range(MAX_PAGES + 2):
        view.row(number * PAGE)
    rows.reads.clear()
    view.row(PAGE * (MAX_PAGES + 1))
    assert rows.reads == []  # the last one is there
    view.row(0)
    assert len(rows.reads) == 1  # the first had to go


def test_a_deleted_row_is_none() -> None:
    rows = Rows(1, 2, 3)
    view = view_of(rows)
    del rows.rows[2]
    assert view.row(1) is None
    assert view.row(2) is not None


def test_new_flows_are_appended_and_counted() -> None:
    rows = Rows(1, 2)
    view = view_of(rows)
    view.row(0)
    rows.rows[3] = replace(ROW, id=3, rev=3)
    assert view.apply([3, 1], []) == 1
    assert revs(view) == [1, 2, 3]


def test_what_was_written_again_is_read_again() -> None:
    rows = Rows(1, 2, 3)
    view = view_of(rows)
    assert revs(view) == [1, 2, 3]
    rows.touch(2)
    assert revs(view) == [1, 2, 3]
    assert view.apply([2], []) == 0
    assert revs(view) == [1, 1002, 3]


def test_where_a_flow_is() -> None:
    view = view_of(Rows(10, 20, 30))
    assert view.index_of(20) == 1
    assert view.index_of(25) is None
    assert [view.near(number) for number in (5, 10, 15, 30, 99)] == [0, 0, 1, 2, 2]
    assert view_of(Rows()).near(5) == 0


numbers = st.sets(st.integers(1, 400), max_size=120)


@settings(max_examples=60)
@given(numbers, st.lists(st.tuples(numbers, numbers), max_size=5))
def test_changes_keep_order_and_rows(
    first: set[int], steps: list[tuple[set[int], set[int]]]
) -> None:
    rows = Rows(*first)
    view = view_of(rows)
    revs(view)
    for changed, removed in steps:
        gone = removed - changed
        for number in changed:
            rows.rows.setdefault(number, replace(ROW, id=number, rev=number))
            rows.touch(number)
        before = set(view.ids)
        assert view.apply(changed, gone) == len(changed - before)
        assert list(view.ids) == sorted((before - gone) | changed)
        assert revs(view) == [rows.rows[number].rev for number in view.ids]
