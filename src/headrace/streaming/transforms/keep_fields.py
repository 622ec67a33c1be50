"""Some fields of many."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.streaming.samples import Sample
from headrace.streaming.transforms.field_names import as_field_names
from headrace.streaming.transforms.sample_fields import field_value

__all__ = ["KeepFields"]


@dataclass(frozen=True, slots=True, init=False)
class KeepFields:
    """Leave out all fields but these, in this order; `_id` always stays.

    Fields that no transform needs are better not read at all: `columns=` of the dataset.

    Raises:
        InvalidInput: When called on a sample that lacks one of them.
    """

    fields: tuple[str, ...]

    def __init__(self, *fields: str) -> None:
        object.__setattr__(self, "fields", as_field_names(fields, "KeepFields"))

    def __call__(self, sample: Sample) -> Sample:
        """The sample with these fields only."""
        kept = {"_id": sample["_id"]} if "_id" in sample else {}
        return {**kept, **{field: field_value(sample, field) for field in self.fields}}
