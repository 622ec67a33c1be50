"""Images at another size, encoded anew."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import simplejpeg
from numpy.typing import NDArray
from PIL.Image import fromarray
from pydantic import Field

from headrace.curation.media import Media
from headrace.curation.operator import operator
from headrace.curation.results import Replace
from headrace.datasets.images.image_decoding import read_orientation
from headrace.datasets.images.orientation import oriented
from headrace.datasets.images.resizing import Interpolation, resize

__all__ = ["image_resize"]

Side = Annotated[int, Field(ge=1, le=65_535)]
Fit = Literal["inside", "cover", "stretch"]


@operator(
    name="image.resize",
    version=1,
    outputs={"width": pa.int32(), "height": pa.int32()},
    replaces=["image"],
    library="pillow, simplejpeg",
    oracle="definition",
    gil_free=True,
)
def image_resize(
    image: Media,
    *,
    width: Side,
    height: Side,
    fit: Fit = "inside",
    enlarge: bool = False,
    interpolation: Interpolation = "lanczos",
    format: Literal["jpeg", "png", "webp"] = "jpeg",
    quality: Annotated[int, Field(ge=1, le=100)] = 90,
) -> dict[str, Replace | int]:
    """The image at another size, in another format if asked for; the column's bytes are replaced.

    Pillow's filters average over all pixels and count in whole numbers, so the pixels are the same on any machine; the
    bytes also depend on the version of the encoder. The EXIF orientation is applied, as the tag is not kept; alpha is
    dropped, colour profiles too. JPEG is written with 4:2:0 colours, PNG and WebP at Pillow's own level of effort.

    Args:
        width: Pixels of the result, or of the box that it fits into.
        height: Pixels of the result, or of the box that it fits into.
        fit: "inside" keeps the aspect and fits into the box; "cover" keeps it, fills the box and cuts off the middle
            part; "stretch" takes the box as it is.
        enlarge: Also make small images larger; else "inside" leaves them at their size, and the two others shrink
            the box by the same factor until the image fills it.
        interpolation: Pillow's filter of that name; "area" is its BOX.
        format: Of the new bytes.
        quality: Of JPEG and WebP, 1 to 100.
    """
    pixels = oriented(image.pixels(), read_orientation(image.data))  # [height, width, 3]
    box_width, box_height = (width, height) if enlarge or fit == "inside" else _shrunk_box(pixels, width, height)
    if fit == "cover":
        pixels = _centre(pixels, box_width, box_height)
    elif fit == "inside":
        box_width, box_height = _inside(pixels, width, height, enlarge=enlarge)
    small = resize(pixels, size=(box_height, box_width), interpolation=interpolation, resizer="pillow")
    return {
        "image": Replace("image", _encoded(small, format=format, quality=quality)),
        "width": box_width,
        "height": box_height,
    }


def _inside(pixels: NDArray[np.uint8], width: int, height: int, *, enlarge: bool) -> tuple[int, int]:
    """Width and height of the largest image of the same aspect in the box, each at least 1 pixel."""
    old_height, old_width = pixels.shape[:2]
    if not enlarge and old_width <= width and old_height <= height:
        return old_width, old_height
    if old_width * height >= old_height * width:  # the width is what limits it
        return width, max(1, _rounded(old_height * width, old_width))
    return max(1, _rounded(old_width * height, old_height)), height


def _shrunk_box(pixels: NDArray[np.uint8], width: int, height: int) -> tuple[int, int]:
    """The box, or one of its aspect that the image fills without being enlarged."""
    old_height, old_width = pixels.shape[:2]
    if old_width >= width and old_height >= height:
        return width, height
    if old_width * height <= old_height * width:
        return old_width, max(1, _rounded(height * old_width, width))
    return max(1, _rounded(width * old_height, height)), old_height


def _centre(
    pixels: NDArray[np.uint8],  # [height, width, 3]
    width: int,
    height: int,
) -> NDArray[np.uint8]:  # the largest part in the middle with the aspect of width to height
    old_height, old_width = pixels.shape[:2]
    if old_width * height >= old_height * width:
        part_width, part_height = max(1, _rounded(old_height * width, height)), old_height
    else:
        part_width, part_height = old_width, max(1, _rounded(old_width * height, width))
    left, top = (old_width - part_width) // 2, (old_height - part_height) // 2
    return pixels[top : top + part_height, left : left + part_width]


def _rounded(part: int, whole: int) -> int:
    """Halves go up, in whole numbers, so that no machine rounds otherwise."""
    return (2 * part + whole) // (2 * whole)


def _encoded(
    pixels: NDArray[np.uint8],  # [height, width, 3]
    *,
    format: str,
    quality: int,
) -> bytes:
    if format == "jpeg":
        data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorsubsampling="420")
        return data
    buffer = BytesIO()
    if format == "png":
        fromarray(pixels).save(buffer, "PNG")
    else:
        fromarray(pixels).save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()
