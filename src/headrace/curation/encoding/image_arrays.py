"""An image as the array that a model takes: resized, cropped, normalised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling, fromarray

from headrace.curation.media import Media
from headrace.errors import InvalidInput

__all__ = ["Colour", "Fit", "ImageArrays", "Interpolation", "Layout"]

Fit = Literal["crop", "stretch", "exact"]
Interpolation = Literal["bicubic", "bilinear", "lanczos", "box", "nearest"]
Colour = Literal["rgb", "bgr", "grey"]
Layout = Literal["channels_first", "channels_last"]


@dataclass(frozen=True, slots=True)
class ImageArrays:
    """How images are prepared. Pillow resizes in whole numbers, so the pixels are the same on any machine.

    Attributes:
        height: Of what the model takes, in pixels; `width` too.
        mean: One for each channel; `std` too. A value is (pixel / 255 - mean) / std in float32.
    """

    height: int
    width: int
    fit: Fit
    interpolation: Interpolation
    colour: Colour
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout

    @classmethod
    def of(
        cls,
        size: int | Sequence[int],
        *,
        fit: Fit,
        interpolation: Interpolation,
        colour: Colour,
        mean: Sequence[float],
        std: Sequence[float],
        layout: Layout,
    ) -> ImageArrays:
        """Checked.

        Raises:
            InvalidInput: Numbers of mean and std that fit no channels, a std of 0, or a size that is none.
        """
        sides = [size, size] if isinstance(size, int) else list(size)
        if len(sides) != 2 or min(sides) < 1:
            raise InvalidInput(f"setting size is {size!r}; expected pixels, or [height, width]")
        channels = 1 if colour == "grey" else 3
        wide = {"mean": list(mean) * (channels if len(mean) == 1 else 1)}
        wide["std"] = list(std) * (channels if len(std) == 1 else 1)
        for name, values in wide.items():
            if len(values) != channels:
                raise InvalidInput(f"setting {name} has {len(values)} numbers; {colour} has {channels} channels")
        if not all(wide["std"]):
            raise InvalidInput(f"setting std is {list(std)}; values are divided by it, so none may be 0")
        return cls(sides[0], sides[1], fit, interpolation, colour, tuple(wide["mean"]), tuple(wide["std"]), layout)

    def array(self, image: Media) -> NDArray[Any]:
        """float32 [channels, height, width], or [height, width, channels] with layout channels_last.

        Raises:
            InvalidInput: It cannot be decoded, or has another size where `fit` is "exact".
        """
        pixels = image.grey()[:, :, None] if self.colour == "grey" else image.pixels()
        sized = self._sized(pixels, image.name)  # uint8 [height, width, channels]
        if self.colour == "bgr":
            sized = sized[:, :, ::-1]
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        levels = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
        table = (levels - mean) / std  # [256, channels]
        values = table[sized, np.arange(sized.shape[2])]  # [height, width, channels]
        return np.ascontiguousarray(values.transpose(2, 0, 1) if self.layout == "channels_first" else values)

    def _sized(self, pixels: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        if (height, width) == (self.height, self.width):
            return pixels
        if self.fit == "exact":
            raise InvalidInput(
                f"{name or 'the image'} is {width}x{height}; the model takes {self.width}x{self.height}, and fit is "
                "'exact'"
            )
        target = (self.width, self.height)
        if self.fit == "crop":  # the smallest that covers the target, rounded as torchvision and Transformers do
            if self.height * width <= self.width * height:
                target = (self.width, max(self.height, int(self.width * height / width)))
            else:
                target = (max(self.width, int(self.height * width / height)), self.height)
        picture = fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        resized = np.asarray(picture.resize(target, Resampling[self.interpolation.upper()]))
        top, left = (target[1] - self.height) // 2, (target[0] - self.width) // 2
        cut = resized[top : top + self.height, left : left + self.width]
        return cut[:, :, None] if cut.ndim == 2 else cut
