"""Encoded images to what a model takes, in one step and with the fewest copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from headrace.datasets.images.decode_options import DecodeOptions
from headrace.datasets.images.resizing import Interpolation, Resizer, check_resizing, resize
from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.crop_windows import Window, area_window, aspect_window, centered, placed_at_random
from headrace.streaming.transforms.image_reading import image_pixels
from headrace.streaming.transforms.image_sizes import check_size
from headrace.streaming.transforms.normalise import check_scale, normalise_into
from headrace.streaming.transforms.pixel_layout import Channels, check_channels, copy_channels_first, image_shape
from headrace.streaming.transforms.random_area_crop import check_area
from headrace.streaming.transforms.random_flip import check_probability, mirrored

__all__ = ["Crop", "ImageToTensor"]

Crop = Literal["center", "random", "random_area", "none"]


@dataclass(frozen=True, slots=True)
class ImageToTensor(DecodeOptions):
    """Decode, crop, resize, mirror and lay out: the bytes of an image become an array for a model.

    The result, uint8 or float32, [channels, height, width] or [height, width, channels], is written into the memory
    of the batch, so that collating copies nothing: make it the last transform of its field. `batch_format="torch"`
    of the loader gives tensors over the same memory.

    Attributes:
        resolution: Pixels of a square's side, or (height, width).
        field: Holds the bytes.
        output_field: Gets the result; by default the same field.
        crop: "center": the largest window of the resolution's aspect, in the middle. "random": the same window
            anywhere. "random_area": a window of random area and aspect (see `RandomAreaCrop`). "none": the whole
            image, whose aspect changes.
        area: Smallest and largest share of the area, for "random_area".
        aspect: Smallest and largest width over height of the window, for "random_area".
        flip_probability: Of left and right exchanged. With 0 no random number is drawn.
        channels: "first" gives [channels, height, width], "last" [height, width, channels].
        mean: With `std`: float32 `(value / 255 - mean) / std`, see `Normalise`. None: uint8.
        std: As many numbers as `mean`.
        interpolation: See `ResizeImage`.
        resizer: "opencv" (extra `image`) or "pillow"; their pixels differ.
        scaled_decode: A JPEG that is at least twice as large as needed is decoded at 1/2, 1/4 or 1/8 of its size. Far
            faster for photos from cameras; the pixels are other ones, usually with less grain. Not with "random_area".

    Raises:
        InvalidInput: When called on a sample whose image cannot be decoded; names sample and field.
        MissingExtra: When called and OpenCV is not installed.
    """

    needs_context: ClassVar[bool] = True

    resolution: int | tuple[int, int] = 224
    field: str = "image"
    output_field: str | None = None
    crop: Crop = "center"
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip_probability: float = 0.0
    channels: Channels = "first"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: Interpolation = "bilinear"
    resizer: Resizer = "opencv"
    scaled_decode: bool = False

    def __post_init__(self) -> None:
        DecodeOptions.__post_init__(self)
        check_size(self.size)
        if self.crop not in ("center", "random", "random_area", "none"):
            raise InvalidInput(f"crop is {self.crop!r}: expected 'center', 'random', 'random_area' or 'none'")
        if self.scaled_decode and self.crop == "random_area":
            raise InvalidInput(
                "scaled_decode with crop='random_area': small windows need all pixels; leave one of them out"
            )
        if (self.mean is None) != (self.std is None):
            raise InvalidInput("mean and std come together: both for floats, none of them for uint8")
        if self.mean is not None and self.std is not None:
            check_scale(self.mean, self.std)
            if len(self.mean) not in (1, self.num_channels):
                raise InvalidInput(
                    f"mean has {len(self.mean)} numbers, and mode {self.mode!r} {self.num_channels} channels; expected "
                    f"1 or {self.num_channels}"
                )
        check_area(self.area, self.aspect)
        check_probability(self.flip_probability, "flip_probability")
        check_channels(self.channels)
        check_resizing(self.interpolation, self.resizer)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return (self.resolution, self.resolution) if isinstance(self.resolution, int) else self.resolution

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with an array; crop and flip draw their random numbers in this order, if they are random."""
        pixels = image_pixels(sample, self.field, self, at_least=self._smallest_decode())  # [height, width, channels]
        if self.crop != "none":
            pixels = self._window(pixels.shape[0], pixels.shape[1], context).of(pixels)
        is_flipped = self.flip_probability > 0 and context.random.uniform() < self.flip_probability
        name = self.output_field or self.field
        shape = image_shape(*self.size, self.num_channels, channels=self.channels)
        room = context.output(name, shape, np.dtype(np.uint8 if self.mean is None else np.float32))
        self._write(pixels, room, is_flipped=is_flipped)
        return {**sample, name: room}

    def _smallest_decode(self) -> tuple[int, int] | None:
        if not self.scaled_decode:
            return None
        if not self.apply_orientation:
            return self.size
        longer = max(self.size)  # which side is which is not known yet
        return longer, longer

    def _window(self, height: int, width: int, context: SampleContext) -> Window:
        if self.crop == "random_area":
            return area_window(height, width, area=self.area, aspect=self.aspect, random=context.random)
        window = aspect_window(height, width, aspect=self.size[1] / self.size[0])
        if self.crop == "random":
            return placed_at_random(height, width, window=window, random=context.random)
        return centered(height, width, window=window)

    def _write(
        self,
        pixels: np.ndarray,  # uint8 [height, width, channels]
        room: np.ndarray,  # the result
        *,
        is_flipped: bool,
    ) -> None:
        is_last_step = self.channels == "last" and self.mean is None and not is_flipped and room.flags.c_contiguous
        resized = resize(
            pixels,
            size=self.size,
            interpolation=self.interpolation,
            resizer=self.resizer,
            into=room if is_last_step else None,
        )  # [self.size[0], self.size[1], channels]
        if is_last_step:
            return
        if is_flipped:
            resized = mirrored(resized)
        if self.mean is not None and self.std is not None:
            normalise_into(resized, room, mean=self.mean, std=self.std, channels=self.channels)
        elif self.channels == "first":
            copy_channels_first(resized, room)
        else:
            np.copyto(room, resized)
