"""Images to another size, with OpenCV or, if asked, with Pillow."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from headrace.datasets.images.opencv import require_opencv
from headrace.errors import InvalidInput

__all__ = ["Interpolation", "Resizer", "check_resizing", "resize"]

Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "lanczos"]
Resizer = Literal["opencv", "pillow"]

_OPENCV_FLAGS: dict[str, str] = {
    "nearest": "INTER_NEAREST",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "area": "INTER_AREA",
    "lanczos": "INTER_LANCZOS4",
}
_PILLOW_FILTERS: dict[str, str] = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "area": "BOX",
    "lanczos": "LANCZOS",
}


def check_resizing(interpolation: str, resizer: str) -> None:
    """Refuse names that nothing stands behind.

    Raises:
        InvalidInput: Unknown interpolation or resizer.
    """
    if interpolation not in _OPENCV_FLAGS:
        raise InvalidInput(f"interpolation is {interpolation!r}: expected one of {', '.join(_OPENCV_FLAGS)}")
    if resizer not in ("opencv", "pillow"):
        raise InvalidInput(f"resizer is {resizer!r}: expected 'opencv' or 'pillow'")


def resize(
    pixels: np.ndarray,  # [height, width, channels]; a view will do
    *,
    size: tuple[int, int],  # height, width
    interpolation: Interpolation,
    resizer: Resizer,
    into: np.ndarray | None = None,  # [size[0], size[1], channels], C-contiguous, of the same dtype
) -> np.ndarray:
    """The image at another size, [size[0], size[1], channels]; `into` itself where it is given.

    Raises:
        InvalidInput: Pillow is asked to resize something else than uint8.
        MissingExtra: OpenCV is not installed.
    """
    if into is None:
        into = np.empty((*size, pixels.shape[2]), pixels.dtype)
    if pixels.shape == into.shape:
        np.copyto(into, pixels)
    elif resizer == "pillow":
        _resize_with_pillow(pixels, into, interpolation)
    else:
        _resize_with_opencv(pixels, into, interpolation)
    return into


def _resize_with_opencv(pixels: np.ndarray, into: np.ndarray, interpolation: Interpolation) -> None:
    opencv: Any = require_opencv("resizing images", instead="; or choose resizer='pillow', whose pixels differ")
    flag = getattr(opencv, _OPENCV_FLAGS[interpolation])
    if pixels.shape[2] == 1:  # OpenCV's images of one channel have no axis for it
        pixels, into = pixels[:, :, 0], into[:, :, 0]
    if not into.flags.c_contiguous:
        raise ValueError("room for a resized image must be C-contiguous")  # OpenCV would write into a copy
    opencv.resize(pixels, (into.shape[1], into.shape[0]), dst=into, interpolation=flag)


def _resize_with_pillow(pixels: np.ndarray, into: np.ndarray, interpolation: Interpolation) -> None:
    from PIL.Image import Resampling, fromarray

    if pixels.dtype != np.uint8:
        raise InvalidInput(f"resizer='pillow' takes uint8 images, not {pixels.dtype}; use resizer='opencv'")
    size = (into.shape[1], into.shape[0])
    resample = Resampling[_PILLOW_FILTERS[interpolation]]
    for channels in _planes_for_pillow(pixels.shape[2]):
        part = np.ascontiguousarray(pixels[:, :, channels])  # [height, width] or [height, width, 3 | 4]
        into[:, :, channels] = np.asarray(fromarray(part).resize(size, resample))


def _planes_for_pillow(num_channels: int) -> list[Any]:
    """RGB at once; else channel by channel, because Pillow would multiply the colours by alpha."""
    return [slice(0, 3)] if num_channels == 3 else list(range(num_channels))
