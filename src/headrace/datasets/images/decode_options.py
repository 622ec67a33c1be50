"""How an encoded image becomes pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headrace.datasets.probes.image_header import MAX_IMAGE_PIXELS
from headrace.errors import InvalidInput
from headrace.units import format_count

__all__ = ["DecodeOptions", "ImageMode"]

ImageMode = Literal["RGB", "GRAY", "RGBA"]

_CHANNELS: dict[str, int] = {"RGB": 3, "GRAY": 1, "RGBA": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """Rules that every transform which decodes images follows.

    - Palettes are looked up, one bit becomes 0 or 255, 16 bits keep their high byte, CMYK and YCCK become RGB by
      Pillow's formula without colour profiles. Of an animation the first frame is taken.
    - "RGB" repeats the value of gray images, "GRAY" takes the luma of ITU-R 601-2, "RGBA" adds an alpha of 255.
    - Where "RGB" or "GRAY" is asked of an image with transparency, alpha is dropped, as Pillow's `convert` does it;
      with a `background` the image is laid over that colour instead.
    - Pixels of 32 bits (integers or floats) are refused: they have no stated range.

    Attributes:
        mode: Channels of the result: "RGB" 3, "GRAY" 1, "RGBA" 4.
        background: Red, green and blue, 0 to 255; None drops alpha.
        max_pixels: Width times height that is accepted, read from the header before anything is decoded.
        apply_orientation: Turn the image as its EXIF tag says. Off by default: boxes, and the width and height that
            are stored beside an image, mean the image as it is stored.
        verify: Also refuse what decoders repair: damaged JPEG data, wrong checksums. Non-JPEG images take twice as
            long then.
    """

    mode: ImageMode = "RGB"
    background: tuple[int, int, int] | None = None
    max_pixels: int = 178_956_970  # Pillow's limit
    apply_orientation: bool = False
    verify: bool = False

    def __post_init__(self) -> None:
        if self.mode not in _CHANNELS:
            raise InvalidInput(f"mode is {self.mode!r}: expected 'RGB', 'GRAY' or 'RGBA'")
        if not 1 <= self.max_pixels <= MAX_IMAGE_PIXELS:
            raise InvalidInput(
                f"max_pixels is {self.max_pixels}: expected 1 to {format_count(MAX_IMAGE_PIXELS)}, as in lakes"
            )
        if self.background is not None and (
            len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background)
        ):
            raise InvalidInput(f"background is {self.background!r}: expected red, green and blue, each 0 to 255")

    @property
    def num_channels(self) -> int:
        """Channels of a decoded image."""
        return _CHANNELS[self.mode]
