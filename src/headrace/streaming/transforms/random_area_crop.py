"""A random part of decoded images, of random size and aspect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.crop_windows import area_window
from headrace.streaming.transforms.image_sizes import common_size
from headrace.streaming.transforms.sample_fields import field_pixels

__all__ = ["RandomAreaCrop", "check_area"]


def check_area(area: tuple[float, float], aspect: tuple[float, float]) -> None:
    """Refuse bounds that no crop can keep.

    Raises:
        InvalidInput: Not above 0, the lower above the upper, or an area above 1.
    """
    if not 0 < area[0] <= area[1] <= 1:
        raise InvalidInput(f"area is {area!r}: expected (smallest, largest) shares above 0 and up to 1")
    if not 0 < aspect[0] <= aspect[1]:
        raise InvalidInput(f"aspect is {aspect!r}: expected (smallest, largest) width over height, above 0")


@dataclass(frozen=True, slots=True)
class RandomAreaCrop:
    """Cut a part of random area and aspect out of images [height, width, channels]; `ResizeImage` follows.

    Source: Szegedy et al., Going Deeper with Convolutions, 2014.

    Attributes:
        area: Smallest and largest share of the image's area.
        aspect: Smallest and largest width over height of the part.
        field: Holds the pixels and gets the result.
        also: Further fields that get the same crop, as masks; their images have the same height and width.
    """

    needs_context: ClassVar[bool] = True

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    field: str = "image"
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_area(self.area, self.aspect)

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with a part of its image; four or more random numbers are drawn."""
        fields = (self.field, *self.also)
        height, width = common_size(sample, fields)
        window = area_window(height, width, area=self.area, aspect=self.aspect, random=context.random)
        return {**sample, **{field: window.of(field_pixels(sample, field)) for field in fields}}
