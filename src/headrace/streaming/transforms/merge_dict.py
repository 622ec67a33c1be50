"""A dict in a field as fields of the sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["MergeDict"]


@dataclass(frozen=True, slots=True)
class MergeDict:
    """The entries of a dict become fields, and the field that held it goes.

    Attributes:
        field: Holds the dict.
        prefix: Put before each name.
        replace: True lets entries replace fields that are there; False refuses that. `_id` is never replaced.

    Raises:
        InvalidInput: When called on a sample without a dict in the field, or with an entry whose name is taken.
    """

    field: str
    prefix: str = ""
    replace: bool = False

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the entries."""
        entries = field_value(sample, self.field)
        if not isinstance(entries, Mapping):
            raise field_error(
                sample, self.field, f"holds {kind_of(entries)}; expected a dict: put ParseJson before this"
            )
        merged = {name: value for name, value in sample.items() if name != self.field}
        for entry, value in entries.items():
            name = f"{self.prefix}{entry}"
            if name == "_id" or (name in merged and not self.replace):
                raise field_error(
                    sample, self.field, f"has an entry {entry!r}, and the sample a field {name!r}; take a prefix="
                    + ("" if name == "_id" else " or replace=True"),
                )  # fmt: skip
            merged[name] = value
        return merged
