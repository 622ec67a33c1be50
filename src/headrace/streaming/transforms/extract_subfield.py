"""One value out of nested dicts and lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["ExtractSubfield"]


@dataclass(frozen=True, slots=True)
class ExtractSubfield:
    """A value inside of a field gets a field of its own; the field stays as it is.

    Attributes:
        path: Names and, in lists, positions from 0, joined by dots; the first is the field: "meta.boxes.0.label".
        output_field: Gets the value; by default the last name of the path.
        is_required: False gives null where there is no such value.

    Raises:
        InvalidInput: When called on a sample without such a value.
    """

    path: str
    output_field: str | None = None
    is_required: bool = True

    def __post_init__(self) -> None:
        if len(self.path.split(".")) < 2 or not all(self.path.split(".")):
            raise InvalidInput(
                f"path is {self.path!r}: expected a field and names in it, joined by dots: 'meta.author'"
            )

    def __call__(self, sample: Sample) -> Sample:
        """The sample with one more field."""
        field, *names = self.path.split(".")
        if not self.is_required and sample.get(field) is None:
            return {**sample, self.output_field or names[-1]: None}
        value = field_value(sample, field)
        for name in names:
            if _has(value, name):
                value = value[name] if isinstance(value, Mapping) else value[int(name)]
            elif self.is_required:
                hint = near_miss_or_known(name, map(str, value)) if isinstance(value, Mapping) else ""
                raise field_error(
                    sample,
                    field,
                    f"has nothing at {self.path!r}: {kind_of(value)} without {name!r}; is_required=False gives null."
                    + hint,
                )
            else:
                value = None
                break
        return {**sample, self.output_field or names[-1]: value}


def _has(value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        return name in value
    return isinstance(value, list | tuple) and name.isdecimal() and int(name) < len(value)
