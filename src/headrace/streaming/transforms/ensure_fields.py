"""Fields that every sample must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.streaming.samples import Sample
from headrace.streaming.transforms.field_names import as_field_names
from headrace.streaming.transforms.sample_fields import field_error

__all__ = ["EnsureFields"]


@dataclass(frozen=True, slots=True)
class EnsureFields:
    """Refuse samples that lack a field, or have null or NaN in it, or put a default there.

    A field that is null in one sample of a batch is a list in the batch, not an array; this finds such samples, and
    `on_error="substitute"` replaces them.

    Attributes:
        fields: That must be there; each without a default must have a value.
        defaults: Values for fields that are missing, null or NaN.

    Raises:
        InvalidInput: When called on a sample that lacks the value of a field.
    """

    fields: Sequence[str] = ()
    defaults: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        as_field_names([*dict.fromkeys([*self.fields, *(self.defaults or {})])], "EnsureFields")

    def __call__(self, sample: Sample) -> Sample:
        """The sample, completed."""
        filled = {name: value for name, value in (self.defaults or {}).items() if not _has_value(sample.get(name))}
        for field in self.fields:
            if field not in filled and not _has_value(sample.get(field)):
                found = f"is {sample[field]!r}" if field in sample else "is not there"
                raise field_error(
                    sample,
                    field,
                    f"{found}; expected a value: leave such rows out with where=, or name one in defaults=",
                )
        return {**sample, **filled} if filled else sample


def _has_value(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and value != value)
