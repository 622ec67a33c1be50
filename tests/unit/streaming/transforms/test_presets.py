"""Lists of transforms for the usual cases."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.transforms import image_pipeline, latent_pipeline, metadata_pipeline
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, encoded
from tests.unit.streaming.transforms.test_load_array import npy


def through(transforms: Any, sample: dict[str, Any]) -> dict[str, Any]:
    told = context()
    for transform in transforms:
        sample = apply(transform, sample, told)
    return sample


def test_images_are_bytes_or_floats_around_zero() -> None:
    data = {"photo": encoded()}
    pixels = through(image_pipeline("photo", resolution=16), data)["photo"]
    floats = through(image_pipeline("photo", resolution=16, normalise=True), data)["photo"]
    assert (pixels.shape, pixels.dtype) == ((3, 16, 16), np.uint8)
    np.testing.assert_allclose(floats, pixels / 127.5 - 1, atol=1e-6)
    assert through(image_pipeline("photo", resolution=(4, 6), channels="last", mode="GRAY"), data)["photo"].shape == (
        4,
        6,
        1,
    )


def test_latents_are_drawn_or_taken_as_they_are() -> None:
    moments = np.zeros((8, 4, 4), np.float16)
    assert through(latent_pipeline(), {"latent": npy(moments)})["latent"].shape == (4, 4, 4)
    taken = through(latent_pipeline(is_distribution=False), {"latent": npy(moments)})["latent"]
    assert (taken.shape, taken.dtype) == ((8, 4, 4), np.float32)
    with pytest.raises(InvalidInput, match="scale belongs to"):
        latent_pipeline(is_distribution=False, scale=2.0)


def test_metadata_gives_classes() -> None:
    sample = {"meta": json.dumps({"class": {"name": "dog"}, "id": 3})}
    assert through(metadata_pipeline(), sample)["meta"] == {"class": {"name": "dog"}, "id": 3}
    assert through(metadata_pipeline(class_path="id"), sample)["class_label"] == 3
    named = metadata_pipeline(class_path="class.name", classes=["cat", "dog"])
    assert through(named, sample)["class_label"] == 1
    vector = metadata_pipeline(class_path="class.name", classes={"cat": 0, "dog": 4}, one_hot=True, class_field="y")
    assert through(vector, sample)["y"].tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("options", [{"classes": ["a"]}, {"one_hot": True}, {"class_path": "a", "one_hot": True}])
def test_half_a_class_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="metadata_pipeline"):
        metadata_pipeline(**options)
