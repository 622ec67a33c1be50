"""Windows lie within their images and have the shapes that were asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streaming.sample_random import SampleRandom
from headrace.streaming.transforms.crop_windows import Window, area_window, aspect_window, centered, placed_at_random

SIDES = st.integers(1, 5000)
ASPECTS = st.floats(0.05, 20)


def drawn(key: int) -> SampleRandom:
    return SampleRandom(seed=3, epoch=0, key=str(key))


def is_inside(window: Window, height: int, width: int) -> bool:
    return (
        window.top >= 0
        and window.left >= 0
        and window.height >= 1
        and window.width >= 1
        and window.top + window.height <= height
        and window.left + window.width <= width
    )


@given(SIDES, SIDES, ASPECTS)
def test_aspect_window_is_the_largest_of_its_aspect(height: int, width: int, aspect: float) -> None:
    rows, columns = aspect_window(height, width, aspect=aspect)
    assert 1 <= rows <= height
    assert 1 <= columns <= width
    assert rows == height or columns == width
    assert abs(columns - rows * aspect) <= max(1.0, aspect)


@given(SIDES, SIDES)
def test_square_has_the_shorter_side_and_lies_in_the_middle(height: int, width: int) -> None:
    side = min(height, width)
    assert aspect_window(height, width, aspect=1.0) == (side, side)
    window = centered(height, width, window=(side, side))
    assert (window.top, window.left) == ((height - side) // 2, (width - side) // 2)


@given(
    SIDES, SIDES, st.integers(0, 10**6), st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), st.tuples(ASPECTS, ASPECTS)
)
def test_random_windows_lie_inside(
    height: int, width: int, key: int, area: tuple[float, float], aspect: tuple[float, float]
) -> None:
    low, high = sorted(area)
    least, most = sorted(aspect)
    window = area_window(height, width, area=(low, high), aspect=(least, most), random=drawn(key))
    assert is_inside(window, height, width)
    size = aspect_window(height, width, aspect=least)
    assert is_inside(placed_at_random(height, width, window=size, random=drawn(key)), height, width)


def test_every_place_is_drawn_about_equally_often() -> None:
    tops = [placed_at_random(12, 10, window=(10, 10), random=drawn(key)).top for key in range(3000)]
    assert [round(tops.count(top) / 1000, 1) for top in range(3)] == pytest.approx([1.0, 1.0, 1.0], abs=0.11)


def test_shares_of_the_area_are_spread_evenly() -> None:
    windows = [area_window(1000, 1000, area=(0.2, 0.8), aspect=(1.0, 1.0), random=drawn(key)) for key in range(2000)]
    shares = [window.height * window.width / 1e6 for window in windows]
    assert min(shares) >= 0.199
    assert max(shares) <= 0.801
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.02)
