"""A mapping over a `PagedList` of its values, in the order in which they were added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from headrace.storage.paged_list import PagedList

__all__ = ["PagedDict"]

V = TypeVar("V")


class PagedDict(Mapping[str, V], Generic[V]):
    """Adding reads no page; the first look-up reads all. Removed values stay as None, so that pages keep their cuts.

    `key_of` gives the key of a value.
    """

    __slots__ = ("_is_shared", "_key_of", "_places", "_values")

    def __init__(self, key_of: Callable[[V], str], values: PagedList[V | None] | None = None) -> None:
        self._key_of = key_of
        self._values: PagedList[V | None] = PagedList() if values is None else values
        self._places: dict[str, int] | None = None  # made at the first look-up
        self._is_shared = False  # whether a copy uses the same places

    @property
    def paged_values(self) -> PagedList[V | None]:
        """The values with None for those that were removed."""
        return self._values

    def copy(self) -> PagedDict[V]:
        """A mapping that does not follow later changes."""
        made = PagedDict(self._key_of, self._values.copy())
        made._places = self._places
        made._is_shared = self._is_shared = True
        return made

    def of_values(self, values: PagedList[V | None]) -> PagedDict[V]:
        """A mapping of the same kind over stored values."""
        return PagedDict(self._key_of, values)

    def add(self, value: V) -> None:
        """Add a value under a key that is not there."""
        self._values.append(value)
        if self._places is not None:
            self._own_places()[self._key_of(value)] = len(self._values) - 1

    def __setitem__(self, key: str, value: V) -> None:
        place = self._find().get(key)
        if place is None:
            self.add(value)
        else:
            self._values[place] = value

    def __delitem__(self, key: str) -> None:
        places = self._own_places()
        self._values[places[key]] = None
        del places[key]

    def __getitem__(self, key: str) -> V:
        value = self._values[self._find()[key]]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._find()))

    def __len__(self) -> int:
        return len(self._find())

    def __contains__(self, key: object) -> bool:
        return key in self._find()

    def __repr__(self) -> str:
        return f"<PagedDict over {len(self._values)} values>"

    def _find(self) -> dict[str, int]:
        places = self._places
        if places is None:
            places = {self._key_of(value): idx for idx, value in enumerate(self._values) if value is not None}
            self._places = places
        return places

    def _own_places(self) -> dict[str, int]:
        places = self._find()
        if self._is_shared:
            places = self._places = dict(places)
            self._is_shared = False
        return places
