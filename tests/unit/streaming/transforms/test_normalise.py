"""The last steps: planes and floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.streaming.collating import collate
from headrace.streaming.transforms import IMAGENET_MEAN, IMAGENET_STD, Normalise, ToChannelsFirst
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, photo, rooms


@pytest.mark.parametrize("channels", ["first", "last"])
@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.5,)), (IMAGENET_MEAN, IMAGENET_STD)])
def test_floats_follow_the_formula(channels: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    pixels = photo(30, 40)
    wanted = (pixels / 255 - mean) / std
    found = apply(Normalise(mean, std, channels), {"image": pixels})["image"]
    if channels == "first":
        wanted = wanted.transpose(2, 0, 1)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted.astype(np.float32))


@given(st.floats(-1, 2), st.floats(0.01, 5))
def test_all_256_values_are_the_nearest_float(mean: float, std: float) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    found = apply(Normalise((mean,), (std,)), {"image": pixels})["image"]
    np.testing.assert_array_equal(found[0], ((pixels[:, :, 0] / 255 - mean) / std).astype(np.float32))


@pytest.mark.parametrize("step", [Normalise(), ToChannelsFirst()])
def test_result_lies_in_the_memory_of_the_batch(step: Any) -> None:
    buffers = rooms(2)
    samples = [apply(step, {"image": photo()}, context(buffers=buffers, idx=idx)) for idx in range(2)]
    assert collate(samples, buffers)["image"] is buffers.arrays["image"]


@pytest.mark.parametrize("num_channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_planes_hold_the_channels(num_channels: int, dtype: Any) -> None:
    pixels = photo(num_channels=num_channels).astype(dtype)
    for image in (pixels, pixels[3:20, ::-1]):
        found = apply(ToChannelsFirst(), {"image": image})["image"]
        np.testing.assert_array_equal(found, image.transpose(2, 0, 1))
        assert found.dtype == dtype


def test_images_of_other_kinds_are_refused() -> None:
    with pytest.raises(InvalidInput, match="of float32; expected uint8"):
        apply(Normalise(), {"image": photo().astype(np.float32)})
    with pytest.raises(InvalidInput, match="3 numbers in mean"):
        apply(Normalise(IMAGENET_MEAN, IMAGENET_STD), {"image": photo(num_channels=4)})


@pytest.mark.parametrize(("mean", "std"), [((), ()), ((0.5,), (0.0,)), ((0.5,), (0.5, 0.5)), ((0.5,), (-1.0,))])
def test_bad_scales_are_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="mean is"):
        Normalise(mean, std)
