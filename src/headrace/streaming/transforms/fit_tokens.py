"""Sequences of embeddings, all of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["FitTokens"]


@dataclass(frozen=True, slots=True)
class FitTokens:
    """Embeddings [num_found, *rest] become [num_tokens, *rest]: cut behind, or filled up with zeros behind.

    Both results lie in the memory of the batch.

    Attributes:
        num_tokens: Of the result.
        field: Holds the array and gets the result.
        mask_field: Gets a bool [num_tokens], true for tokens that were there; None leaves it out.

    Raises:
        InvalidInput: When called on a sample whose field holds no such array.
    """

    needs_context: ClassVar[bool] = True

    num_tokens: int
    field: str = "embedding"
    mask_field: str | None = None

    def __post_init__(self) -> None:
        if self.num_tokens < 1:
            raise InvalidInput(f"num_tokens is {self.num_tokens}: expected at least 1")

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with an array of the length."""
        array = field_value(sample, self.field)
        if not isinstance(array, np.ndarray) or array.ndim == 0 or array.dtype.kind not in "biufc":
            raise field_error(
                sample,
                self.field,
                f"holds {kind_of(array)}; expected an array [num_tokens, …]: put LoadArray before this",
            )
        kept = min(len(array), self.num_tokens)
        room = context.output(f"{self.field}", (self.num_tokens, *array.shape[1:]), np.dtype(array.dtype))
        if np.shares_memory(room, array):
            array = array.copy()  # LoadArray put it into the same room
        room[:kept] = array[:kept]
        room[kept:] = 0
        fitted = {**sample, self.field: room}
        if self.mask_field is not None:
            mask = context.output(self.mask_field, (self.num_tokens,), np.dtype(np.bool_))  # [num_tokens]
            mask[:kept] = True
            mask[kept:] = False
            fitted[self.mask_field] = mask
        return fitted
