"""Which part of an image a crop takes: arithmetic on heights and widths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headrace.streaming.sample_random import SampleRandom

__all__ = ["Window", "area_window", "aspect_window", "centered", "placed_at_random"]

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Window:
    """Pixels of an image: rows `top` to `top + height`, columns `left` to `left + width`."""

    top: int
    left: int
    height: int
    width: int

    def of(
        self,
        pixels: np.ndarray,  # [height, width, channels]
    ) -> np.ndarray:
        """A view of this part, [self.height, self.width, channels]."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def aspect_window(height: int, width: int, *, aspect: float) -> tuple[int, int]:
    """Height and width of the largest window with this width over height, at least 1 pixel each."""
    if width > height * aspect:
        return height, max(1, round(height * aspect))
    return max(1, min(height, round(width / aspect))), width


def centered(height: int, width: int, *, window: tuple[int, int]) -> Window:
    """The window in the middle; an odd pixel is left over at the bottom and at the right."""
    return Window((height - window[0]) // 2, (width - window[1]) // 2, *window)


def placed_at_random(height: int, width: int, *, window: tuple[int, int], random: SampleRandom) -> Window:
    """The window at any place where it fits, all equally likely. Two draws."""
    top = random.integer(height - window[0] + 1)
    left = random.integer(width - window[1] + 1)
    return Window(top, left, *window)


def area_window(
    height: int,
    width: int,
    *,
    area: tuple[float, float],
    aspect: tuple[float, float],
    random: SampleRandom,
) -> Window:
    """A window with a random share of the area and a random aspect; the crop that Inception was trained with.

    Where ten draws give none that fits: the largest one in the middle whose aspect lies within the bounds.
    Source: Szegedy et al., Going Deeper with Convolutions, 2014.

    Args:
        area: Smallest and largest share of the image's area, above 0 up to 1; equally likely.
        aspect: Smallest and largest width over height; their logarithms equally likely.
    """
    low, high = math.log(aspect[0]), math.log(aspect[1])
    for _ in range(_ATTEMPTS):
        pixels = height * width * random.uniform(*area)
        drawn = math.exp(random.uniform(low, high))
        window = round(math.sqrt(pixels / drawn)), round(math.sqrt(pixels * drawn))
        if 0 < window[0] <= height and 0 < window[1] <= width:
            return placed_at_random(height, width, window=window, random=random)
    nearest = min(max(width / height, aspect[0]), aspect[1])
    return centered(height, width, window=aspect_window(height, width, aspect=nearest))
