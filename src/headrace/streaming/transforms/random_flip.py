"""Decoded images mirrored at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from headrace.datasets.images.opencv import find_opencv
from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.sample_fields import field_pixels

__all__ = ["RandomFlip", "check_probability", "mirrored"]


def check_probability(probability: float, name: str) -> None:
    """Refuse what is no probability.

    Raises:
        InvalidInput: Not within 0 to 1.
    """
    if not 0 <= probability <= 1:
        raise InvalidInput(f"{name} is {probability!r}: expected 0 to 1")


def mirrored(
    pixels: np.ndarray,  # [height, width, channels]
) -> np.ndarray:
    """Left and right exchanged; a copy, because OpenCV makes it far faster than anyone reads a reversed view."""
    opencv = find_opencv()
    if opencv is None or pixels.dtype != np.uint8:
        return np.ascontiguousarray(pixels[:, ::-1])
    flipped: np.ndarray = opencv.flip(pixels, 1)
    return flipped.reshape(pixels.shape)


@dataclass(frozen=True, slots=True)
class RandomFlip:
    """Mirror images [height, width, channels] with a probability.

    Attributes:
        probability: 0 to 1.
        axis: "horizontal" exchanges left and right, "vertical" top and bottom.
        field: Holds the pixels and gets the result.
        also: Further fields that are mirrored together with it, as masks.
    """

    needs_context: ClassVar[bool] = True

    probability: float = 0.5
    axis: Literal["horizontal", "vertical"] = "horizontal"
    field: str = "image"
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_probability(self.probability, "probability")
        if self.axis not in ("horizontal", "vertical"):
            raise InvalidInput(f"axis is {self.axis!r}: expected 'horizontal' or 'vertical'")

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample, its image mirrored or not; one random number is drawn."""
        is_flipped = context.random.uniform() < self.probability
        pixels = {field: field_pixels(sample, field) for field in (self.field, *self.also)}
        if not is_flipped:
            return sample
        if self.axis == "vertical":
            return {**sample, **{field: np.ascontiguousarray(image[::-1]) for field, image in pixels.items()}}
        return {**sample, **{field: mirrored(image) for field, image in pixels.items()}}
