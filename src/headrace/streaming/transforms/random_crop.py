"""A random part of decoded images, of fixed size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.crop_windows import aspect_window, placed_at_random
from headrace.streaming.transforms.image_sizes import check_size, common_size, fitting_size
from headrace.streaming.transforms.sample_fields import field_pixels

__all__ = ["RandomCrop"]


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """Cut a part at a random place out of images [height, width, channels]; a view, nothing is copied.

    Attributes:
        size: Height and width in pixels; an image that is smaller is refused. None: the largest square.
        field: Holds the pixels and gets the result.
        also: Further fields that get the same crop, as masks; their images have the same height and width.

    Raises:
        InvalidInput: When called on a sample whose image is smaller than the size.
    """

    needs_context: ClassVar[bool] = True

    size: tuple[int, int] | None = None
    field: str = "image"
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_size(self.size)

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with a part of its image; two random numbers are drawn."""
        fields = (self.field, *self.also)
        height, width = common_size(sample, fields)
        if self.size is None:
            size = aspect_window(height, width, aspect=1.0)
        else:
            size = fitting_size(sample, self.field, self.size)
        window = placed_at_random(height, width, window=size, random=context.random)
        return {**sample, **{field: window.of(field_pixels(sample, field)) for field in fields}}
