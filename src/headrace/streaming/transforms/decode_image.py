"""Encoded images to pixels."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.datasets.images.decode_options import DecodeOptions
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.image_reading import image_pixels

__all__ = ["DecodeImage"]


@dataclass(frozen=True, slots=True)
class DecodeImage(DecodeOptions):
    """The bytes of a JPEG, PNG, GIF, WebP, BMP or TIFF become uint8 [height, width, channels].

    Where one size is wanted in the end `ImageToTensor` is faster than a chain of single steps.

    Attributes:
        field: Holds the bytes.
        output_field: Gets the pixels; by default the same field.

    Raises:
        InvalidInput: When called on a sample whose image cannot be decoded.
    """

    field: str = "image"
    output_field: str | None = None

    def __call__(self, sample: Sample) -> Sample:
        """The sample with pixels."""
        return {**sample, self.output_field or self.field: image_pixels(sample, self.field, self)}
