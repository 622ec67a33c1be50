"""Arrays and numbers of another kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.number_types import as_number_type, converted
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["ConvertDtype"]


@dataclass(frozen=True, slots=True)
class ConvertDtype:
    """The numbers in a field become an array of a kind, of the same shape; nested lists of equal length too.

    Floats are rounded; integers and booleans must hold every value exactly, nothing wraps around.

    Attributes:
        field: Holds an array, a number or lists of numbers, and gets the array. A number gives an array of no axes.
        dtype: Such as "float32".

    Raises:
        InvalidInput: When called on a sample whose field holds no numbers, or some that do not fit.
    """

    field: str
    dtype: str

    def __post_init__(self) -> None:
        as_number_type(self.dtype)

    def __call__(self, sample: Sample) -> Sample:
        """The sample with an array."""
        value = field_value(sample, self.field)
        try:
            array = np.asarray(value)
        except ValueError:  # lists of different lengths
            array = np.empty(0, object)
        if array.dtype.kind not in "biufc":
            raise field_error(
                sample, self.field, f"holds {kind_of(value)}; expected numbers, or lists of equal length of them"
            )
        try:
            return {**sample, self.field: converted(array, as_number_type(self.dtype))}
        except InvalidInput as error:
            raise field_error(sample, self.field, error.message) from error
