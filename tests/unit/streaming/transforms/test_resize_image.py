"""Decoded images to another size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.transforms import ResizeImage
from tests.unit.streaming.transforms.samples_for_transforms import apply, photo


def test_resize_is_that_of_opencv() -> None:
    pixels = photo(33, 47)
    found = apply(ResizeImage((20, 30)), {"image": pixels})["image"]
    np.testing.assert_array_equal(found, cv2.resize(pixels, (30, 20), interpolation=cv2.INTER_LINEAR))


@pytest.mark.parametrize(
    ("height", "width", "wanted"), [(40, 80, (10, 20)), (80, 40, (20, 10)), (7, 7, (10, 10)), (1, 300, (10, 3000))]
)
def test_shorter_side_keeps_the_aspect(height: int, width: int, wanted: tuple[int, int]) -> None:
    assert apply(ResizeImage(shorter_side=10), {"image": photo(height, width)})["image"].shape == (*wanted, 3)


@pytest.mark.parametrize("num_channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("resizer", ["opencv", "pillow"])
def test_channels_stay(num_channels: int, resizer: Any) -> None:
    pixels = photo(16, 16, num_channels=num_channels)
    found = apply(ResizeImage((8, 8), resizer=resizer), {"image": pixels})["image"]
    assert found.shape == (8, 8, num_channels)
    assert np.abs(found.astype(int) - pixels[::2, ::2]).max() <= 16


def test_same_size_is_a_copy() -> None:
    pixels = photo(8, 8)
    found = apply(ResizeImage((8, 8)), {"image": pixels})["image"]
    np.testing.assert_array_equal(found, pixels)
    assert not np.shares_memory(found, pixels)


def test_floats_are_resized_by_opencv_only() -> None:
    floats = photo(8, 8).astype(np.float32)
    assert apply(ResizeImage((4, 4)), {"image": floats})["image"].dtype == np.float32
    with pytest.raises(InvalidInput, match="takes uint8"):
        apply(ResizeImage((4, 4), resizer="pillow"), {"image": floats})


@pytest.mark.parametrize("options", [{}, {"size": (3, 3), "shorter_side": 3}, {"size": (0, 3)}, {"shorter_side": 0}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="ResizeImage"):
        ResizeImage(**options)
