"""A list in pages behaves as a list."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.storage.paged_list import LARGEST_PAGE, SMALLEST_PAGE, Page, PagedList, page_lengths

_LENGTHS = st.one_of(
    st.integers(0, 700), st.sampled_from([31, 32, 33, 256, 257, 288, 289, 2048, 2049, 2080, 2081, 4500])
)


def _reread(items: PagedList[Any]) -> PagedList[Any]:
    """The same list with pages that are not in memory."""

    def unread(page: Page[Any]) -> Page[Any]:
        stored = page.items
        return Page(page.length, read=lambda _: stored)

    return PagedList.of_pages([unread(page) for page in items.pages], items.rest)


@given(st.integers(0, 1_000_000))
def test_cuts_cover_the_list_and_leave_the_newest_out(length: int) -> None:
    lengths = page_lengths(length)
    assert lengths == sorted(lengths, reverse=True)
    assert set(lengths) <= {SMALLEST_PAGE, 8 * SMALLEST_PAGE, LARGEST_PAGE}
    assert (1 if length else 0) <= length - sum(lengths) <= SMALLEST_PAGE
    assert all(lengths.count(size) < 8 for size in set(lengths) - {LARGEST_PAGE})


@settings(max_examples=40)
@given(_LENGTHS, st.data())
def test_paged_list_equals_the_plain_one_after_any_changes(length: int, data: st.DataObject) -> None:
    plain = list(range(length))
    paged = PagedList(plain)
    copies: list[tuple[list[int], PagedList[int]]] = []
    for step in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(["append", "set", "range", "places", "copy", "reread"])):
            case "append":
                added = list(range(1000, 1000 + data.draw(st.integers(1, 70))))
                plain += added
                for item in added:
                    paged.append(item)
            case "set" if plain:
                place = data.draw(st.integers(-len(plain), len(plain) - 1))
                plain[place] = paged[place] = -step
            case "range":
                start = data.draw(st.integers(0, len(plain)))
                stop = data.draw(st.integers(start, len(plain)))
                paged.change(range(start, stop), lambda place, item: item * 3 + place)
                plain[start:stop] = [item * 3 + place for place, item in enumerate(plain[start:stop], start)]
            case "places" if plain:
                places = sorted(data.draw(st.sets(st.integers(0, len(plain) - 1), max_size=9)))
                paged.change(places, lambda place, item: item - place)
                for place in places:
                    plain[place] -= place
            case "copy":
                copies.append((plain.copy(), paged.copy()))
            case _:
                paged = _reread(paged)
    copies.append((plain, paged))
    for expected, found in copies:
        assert len(found) == len(expected)
        assert [page.length for page in found.pages] == page_lengths(len(expected))
        start, stop = sorted(data.draw(st.tuples(st.integers(-9, 5000), st.integers(-9, 5000))))
        assert found[start:stop] == expected[start:stop]
        assert found[::-7] == expected[::-7]
        assert list(found) == expected
        assert list(reversed(found)) == expected[::-1]
        assert found == expected
        assert found == PagedList(expected)
        assert found != [*expected, 1]
        assert found != PagedList([*expected, 1])


def test_pages_are_read_when_asked_and_changes_read_none() -> None:
    numbers = PagedList(range(2049 + 300))
    reads: list[int] = []

    def unread(page: Page[int]) -> Page[int]:
        stored = page.items

        def read(_: Page[int]) -> tuple[int, ...]:
            reads.append(page.length)
            return stored

        return Page(page.length, read=read)

    lazy = PagedList.of_pages([unread(page) for page in numbers.pages], numbers.rest)
    copy = lazy.copy()
    lazy.change(range(len(lazy)), lambda place, item: -item)
    for item in range(600):
        lazy.append(item)
    assert (len(lazy), lazy[-1], reads) == (2949, 599, [])
    assert (lazy[2100], copy[2100], reads) == (-2100, 2100, [256])
    assert list(copy) == list(range(2349))
    assert reads == [256, 2048, 32]


@pytest.mark.parametrize("place", [-3, 2, 99])
def test_place_outside_is_an_index_error(place: int) -> None:
    numbers = PagedList([1, 2])
    with pytest.raises(IndexError, match="of a list of 2"):
        numbers[place]
    with pytest.raises(IndexError):
        numbers[place] = 5
    with pytest.raises(IndexError):
        numbers.change([place], lambda _, item: item)


def test_threads_read_the_same_pages() -> None:
    lazy = _reread(PagedList(range(3000)))
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(list(lazy))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(3000))] * 8


def test_pages_of_another_cut_are_refused() -> None:
    with pytest.raises(ValueError, match="cut at other places"):
        PagedList.of_pages([Page(5, items=(1, 2, 3, 4, 5))], [6])
