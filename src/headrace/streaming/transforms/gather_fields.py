"""Several fields in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.field_names import as_field_names
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["GatherFields"]


@dataclass(frozen=True, slots=True)
class GatherFields:
    """Fields become one: a dict by their names, a list, or an array [num_fields, *shape of each].

    Attributes:
        fields: Names, in the order of the result. They go, unless `is_kept`.
        output_field: Gets the result.
        kind: "dict", "list" or "array".
        is_kept: Leave the fields where they are too.

    Raises:
        InvalidInput: When called on a sample that lacks one, or whose values do not make an array.
    """

    fields: tuple[str, ...]
    output_field: str
    kind: Literal["dict", "list", "array"] = "dict"
    is_kept: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", as_field_names(self.fields, "GatherFields"))
        if self.kind not in ("dict", "list", "array"):
            raise InvalidInput(f"kind is {self.kind!r}: expected 'dict', 'list' or 'array'")

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the result."""
        values = {field: field_value(sample, field) for field in self.fields}
        rest = sample if self.is_kept else {name: value for name, value in sample.items() if name not in values}
        return {**rest, self.output_field: self._gathered(values, sample)}

    def _gathered(self, values: dict[str, Any], sample: Sample) -> Any:
        if self.kind == "dict":
            return values
        if self.kind == "list":
            return list(values.values())
        arrays = {field: np.asarray(value) for field, value in values.items()}
        first = arrays[self.fields[0]]
        for field, array in arrays.items():
            if array.dtype.kind not in "biufc" or array.shape != first.shape:
                raise field_error(
                    sample,
                    field,
                    f"holds {kind_of(values[field])}; expected numbers of the shape {list(first.shape)}, as in "
                    f"{self.fields[0]!r}",
                )
        return np.stack(list(arrays.values()))  # [num_fields, *shape]
