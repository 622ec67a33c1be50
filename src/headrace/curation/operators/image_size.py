"""Sizes of images, from their headers."""

from __future__ import annotations

import pyarrow as pa

from headrace.curation.media import Media
from headrace.curation.operator import operator

__all__ = ["image_size"]


@operator(
    name="image.size",
    version=1,
    outputs={"width": pa.int32(), "height": pa.int32(), "aspect": pa.float64(), "pixels": pa.int64()},
    library="simplejpeg, pillow",
    oracle="opencv",
    gil_free=True,
)
def image_size(image: Media) -> dict[str, int | float]:
    """Width and height in pixels, width over height, and width times height; nothing is decoded.

    As stored: an EXIF orientation that would turn the image on a screen is not looked at.
    """
    width, height = image.size()
    return {"width": width, "height": height, "aspect": width / height, "pixels": width * height}
