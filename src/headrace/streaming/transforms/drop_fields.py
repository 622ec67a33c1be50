"""All fields but some."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.streaming.samples import Sample
from headrace.streaming.transforms.field_names import as_field_names

__all__ = ["DropFields"]


@dataclass(frozen=True, slots=True, init=False)
class DropFields:
    """Leave out these fields; a sample that lacks them is fine, and `_id` always stays."""

    fields: tuple[str, ...]

    def __init__(self, *fields: str) -> None:
        object.__setattr__(self, "fields", as_field_names(fields, "DropFields"))

    def __call__(self, sample: Sample) -> Sample:
        """The sample without them."""
        return {name: value for name, value in sample.items() if name not in self.fields or name == "_id"}
