"""Images that can be decoded as a whole and have a size that is wanted."""

from __future__ import annotations

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from headrace.curation.media import Media
from headrace.curation.operator import operator
from headrace.curation.results import Drop
from headrace.datasets.probes.image_header import verify_checksums
from headrace.errors import InvalidInput
from headrace.units import format_count

__all__ = ["image_verify"]

ImageFormat = Literal["jpeg", "png", "gif", "webp", "bmp", "tiff"]
Positive = Annotated[int, Field(ge=1)]


@operator(
    name="image.verify",
    version=1,
    outputs={"format": pa.string()},
    library="simplejpeg, pillow",
    oracle="planted damage",
    gil_free=True,
)
def image_verify(
    image: Media,
    *,
    min_side: Positive = 1,
    max_side: Positive | None = None,
    max_pixels: Positive = 178_956_970,
    max_aspect: float | None = None,
    formats: list[ImageFormat] | None = None,
    damaged: Literal["fail", "drop"] = "fail",
) -> str | Drop:
    """The format of an image whose every pixel can be decoded; others fail or leave.

    The header is checked first, so an image that is dropped for its size is never decoded. What decoders repair
    silently counts as damage: cut-off or inconsistent JPEG data, wrong checksums. Bytes behind the end are accepted.

    Args:
        min_side: Pixels of the shorter side; smaller images are dropped.
        max_side: Pixels of the longer side; larger images are dropped.
        max_pixels: Width times height, read from the header; larger images are dropped.
        max_aspect: Longer side over shorter side; more extreme images are dropped.
        formats: Those to keep; by default all six.
        damaged: "fail" puts an image that cannot be decoded into quarantine, "drop" drops it with the reason.
    """
    try:
        header = verify_checksums(image.data, image.name)
        width, height = image.size()
        refusal = _refusal(width, height, min_side, max_side, max_pixels, max_aspect)
        if refusal is not None:
            return refusal
        if formats is not None and header.format not in formats:
            return Drop("format is not wanted", header.format, ", ".join(formats))
        image.grey()  # not colours: the coded data are the same, and the metrics of the stage go on with it
    except InvalidInput as error:
        if damaged == "drop":
            return Drop(f"damaged: {error.message}")
        raise
    return header.format or ""


def _refusal(
    width: int,
    height: int,
    min_side: int,
    max_side: int | None,
    max_pixels: int,
    max_aspect: float | None,
) -> Drop | None:
    shorter, longer = min(width, height), max(width, height)
    if shorter < min_side:
        return Drop("shorter side is below min_side", shorter, min_side)
    if max_side is not None and longer > max_side:
        return Drop("longer side is above max_side", longer, max_side)
    if width * height > max_pixels:
        return Drop("more pixels than max_pixels", format_count(width * height), format_count(max_pixels))
    if max_aspect is not None and longer > max_aspect * shorter:
        return Drop("longer over shorter side is above max_aspect", round(longer / shorter, 4), max_aspect)
    return None
