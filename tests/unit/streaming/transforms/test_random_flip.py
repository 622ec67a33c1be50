"""Images mirrored at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.transforms import RandomFlip
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, photo


@pytest.mark.parametrize("num_channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_flip_exchanges_the_sides(num_channels: int, dtype: Any) -> None:
    pixels = photo(num_channels=num_channels).astype(dtype)
    np.testing.assert_array_equal(apply(RandomFlip(1.0), {"image": pixels})["image"], pixels[:, ::-1])
    np.testing.assert_array_equal(apply(RandomFlip(1.0, "vertical"), {"image": pixels})["image"], pixels[::-1])
    assert apply(RandomFlip(0.0), {"image": pixels})["image"] is pixels


def test_share_of_flipped_samples_is_the_probability() -> None:
    pixels = photo(2, 2)
    flipped = [
        apply(RandomFlip(0.25), {"image": pixels}, context(str(idx)))["image"] is not pixels for idx in range(2000)
    ]
    assert 0.22 < sum(flipped) / 2000 < 0.28


def test_mask_is_flipped_with_its_image() -> None:
    pixels = photo()
    for idx in range(8):
        found = apply(RandomFlip(also=("mask",)), {"image": pixels, "mask": pixels}, context(str(idx)))
        np.testing.assert_array_equal(found["image"], found["mask"])


def test_bad_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match="probability is 2"):
        RandomFlip(2)
    with pytest.raises(InvalidInput, match="axis is"):
        RandomFlip(0.5, "both")  # type: ignore[arg-type]
