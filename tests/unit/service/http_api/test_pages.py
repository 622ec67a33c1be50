"""Pages: every item once, in order, and no cursor but one's own."""

from __future__ import annotations

import base64
import json

import pytest

from headrace.errors import InvalidInput
from headrace.service.http_api.pages import PageWish, cursor_after, page_of, place_in_cursor


def _page(items: list[int], *, limit: int, cursor: str | None) -> tuple[list[int], str | None]:
    wish = PageWish(limit=limit, cursor=cursor)
    return page_of(items, wish, of="numbers", place=lambda item: (item,), kinds=(int,))


@pytest.mark.parametrize("num_items", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_hold_every_item_once(num_items: int, limit: int) -> None:
    items = list(range(0, num_items * 3, 3))
    found: list[int] = []
    cursor = None
    while True:
        page, cursor = _page(items, limit=limit, cursor=cursor)
        assert len(page) <= limit
        found += page
        if cursor is None:
            break
        assert len(page) == limit
    assert found == items


def test_page_goes_on_after_an_item_that_is_gone() -> None:
    _, cursor = _page([1, 2, 3, 4], limit=2, cursor=None)
    assert _page([1, 3, 4], limit=2, cursor=cursor) == ([3, 4], None)


def test_cursor_carries_text_of_any_kind() -> None:
    wish = PageWish(cursor=cursor_after(("größe 你好", 7), of="x"))
    assert place_in_cursor(wish, of="x", kinds=(str, int)) == ("größe 你好", 7)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        ["other", 1],
        ["numbers"],
        ["numbers", "1"],
        ["numbers", True],
        ["numbers", 1, 2],
        ["numbers", 2**63],
    ],
)
def test_cursor_of_another_list_is_refused(document: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    with pytest.raises(InvalidInput, match="no cursor of the list of numbers"):
        _page([1], limit=1, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "é", "%%%", "====", "W", "\x00", "bm8", "WyJ" * 1000])
def test_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        _page([1], limit=1, cursor=cursor)
