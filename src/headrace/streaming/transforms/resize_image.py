"""Decoded images to another size."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.datasets.images.resizing import Interpolation, Resizer, check_resizing, resize
from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_pixels

__all__ = ["ResizeImage"]


@dataclass(frozen=True, slots=True)
class ResizeImage:
    """Images [height, width, channels] of any size become images of this size, by OpenCV (extra `image`).

    OpenCV's "bilinear" and "bicubic" look at the nearest 4 or 16 pixels only: fast, and grainy where an image shrinks
    to less than half. "area" averages. Pillow (`resizer="pillow"`) averages with all its filters and is slower.

    Attributes:
        size: Height and width; the aspect changes if it is another. Give this or `shorter_side`.
        shorter_side: Pixels of the shorter side; the aspect stays.
        field: Holds the pixels and gets the result.
    """

    size: tuple[int, int] | None = None
    shorter_side: int | None = None
    field: str = "image"
    interpolation: Interpolation = "bilinear"
    resizer: Resizer = "opencv"

    def __post_init__(self) -> None:
        if (self.size is None) == (self.shorter_side is None):
            raise InvalidInput("ResizeImage takes one of size=(height, width) and shorter_side=pixels")
        if min(self.size or (self.shorter_side or 0,)) < 1:
            raise InvalidInput(f"ResizeImage: a side of {self.size or self.shorter_side} pixels; expected at least 1")
        check_resizing(self.interpolation, self.resizer)

    def __call__(self, sample: Sample) -> Sample:
        """The sample with an image of the size."""
        pixels = field_pixels(sample, self.field)  # [height, width, channels]
        size = self.size or self._kept_aspect(pixels.shape[0], pixels.shape[1])
        resized = resize(pixels, size=size, interpolation=self.interpolation, resizer=self.resizer)
        return {**sample, self.field: resized}

    def _kept_aspect(self, height: int, width: int) -> tuple[int, int]:
        side = self.shorter_side or 1
        if height <= width:
            return side, max(1, round(width * side / height))
        return max(1, round(height * side / width)), side
