"""Heights and widths that crops ask for."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_error, field_pixels

__all__ = ["check_size", "common_size", "fitting_size"]


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse what is no size.

    Raises:
        InvalidInput: Not two positive whole numbers.
    """
    if size is None:
        return
    if not isinstance(size, tuple) or len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise InvalidInput(f"size is {size!r}: expected (height, width) in pixels, each at least 1")


def fitting_size(sample: Sample, field: str, size: tuple[int, int]) -> tuple[int, int]:
    """The size itself.

    Raises:
        InvalidInput: The image in the field is smaller.
    """
    height, width = field_pixels(sample, field).shape[:2]
    if size[0] > height or size[1] > width:
        raise field_error(
            sample,
            field,
            f"is an image of {height} x {width} pixels (height x width); the crop needs {size[0]} x {size[1]} or more: "
            "put ResizeImage(shorter_side=…) before it, or leave small images out with where=",
        )
    return size


def common_size(sample: Sample, fields: Sequence[str]) -> tuple[int, int]:
    """Height and width of the images in these fields, which get the same crop.

    Raises:
        InvalidInput: They differ.
    """
    height, width = field_pixels(sample, fields[0]).shape[:2]
    for field in fields[1:]:
        other = field_pixels(sample, field).shape[:2]
        if other != (height, width):
            raise field_error(
                sample,
                field,
                f"is an image of {other[0]} x {other[1]} pixels (height x width), but {fields[0]!r} has {height} x "
                f"{width}; one crop for both needs one size: put ResizeImage before it",
            )
    return height, width
