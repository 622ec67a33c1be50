"""Photos with every flaw that the recipe image-filter looks for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["make_photos"]

_SEED = 20261121
_NUM_PHOTOS = 96
_KINDS = ("field", "shore", "street")


def make_photos() -> Iterator[tuple[str, bytes]]:
    """Name and content of each photo; some are small, blurred, damaged in the middle, or come twice."""
    random = np.random.default_rng(_SEED)
    earlier = b""
    for number in range(_NUM_PHOTOS):
        kind = _KINDS[number % len(_KINDS)]
        side = 40 if number % 13 == 5 else int(random.integers(80, 160))
        content = _encoded(_scene(random, side, is_blurred=number % 11 == 3))
        if number % 17 == 9:
            middle = len(content) // 2  # header and end are whole, so that only decoding notices
            content = content[:middle] + bytes(64) + content[middle + 64 :]
        if number % 19 == 7:
            content = earlier
        earlier = content
        yield f"{kind}/{number:03d}.jpg", content


def _scene(random: np.random.Generator, side: int, *, is_blurred: bool) -> NDArray[np.uint8]:
    """A horizon between two colours, with grain unless it is blurred: [side, side, 3]."""
    top, bottom = random.integers(0, 256, (2, 3))
    weight = np.linspace(0, 1, side)[:, None, None]  # [side, 1, 1]
    picture = np.broadcast_to(top * (1 - weight) + bottom * weight, (side, side, 3))
    grain = 0.0 if is_blurred else 18.0
    noisy = picture + random.normal(0, 1, (side, side, 3)) * grain
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=88)
    return sink.getvalue()
