"""How light and how contrasty an image is."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from headrace.curation.media import Media
from headrace.curation.operator import operator
from headrace.errors import InvalidInput

__all__ = ["image_exposure"]

GreyValue = Annotated[int, Field(ge=0, le=255)]
_VALUES = np.arange(256, dtype=np.int64)


@operator(
    name="image.exposure",
    version=1,
    outputs={
        "brightness": pa.float64(),
        "contrast": pa.float64(),
        "dark_share": pa.float64(),
        "bright_share": pa.float64(),
    },
    library="opencv, numpy",
    oracle="scipy.ndimage",
    gil_free=True,
)
def image_exposure(image: Media, *, dark: GreyValue = 10, bright: GreyValue = 245) -> dict[str, float]:
    """Mean and standard deviation of the luma, as shares of 255, and the shares of pixels that are dark or bright.

    Contrast is the deviation of all pixels (divided by their number), known as RMS contrast; 0 to 0.5. Sums are exact
    whole numbers, so the values are the same on any machine that decodes the same pixels.

    Args:
        dark: Pixels up to this value count as dark.
        bright: Pixels from this value on count as bright.
    """
    if dark >= bright:
        raise InvalidInput(f"image.exposure: dark is {dark} and bright {bright}; expected dark below bright")
    histogram = image.grey_histogram()  # [256]
    num_pixels = int(histogram.sum())
    total = int((histogram * _VALUES).sum())
    squares = int((histogram * _VALUES * _VALUES).sum())
    deviation = math.sqrt((num_pixels * squares - total * total) / (num_pixels * num_pixels))
    return {
        "brightness": total / (255 * num_pixels),
        "contrast": deviation / 255,
        "dark_share": int(histogram[: dark + 1].sum()) / num_pixels,
        "bright_share": int(histogram[bright:].sum()) / num_pixels,
    }
