"""Ids of labels in a training view: dense from 1, in order of first appearance over the whole snapshot."""

from __future__ import annotations

from headrace.datasets.types.quoted_csv import quoted_row

__all__ = ["LabelIds"]


class LabelIds(dict[str, int]):
    """Looking up a label that is new gives it the next id."""

    __slots__ = ()

    def __missing__(self, label: str) -> int:
        self[label] = label_id = len(self) + 1
        return label_id

    def to_csv(self) -> bytes:
        """`"id","label"`, one line a label, by id."""
        return "".join(quoted_row((label_id, label)) for label, label_id in self.items()).encode()
