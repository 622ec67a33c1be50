"""What a recipe says, as a tree that knows where each part is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from headrace.curation.recipe_file.problems import Place

__all__ = ["ListNode", "MapEntry", "MapNode", "Node", "PlainValue", "ScalarNode", "WrittenFloat", "node_of"]

PlainValue: TypeAlias = bool | int | float | str | list["PlainValue"] | dict[str, "PlainValue"] | None


class WrittenFloat(float):
    """A float that knows how it was written: a Python version 3.10 is no 3.1."""

    __slots__ = ("text",)
    text: str

    @classmethod
    def read(cls, text: str) -> WrittenFloat:
        """The number with its text."""
        number = cls(text)
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value."""

    value: bool | int | float | str | None
    place: Place | None

    @property
    def plain(self) -> PlainValue:
        """The value without places."""
        return self.value

    def at(self, path: Sequence[object]) -> Place | None:
        """Where the part that the path leads to is written; as far as the path goes."""
        return self.place


@dataclass(frozen=True, slots=True)
class ListNode:
    """Values in order."""

    items: tuple[Node, ...]
    place: Place | None

    @property
    def plain(self) -> PlainValue:
        """The values without places."""
        return [item.plain for item in self.items]

    def at(self, path: Sequence[object]) -> Place | None:
        """Where the part that the path leads to is written; as far as the path goes."""
        if path and isinstance(path[0], int) and path[0] < len(self.items):
            return self.items[path[0]].at(path[1:])
        return self.place


@dataclass(frozen=True, slots=True)
class MapEntry:
    """A key with its value."""

    key: str
    key_place: Place | None
    value: Node


@dataclass(frozen=True, slots=True)
class MapNode:
    """Values by name; no name comes twice."""

    entries: tuple[MapEntry, ...]
    place: Place | None

    def __iter__(self) -> Iterator[MapEntry]:
        return iter(self.entries)

    @property
    def plain(self) -> PlainValue:
        """The values without places."""
        return {entry.key: entry.value.plain for entry in self.entries}

    def entry(self, key: str) -> MapEntry | None:
        """The entry of this key."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def get(self, key: str) -> Node | None:
        """The value of this key."""
        entry = self.entry(key)
        return None if entry is None else entry.value

    def at(self, path: Sequence[object]) -> Place | None:
        """Where the part that the path leads to is written; as far as the path goes."""
        entry = self.entry(path[0]) if path and isinstance(path[0], str) else None
        return self.place if entry is None else entry.value.at(path[1:])

    def key_place(self, key: str) -> Place | None:
        """Where the key is written; the mapping's own place if it is not there."""
        entry = self.entry(key)
        return self.place if entry is None else entry.key_place


Node: TypeAlias = ScalarNode | ListNode | MapNode


def node_of(value: object) -> Node:
    """The tree of Python values, without places.

    Raises:
        TypeError: A value that no recipe file could hold.
    """
    if isinstance(value, Mapping):
        return MapNode(tuple(MapEntry(str(key), None, node_of(item)) for key, item in value.items()), None)
    if isinstance(value, list | tuple):
        return ListNode(tuple(node_of(item) for item in value), None)
    if value is None or isinstance(value, bool | int | float | str):
        return ScalarNode(value, None)
    raise TypeError(f"{value!r} is a {type(value).__name__}")
