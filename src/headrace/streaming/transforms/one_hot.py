"""Class numbers as vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.number_types import as_number_type
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["OneHot"]


@dataclass(frozen=True, slots=True)
class OneHot:
    """The number of a class becomes a vector [num_classes] of 0 with a 1 at its place; of several, several ones.

    Attributes:
        num_classes: Numbers are 0 to num_classes - 1.
        field: Holds the number, or a list or array [num_labels] of them.
        output_field: Gets the vector; by default the same field.
        dtype: Of the vector.

    Raises:
        InvalidInput: When called on a sample whose number is out of range or none.
    """

    needs_context: ClassVar[bool] = True

    num_classes: int
    field: str = "label"
    output_field: str | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        as_number_type(self.dtype)
        if self.num_classes < 1:
            raise InvalidInput(f"num_classes is {self.num_classes}: expected at least 1")

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with a vector."""
        value = field_value(sample, self.field)
        numbers = np.asarray(value if value is not None else np.nan)
        if numbers.size == 0:
            numbers = numbers.astype(np.int64)
        if numbers.dtype.kind not in "iu" or numbers.ndim > 1:
            raise field_error(
                sample,
                self.field,
                f"holds {kind_of(value)}; expected the number of a class: put ClassNameToId before this",
            )
        if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < self.num_classes:
            raise field_error(sample, self.field, f"holds {value!r}; expected numbers of 0 to {self.num_classes - 1}")
        name = self.output_field or self.field
        vector = context.output(name, (self.num_classes,), as_number_type(self.dtype))  # [num_classes]
        vector[...] = 0
        vector[numbers] = 1
        return {**sample, name: vector}
