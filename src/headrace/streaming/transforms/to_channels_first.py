"""The last step for decoded images that stay uint8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.pixel_layout import copy_channels_first
from headrace.streaming.transforms.sample_fields import field_pixels

__all__ = ["ToChannelsFirst"]


@dataclass(frozen=True, slots=True)
class ToChannelsFirst:
    """Images [height, width, channels] become [channels, height, width] of the same dtype.

    The result lies in the memory of the batch, so that collating copies nothing: make it the last transform of its
    field. For floats take `Normalise` in its place.

    Attributes:
        field: Holds the pixels and gets the result.
    """

    needs_context: ClassVar[bool] = True

    field: str = "image"

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with planes."""
        pixels = field_pixels(sample, self.field)  # [height, width, channels]
        height, width, num_channels = pixels.shape
        room = context.output(self.field, (num_channels, height, width), np.dtype(pixels.dtype))
        copy_channels_first(pixels, room)
        return {**sample, self.field: room}
