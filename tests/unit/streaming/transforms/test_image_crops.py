"""Crops of decoded images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.transforms import CenterCrop, RandomAreaCrop, RandomCrop
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, photo


def test_center_crop_takes_the_middle_without_copying() -> None:
    pixels = photo(11, 20)
    for step, wanted in ((CenterCrop((4, 6)), pixels[3:7, 7:13]), (CenterCrop(), pixels[:, 4:15])):
        found = apply(step, {"image": pixels})["image"]
        np.testing.assert_array_equal(found, wanted)
        assert np.shares_memory(found, pixels)


@pytest.mark.parametrize(
    "step", [RandomCrop((5, 6), also=("mask",)), RandomCrop(also=("mask",)), RandomAreaCrop(also=("mask",))]
)
def test_random_crops_take_masks_along(step: Any) -> None:
    pixels = photo(20, 30)
    found = apply(step, {"image": pixels, "mask": pixels[:, :, :1]})
    np.testing.assert_array_equal(found["image"][:, :, :1], found["mask"])


@pytest.mark.parametrize("step", [RandomCrop((5, 6)), RandomAreaCrop()])
def test_random_crops_follow_seed_epoch_and_sample(step: Any) -> None:
    pixels = photo(40, 50)

    def place(key: str = "a", *, seed: int = 1, epoch: int = 0) -> tuple[int, ...]:
        image = apply(step, {"image": pixels}, context(key, seed=seed, epoch=epoch))["image"]
        return (image.__array_interface__["data"][0] - pixels.__array_interface__["data"][0], *image.shape)

    assert place() == place()
    assert len({place(), place("b"), place(seed=2), place(epoch=1)}) == 4


@pytest.mark.parametrize("step", [CenterCrop((50, 8)), RandomCrop((8, 50))])
def test_image_that_is_too_small_is_refused_with_remedy(step: Any) -> None:
    with pytest.raises(InvalidInput, match=r"field 'image': is an image of 20 x 30 pixels .*ResizeImage"):
        apply(step, {"image": photo(20, 30)})


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"field 'mask': is an image of 9 x 9 .*'image' has 20 x 30"):
        apply(RandomCrop((4, 4), also=("mask",)), {"image": photo(20, 30), "mask": photo(9, 9)})


@pytest.mark.parametrize("value", [b"bytes", None, np.zeros((3, 4)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_not_decoded_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="put DecodeImage before"):
        apply(CenterCrop(), {"image": value})


@pytest.mark.parametrize("make", [CenterCrop, RandomCrop])
@pytest.mark.parametrize("size", [5, (5,), (0, 5), (5, 2.5), (1, 2, 3)])
def test_bad_sizes_are_refused(make: Any, size: Any) -> None:
    with pytest.raises(InvalidInput, match="size is"):
        make(size)


def test_bad_areas_are_refused() -> None:
    with pytest.raises(InvalidInput, match="area is"):
        RandomAreaCrop(area=(0.5, 1.5))
