"""Fields under other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_error, field_value

__all__ = ["RenameFields"]


@dataclass(frozen=True, slots=True)
class RenameFields:
    """Give fields other names; values, order and all other fields stay.

    Names may be exchanged: `RenameFields({"a": "b", "b": "a"})`.

    Attributes:
        names: New names by old names.
        is_strict: False passes over fields that a sample lacks.

    Raises:
        InvalidInput: When called on a sample that lacks a field, or has one of the new name already.
    """

    names: Mapping[str, str]
    is_strict: bool = True

    def __post_init__(self) -> None:
        if len(set(self.names.values())) < len(self.names):
            raise InvalidInput(
                f"RenameFields: two fields get one name in {dict(self.names)!r}; expected different names"
            )

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the new names."""
        if self.is_strict:
            for old in self.names:
                field_value(sample, old)
        renamed: Sample = {}
        for old, value in sample.items():
            name = self.names.get(old, old)
            if name in renamed:
                raise field_error(
                    sample, name, "is there already, and another field would get its name; drop one before"
                )
            renamed[name] = value
        return renamed
