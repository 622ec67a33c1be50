"""Samples, contexts and images for the tests of transforms."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from headrace.streaming.samples import OutputBuffers, Sample, SampleContext

__all__ = ["apply", "context", "encoded", "photo", "rooms"]


def context(
    key: str = "k", *, seed: int = 7, epoch: int = 0, buffers: OutputBuffers | None = None, idx: int = 0
) -> SampleContext:
    """What a transform is told about a sample."""
    return SampleContext(key=key, seed=seed, epoch=epoch, buffers=buffers, idx=idx)


def rooms(num_samples: int = 2) -> OutputBuffers:
    """The memory of one batch."""
    return OutputBuffers(num_samples, lambda shape, dtype: np.full(shape, 77).astype(dtype))


def apply(transform: Callable[..., Sample], sample: dict[str, Any], told: SampleContext | None = None) -> Sample:
    """The sample after the transform, as the loader would call it."""
    sample = {"_id": "k", **sample}
    if getattr(transform, "needs_context", False):
        return transform(sample, told or context(sample["_id"]))
    return transform(sample)


def photo(height: int = 40, width: int = 60, *, num_channels: int = 3) -> np.ndarray:
    """A smooth picture without symmetry, uint8 [height, width, num_channels]."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        (rows * 3 + columns * (idx + 1)) * 255 // (3 * height + (num_channels + 1) * width)
        for idx in range(num_channels)
    ]
    return np.stack(planes, axis=2).astype(np.uint8)


def encoded(
    pixels: np.ndarray | None = None, *, format: str = "JPEG", mode: str | None = None, **options: Any
) -> bytes:
    """The picture as a file."""
    pixels = photo() if pixels is None else pixels
    image = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    if mode is not None:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()
