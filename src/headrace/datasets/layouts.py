"""Where the rows of commits lie today: in which parts and shards. Changes without changing what a commit is.

A commit's manifest holds its first layout. Compaction writes a document with the layouts of many commits, whose rows
share parts and shards then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from headrace.storage.canonical import JsonValue
from headrace.storage.parts import PartRecord
from headrace.storage.shards import ShardRecord

__all__ = ["CommitLayout", "LayoutDocument", "PartSlice"]


@dataclass(frozen=True, slots=True)
class PartSlice:
    """Some rows of a part."""

    part: PartRecord
    row_start: int
    num_rows: int


@dataclass(frozen=True, slots=True)
class CommitLayout:
    """The rows of one commit in order."""

    schema: pa.Schema  # columns of the commit; parts may have more, and lack those that are all null
    slices: tuple[PartSlice, ...]
    shards: tuple[ShardRecord, ...]  # locators count them


@dataclass(frozen=True, slots=True)
class LayoutDocument:
    """Layouts of many commits that share parts and shards."""

    parts: tuple[PartRecord, ...]
    shards: tuple[ShardRecord, ...]
    commits: dict[int, tuple[tuple[int, int, int], ...]]  # number to slices: index of the part, first row, rows

    def of(self, number: int, schema: pa.Schema) -> CommitLayout:
        """The layout of one commit."""
        slices = tuple(PartSlice(self.parts[idx], start, count) for idx, start, count in self.commits[number])
        return CommitLayout(schema, slices, self.shards)

    def to_json(self) -> JsonValue:
        """The stored document."""
        return {
            "format": 1,
            "parts": [[item.digest, item.size, item.num_rows] for item in self.parts],
            "shards": [[item.digest, item.size, item.num_members] for item in self.shards],
            "commits": [[number, [list(item) for item in slices]] for number, slices in sorted(self.commits.items())],
        }

    @classmethod
    def from_json(cls, document: JsonValue) -> Self:
        """Read a stored document."""
        return cls(
            tuple(PartRecord(*item) for item in document["parts"]),
            tuple(ShardRecord(*item) for item in document["shards"]),
            {number: tuple((a, b, c) for a, b, c in slices) for number, slices in document["commits"]},
        )
