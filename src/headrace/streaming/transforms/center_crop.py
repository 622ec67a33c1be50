"""The middle of decoded images."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.streaming.samples import Sample
from headrace.streaming.transforms.crop_windows import aspect_window, centered
from headrace.streaming.transforms.image_sizes import check_size, fitting_size
from headrace.streaming.transforms.sample_fields import field_pixels

__all__ = ["CenterCrop"]


@dataclass(frozen=True, slots=True)
class CenterCrop:
    """Cut the middle out of images [height, width, channels]; a view, nothing is copied.

    Attributes:
        size: Height and width in pixels; an image that is smaller is refused. None: the largest square.
        field: Holds the pixels and gets the result.

    Raises:
        InvalidInput: When called on a sample whose image is smaller than the size.
    """

    size: tuple[int, int] | None = None
    field: str = "image"

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the middle of its image."""
        pixels = field_pixels(sample, self.field)  # [height, width, channels]
        height, width = pixels.shape[:2]
        if self.size is None:
            window = aspect_window(height, width, aspect=1.0)
        else:
            window = fitting_size(sample, self.field, self.size)
        return {**sample, self.field: centered(height, width, window=window).of(pixels)}
