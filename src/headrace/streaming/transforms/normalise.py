"""Pixels of 0 to 255 as floats around zero: the last step for models that take floats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from headrace.datasets.images.opencv import find_opencv
from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.pixel_layout import Channels, check_channels, copy_channels_first, image_shape
from headrace.streaming.transforms.sample_fields import field_error, field_pixels, kind_of

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Normalise", "check_scale", "normalise_into"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue over ImageNet's photos, for values of 0 to 1."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Their standard deviations."""


def check_scale(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Refuse what cannot scale an image.

    Raises:
        InvalidInput: Different lengths, neither 1 nor that of an image's channels, or a deviation of 0.
    """
    if not 1 <= len(mean) <= 4 or len(mean) != len(std) or not all(value > 0 for value in std):
        raise InvalidInput(
            f"mean is {mean!r} and std {std!r}: expected one number each, or one for every channel, with std above 0"
        )


@lru_cache(maxsize=64)
def _table(mean: float, std: float) -> np.ndarray:
    """What each of the 256 values becomes, float32 [256]; worked out in double, so that it is the same everywhere."""
    table = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    table.flags.writeable = False
    return table


def normalise_into(
    pixels: np.ndarray,  # uint8 [height, width, channels]
    room: np.ndarray,  # float32, in the layout `channels`
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    channels: Channels,
) -> None:
    """Write `(pixels / 255 - mean) / std` into the room."""
    opencv = find_opencv()
    num_channels = pixels.shape[2]
    if channels == "first":
        planes = np.empty((num_channels, *pixels.shape[:2]), np.uint8)
        copy_channels_first(pixels, planes)
    for idx in range(num_channels):
        table = _table(mean[idx % len(mean)], std[idx % len(std)])
        if channels == "last":
            np.take(table, pixels[:, :, idx], out=room[:, :, idx], mode="clip")
        elif opencv is None or not room.flags.c_contiguous:
            np.take(table, planes[idx], out=room[idx], mode="clip")
        else:
            opencv.LUT(planes[idx], table, room[idx])  # measured at 224: half the time of NumPy's


@dataclass(frozen=True, slots=True)
class Normalise:
    """Images uint8 [height, width, channels] become float32: `(value / 255 - mean) / std`.

    The result lies in the memory of the batch, so that collating copies nothing: make it the last transform of its
    field.

    Attributes:
        mean: One number, or one for every channel, for values of 0 to 1. The defaults give -1 to 1.
        std: As many numbers, above 0.
        channels: "first" gives [channels, height, width], "last" [height, width, channels].
        field: Holds the pixels and gets the result.

    Raises:
        InvalidInput: When called on a sample whose image is not uint8, or has another number of channels.
    """

    needs_context: ClassVar[bool] = True

    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    channels: Channels = "first"
    field: str = "image"

    def __post_init__(self) -> None:
        check_scale(self.mean, self.std)
        check_channels(self.channels)

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with floats."""
        pixels = field_pixels(sample, self.field)  # [height, width, channels]
        height, width, num_channels = pixels.shape
        if pixels.dtype != np.uint8 or len(self.mean) not in (1, num_channels):
            raise field_error(
                sample,
                self.field,
                f"holds {kind_of(pixels)}; expected uint8 [height, width, {len(self.mean)}], because there are "
                f"{len(self.mean)} numbers in mean: see mode= of DecodeImage",
            )
        shape = image_shape(height, width, num_channels, channels=self.channels)
        room = context.output(self.field, shape, np.dtype(np.float32))
        normalise_into(pixels, room, mean=self.mean, std=self.std, channels=self.channels)
        return {**sample, self.field: room}
