"""Photo-like images of many sizes and formats, and damaged ones, all from a seed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["PlantedImage", "encoded", "generated_images", "generated_pixels", "planted_images"]

_FORMATS = (
    ("JPEG", "RGB"),
    ("JPEG", "L"),
    ("PNG", "RGB"),
    ("PNG", "RGBA"),
    ("PNG", "L"),
    ("PNG", "P"),
    ("WEBP", "RGB"),
    ("BMP", "RGB"),
)


def generated_pixels(random: np.random.Generator, *, width: int, height: int) -> NDArray[np.uint8]:
    """Smooth shapes with noise, as photos have them: uint8 [height, width, 3]."""
    coarse = random.integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = smooth + random.normal(0, random.uniform(0, 12), (height, width, 1))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def encoded(pixels: NDArray[np.uint8], *, format: str, mode: str = "RGB", quality: int = 88) -> bytes:
    """The bytes of an image file."""
    image = Image.fromarray(pixels).convert(mode)
    buffer = io.BytesIO()
    if format in ("JPEG", "WEBP"):
        image.save(buffer, format, quality=quality)
    else:
        image.save(buffer, format)
    return buffer.getvalue()


def generated_images(num_images: int, *, seed: int) -> Iterator[bytes]:
    """Two thirds JPEG, the rest PNG with and without alpha or palette, WebP and BMP; sides of 1 to 300 pixels."""
    random = np.random.default_rng(seed)
    for idx in range(num_images):
        width, height = (int(side) for side in random.integers(1, 301, 2)) if idx % 10 else (1, 1 + idx % 7)
        format, mode = ("JPEG", "RGB") if idx % 3 else _FORMATS[(idx // 3) % len(_FORMATS)]
        pixels = generated_pixels(random, width=width, height=height)
        yield encoded(pixels, format=format, mode=mode, quality=int(random.integers(40, 98)))


@dataclass(frozen=True, slots=True)
class PlantedImage:
    """Bytes whose state is known because it was made so."""

    data: bytes
    format: str | None  # lower case; None: it cannot be decoded


def planted_images(num_images: int, *, seed: int) -> Iterator[PlantedImage]:
    """Half of them whole; the others cut off, without content, of another kind, or with a broken checksum."""
    random = np.random.default_rng(seed)
    for idx, data in enumerate(generated_images(num_images, seed=seed)):
        format = Image.open(io.BytesIO(data)).format or ""
        if idx % 2 == 0:
            yield PlantedImage(data, format.lower())
        elif idx % 8 == 1:
            yield PlantedImage(data[: int(random.integers(0, len(data)))], None)
        elif idx % 8 == 3:
            yield PlantedImage(random.bytes(int(random.integers(0, 500))), None)
        elif idx % 8 == 5 and format == "PNG":
            spot = data.index(b"IDAT") + 6  # in the compressed pixels
            yield PlantedImage(data[:spot] + bytes([data[spot] ^ 0x55]) + data[spot + 1 :], None)
        else:
            yield PlantedImage(data[: len(data) * 2 // 3], None)
