"""Which page holds which rows of an index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from headrace.streaming.index_pages import pins_name
from headrace.streaming.pages import Page, PageFolder

__all__ = ["PageLayout"]


class PageLayout:
    """Pages one after the other. Immutable, but pages are opened when they are asked for; thread-safe."""

    def __init__(
        self, page_rows: Sequence[int], *, open_page: Callable[[int], Page], open_pins: Callable[[int], Page]
    ) -> None:
        self.starts = np.cumsum([0, *page_rows])  # [num_pages + 1]
        self._starts_list: list[int] = self.starts.tolist()
        self._open_page = open_page
        self._open_pins = open_pins
        self._opened: dict[int, Page] = {}

    @classmethod
    def of_folder(cls, page_rows: Sequence[int], *, pages: PageFolder, name: str) -> PageLayout:
        """Pages of an index on the disk."""
        return cls(
            page_rows,
            open_page=lambda number: pages.opened(f"{name}.{number}"),
            open_pins=lambda number: pages.opened(pins_name(name, number)),
        )

    def followed_by(self, pages: Sequence[Page]) -> PageLayout:
        """These pages, and after them some that are in memory and pin no media files."""
        num_before = self.num_pages
        layout = PageLayout(
            [*np.diff(self.starts).tolist(), *(page.num_rows for page in pages)],
            open_page=self._open_page,
            open_pins=self._open_pins,
        )
        layout._opened.update({num_before + idx: page for idx, page in enumerate(pages)})
        return layout

    @property
    def num_pages(self) -> int:
        return len(self._starts_list) - 1

    def runs(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray | None, np.ndarray, int]]:
        """(which of the rows: None for all, rows in the page, number of the page)."""
        if self.num_pages == 1:
            yield None, rows, 0
            return
        number = np.searchsorted(self.starts, rows, side="right") - 1
        for page in np.flatnonzero(np.bincount(number)).tolist():  # `np.unique` imports numpy.ma at first, 50 ms
            mine = np.flatnonzero(number == page)
            yield mine if len(mine) < len(rows) else None, rows[mine] - self.starts[page], page

    def find(self, row: int) -> tuple[int, int]:
        """Number of the page, and the row in it."""
        number = bisect_right(self._starts_list, row) - 1 if self.num_pages > 1 else 0
        return number, row - self._starts_list[number]

    def start(self, number: int) -> int:
        """The first row of a page."""
        return self._starts_list[number]

    def page(self, number: int) -> Page:
        """Rows."""
        page = self._opened.get(number)
        if page is None:
            page = self._opened[number] = self._open_page(number)
        return page

    def pins(self, number: int) -> Page:
        """Versions of media files."""
        return self._open_pins(number)
