"""Images for tests of operators, small and odd ones first."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from headrace.curation import Media
from proofs.operators.generated_images import encoded, generated_pixels

__all__ = ["flat_image", "greys", "jpeg", "odd_images", "png"]


def jpeg(*, width: int = 60, height: int = 40, seed: int = 0) -> bytes:
    return encoded(generated_pixels(np.random.default_rng(seed), width=width, height=height), format="JPEG")


def png(pixels: NDArray[np.uint8]) -> bytes:
    """[height, width] grey, or with 3 or 4 channels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def flat_image(value: int, *, width: int = 9, height: int = 7) -> Media:
    return Media(png(np.full((height, width), value, np.uint8)))


def odd_images() -> dict[str, bytes]:
    """One pixel, one row, one column, grey, with alpha, with a palette, other formats."""
    pixels = generated_pixels(np.random.default_rng(7), width=31, height=17)
    return {
        "one pixel": png(pixels[:1, :1]),
        "one row": png(pixels[:1]),
        "one column": png(pixels[:, :1]),
        "grey png": encoded(pixels, format="PNG", mode="L"),
        "grey jpeg": encoded(pixels, format="JPEG", mode="L"),
        "cmyk jpeg": encoded(pixels, format="JPEG", mode="CMYK"),
        "alpha": encoded(pixels, format="PNG", mode="RGBA"),
        "palette": encoded(pixels, format="PNG", mode="P"),
        "webp": encoded(pixels, format="WEBP"),
        "gif": encoded(pixels, format="GIF", mode="P"),
        "bmp": encoded(pixels, format="BMP"),
        "tiff": encoded(pixels, format="TIFF"),
    }


@st.composite
def greys(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Grey images [height, width] with sides of 1 to 12."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    values = draw(st.binary(min_size=height * width, max_size=height * width))
    return np.frombuffer(values, np.uint8).reshape(height, width)
