"""Latents, embeddings and other arrays that were computed before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headrace.errors import InvalidInput, MissingExtra
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.array_files import read_array
from headrace.streaming.transforms.number_types import as_number_type, converted
from headrace.streaming.transforms.sample_fields import field_bytes, field_error
from headrace.streaming.transforms.unpacking import DEFAULT_MAX_BYTES

__all__ = ["LoadArray"]


@dataclass(frozen=True, slots=True)
class LoadArray:
    """The bytes of an .npy, .npz or .pt file, gzipped or not, become an array of the shape that the file says.

    The format is seen from the content. No code in a file is run: pickled objects are refused, and torch reads .pt
    files with `weights_only`. Of bfloat16, which NumPy does not know, float32 is made. Byte orders become this
    machine's. The result lies in the memory of the batch, so that collating arrays of one shape copies nothing.

    Attributes:
        field: Holds the bytes.
        key: Which array of several: the name in an .npz file, dotted names in the dicts of a .pt file.
        dtype: Such as "float32"; None keeps the file's.
        output_field: Gets the array; by default the same field.
        max_bytes: That the content may take unpacked.

    Raises:
        InvalidInput: When called on a sample whose field holds no such file; names sample and field.
        MissingExtra: When called on a .pt file, and torch is not installed.
    """

    needs_context: ClassVar[bool] = True

    field: str
    key: str | None = None
    dtype: str | None = None
    output_field: str | None = None
    max_bytes: int = DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        if self.dtype is not None:
            as_number_type(self.dtype)

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with an array."""
        data = field_bytes(sample, self.field)
        try:
            array = read_array(data, key=self.key, max_bytes=self.max_bytes)
            if array.dtype.kind not in "biufc":
                raise InvalidInput(f"holds an array of {array.dtype}; expected numbers")
            dtype = array.dtype.newbyteorder("=") if self.dtype is None else as_number_type(self.dtype)
            name = self.output_field or self.field
            room = context.output(name, array.shape, dtype)
            np.copyto(room, converted(array, dtype), casting="unsafe")
        except MissingExtra:
            raise
        except InvalidInput as error:
            raise field_error(sample, self.field, error.message) from error
        return {**sample, name: room}
