"""A field with one value for all samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.streaming.samples import Sample

__all__ = ["AddConstant"]


@dataclass(frozen=True, slots=True)
class AddConstant:
    """Put a value into a field, also where one is there. All samples share the value: do not change it in place."""

    field: str
    value: Any

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the value."""
        return {**sample, self.field: self.value}
