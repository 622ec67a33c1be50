"""Images that are looked at closely and stay as they are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from headrace.datasets.images.decode_options import DecodeOptions
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.image_reading import image_pixels

__all__ = ["VerifyImage"]


@dataclass(frozen=True, slots=True)
class VerifyImage(DecodeOptions):
    """Decode every pixel, refuse what is cut off or damaged, and leave the bytes in the field.

    For a pass over a dataset with `on_error="substitute"`, after which the quarantine records name the bad images.

    Attributes:
        field: Holds the bytes.
        verify: On by default here.

    Raises:
        InvalidInput: When called on a sample whose image cannot be decoded.
    """

    field: str = "image"
    verify: bool = dataclasses.field(default=True, kw_only=True)

    def __call__(self, sample: Sample) -> Sample:
        """The same sample."""
        image_pixels(sample, self.field, self)
        return sample
