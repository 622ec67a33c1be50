"""A list in immutable pages, which are shared by its copies and read when they are first asked for.

    0 …… 2047 │ 2048 …… 4095 │ 4096 …… 4351 │ 4352 … 4383 │ 4384 …
    page        page           page           page          rest: at most 32 items, the newest among them

The cuts depend on the length alone, like the digits of a number in base eight: eight neighbours of one length become
one page, up to 2,048 items. Copying costs a pointer a page, appending nothing that grows with the list.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Generic, TypeVar, overload

__all__ = ["LARGEST_PAGE", "SMALLEST_PAGE", "Page", "PagedList", "page_lengths"]

SMALLEST_PAGE = 32
_FANOUT = 8
LARGEST_PAGE = SMALLEST_PAGE * _FANOUT**2
_PARALLEL_READS = 16

T = TypeVar("T")


class Page(Generic[T]):
    """Items that never change. Thread-safe: threads that meet may read twice, with the same result."""

    __slots__ = ("_items", "_read", "digest", "length")

    def __init__(
        self,
        length: int,
        *,
        items: tuple[T, ...] | None = None,
        read: Callable[[Page[T]], tuple[T, ...]] | None = None,
        digest: str | None = None,
    ) -> None:
        """Either the items or how to read them; `digest` names the stored page if there is one."""
        self.length = length
        self.digest = digest
        self._items = items
        self._read = read

    @property
    def is_read(self) -> bool:
        """Whether the items are in memory."""
        return self._items is not None

    @property
    def items(self) -> tuple[T, ...]:
        """All items, read at the first time."""
        items = self._items
        if items is None:
            if self._read is None:
                raise RuntimeError("a page with neither items nor a way to read them")
            items = self._items = self._read(self)
        return items


class PagedList(Sequence[T]):
    """A list that can be appended to and changed in place; what `copy` returned does not follow.

    Not thread-safe while it is changed. Reading an item may read its page, and raises what that raises.
    """

    __slots__ = ("_ends", "_pages", "_rest")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._pages: list[Page[T]] = []
        self._ends: list[int] = []  # of the pages, exclusive
        self._rest: list[T] = []
        for item in items:
            self.append(item)

    @classmethod
    def of_pages(cls, pages: Iterable[Page[T]], rest: Iterable[T]) -> PagedList[T]:
        """The list that has these pages and this rest, as `pages` and `rest` of another gave them."""
        made: PagedList[T] = cls()
        made._pages = list(pages)
        made._rest = list(rest)
        made._count_ends()
        if [page.length for page in made._pages] != page_lengths(len(made)):
            raise ValueError("the pages are cut at other places than those of a list of this length")
        return made

    @property
    def pages(self) -> Sequence[Page[T]]:
        """The pages, oldest items first."""
        return self._pages

    @property
    def rest(self) -> Sequence[T]:
        """The items after the last page; the last item of the list is always among them."""
        return self._rest

    def copy(self) -> PagedList[T]:
        """A list that does not follow later changes."""
        made: PagedList[T] = PagedList()
        made._pages = self._pages.copy()
        made._ends = self._ends.copy()
        made._rest = self._rest.copy()
        return made

    def append(self, item: T) -> None:
        """Add an item at the end."""
        if len(self._rest) == SMALLEST_PAGE:
            self._pages.append(Page(SMALLEST_PAGE, items=tuple(self._rest)))
            self._rest = []
            self._merge()
            self._count_ends()
        self._rest.append(item)

    def change(self, places: Sequence[int], change: Callable[[int, T], T]) -> None:
        """Replace the items at these places, ascending and not negative, by what `change(place, item)` gives.

        Pages are not read for it: `change` is called when they are, and must give the same at every time.
        """
        if not places:
            return
        if places[0] < 0 or places[-1] >= len(self):
            raise IndexError(f"places {places[0]} to {places[-1]} of a list of {len(self)}")
        start = 0
        for idx, (page, end) in enumerate(zip(self._pages, self._ends, strict=True)):
            mine = places[bisect_left(places, start) : bisect_left(places, end)]
            if mine:
                self._pages[idx] = _changed(page, start, mine, change)
            start = end
        for place in places[bisect_left(places, start) :]:
            self._rest[place - start] = change(place, self._rest[place - start])

    def unread_pages(self) -> list[Page[T]]:
        """Pages that are not in memory."""
        return [page for page in self._pages if not page.is_read]

    def __len__(self) -> int:
        return (self._ends[-1] if self._ends else 0) + len(self._rest)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> list[T]: ...

    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            places = range(len(self))[place]
            return self._items_of(places) if places.step == 1 else [self[idx] for idx in places]
        page_idx, offset = self._find(place)
        return self._rest[offset] if page_idx is None else self._pages[page_idx].items[offset]

    def __setitem__(self, place: int, item: T) -> None:
        page_idx, offset = self._find(place)
        if page_idx is None:
            self._rest[offset] = item
        else:
            items = list(self._pages[page_idx].items)
            items[offset] = item
            self._pages[page_idx] = Page(len(items), items=tuple(items))

    def __iter__(self) -> Iterator[T]:
        read_together(self.unread_pages())
        return chain(chain.from_iterable(page.items for page in list(self._pages)), self._rest.copy())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PagedList):
            return (
                len(self) == len(other) and all(map(_is_same, self._pages, other._pages)) and self._rest == other._rest
            )
        return len(self) == len(other) and list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"<PagedList {len(self)} items>"

    def _find(self, place: int) -> tuple[int | None, int]:
        """Index of the page, None for the rest, and the place in it."""
        length = len(self)
        idx = place + length if place < 0 else place
        if not 0 <= idx < length:
            raise IndexError(f"place {place} of a list of {length}")
        page_idx = bisect_right(self._ends, idx)
        start = self._ends[page_idx - 1] if page_idx else 0
        return (page_idx if page_idx < len(self._pages) else None), idx - start

    def _items_of(self, places: range) -> list[T]:
        starts = [0, *self._ends]
        touched = [
            (start, page)
            for start, page in zip(starts, self._pages, strict=False)
            if start < places.stop and start + page.length > places.start
        ]
        read_together([page for _, page in touched if not page.is_read])
        found: list[T] = []
        for start, page in touched:
            found.extend(page.items[max(places.start - start, 0) : places.stop - start])
        found.extend(self._rest[max(places.start - starts[-1], 0) : max(places.stop - starts[-1], 0)])
        return found

    def _merge(self) -> None:
        length = SMALLEST_PAGE
        while length < LARGEST_PAGE and all(page.length == length for page in self._pages[-_FANOUT:]):
            if len(self._pages) < _FANOUT:
                return
            merged = self._pages[-_FANOUT:]
            length *= _FANOUT
            self._pages[-_FANOUT:] = [_joined(length, merged)]

    def _count_ends(self) -> None:
        self._ends = []
        end = 0
        for page in self._pages:
            end += page.length
            self._ends.append(end)


def page_lengths(length: int) -> list[int]:
    """How long the pages of a list are, first to last; what is left, 1 to 32 items, is the rest."""
    left = max(length - 1, 0) // SMALLEST_PAGE * SMALLEST_PAGE
    lengths: list[int] = []
    size = LARGEST_PAGE
    while left:
        lengths += [size] * (left // size)
        left %= size
        size //= _FANOUT
    return lengths


def read_together(pages: Sequence[Page[T]]) -> None:
    """Read pages at the same time, so that a distant store's latency is paid once."""
    if len(pages) > 1:
        with ThreadPoolExecutor(_PARALLEL_READS, thread_name_prefix="headrace-pages") as pool:
            for _ in pool.map(lambda page: page.items, pages):
                pass


def _joined(length: int, pages: Sequence[Page[T]]) -> Page[T]:
    if all(page.is_read for page in pages):
        return Page(length, items=tuple(chain.from_iterable(page.items for page in pages)))

    def read(_: Page[T]) -> tuple[T, ...]:
        read_together([page for page in pages if not page.is_read])
        return tuple(chain.from_iterable(page.items for page in pages))

    return Page(length, read=read)


def _changed(page: Page[T], start: int, places: Sequence[int], change: Callable[[int, T], T]) -> Page[T]:
    def read(_: Page[T]) -> tuple[T, ...]:
        items = list(page.items)
        for place in places:
            items[place - start] = change(place, items[place - start])
        return tuple(items)

    return Page(page.length, read=read)


def _is_same(page: Page[T], other: Page[T]) -> bool:
    if page is other or (page.digest is not None and page.digest == other.digest):
        return True
    return page.items == other.items
