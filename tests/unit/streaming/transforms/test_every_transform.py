"""What holds for all transforms: they go to workers, change no sample in place, and show what they are."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import pickle
from typing import Any

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming import transforms
from headrace.streaming.samples import Sample
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, encoded, photo
from tests.unit.streaming.transforms.test_load_array import npy

EXAMPLES: list[tuple[Any, dict[str, Any]]] = [
    (transforms.AddConstant("a", [1]), {}),
    (transforms.CenterCrop((4, 4)), {"image": photo()}),
    (transforms.ChooseField(("a", "b"), "c", (0.5, 0.5)), {"a": "x", "b": "y"}),
    (transforms.ClassNameToId(["cat", "dog"]), {"label": "dog"}),
    (transforms.ConvertDtype("a", "float32"), {"a": [1, 2]}),
    (transforms.DecodeImage(verify=True), {"image": encoded()}),
    (transforms.DecodeText(), {"text": b"abc"}),
    (transforms.DropFields("a"), {"a": 1}),
    (transforms.EnsureFields(["a"], {"b": 2}), {"a": 1}),
    (transforms.ExtractSubfield("a.b"), {"a": {"b": 1}}),
    (transforms.FitTokens(3), {"embedding": np.ones((2, 2), np.float32)}),
    (transforms.GatherFields(("a", "b"), "c"), {"a": 1, "b": 2}),
    (transforms.GunzipField("a"), {"a": gzip.compress(b"x")}),
    (transforms.ImageToTensor(8, crop="random_area", flip_probability=0.5), {"image": encoded()}),
    (transforms.KeepFields("a"), {"a": 1, "b": 2}),
    (transforms.LoadArray("a"), {"a": npy(np.ones(3))}),
    (transforms.MergeDict("a"), {"a": {"b": 1}}),
    (transforms.Normalise(), {"image": photo()}),
    (transforms.OneHot(3), {"label": 1}),
    (transforms.ParseJson("a"), {"a": "[1]"}),
    (transforms.RandomAreaCrop(), {"image": photo()}),
    (transforms.RandomCrop((4, 4)), {"image": photo()}),
    (transforms.RandomFlip(), {"image": photo()}),
    (transforms.ReadFile("a"), {"a": __file__}),
    (transforms.RenameFields({"a": "b"}), {"a": 1}),
    (transforms.ResizeImage((4, 4)), {"image": photo()}),
    (transforms.SampleLatent(), {"latent": np.ones((4, 2, 2), np.float32)}),
    (transforms.ToChannelsFirst(), {"image": photo()}),
    (transforms.VerifyImage(), {"image": encoded()}),
]
NAMES = [type(step).__name__ for step, _ in EXAMPLES]


def test_every_public_transform_has_an_example() -> None:
    public = {name for name in transforms.__all__ if isinstance(getattr(transforms, name), type)}
    assert public - {"DecodeOptions"} == set(NAMES)


def test_public_names_are_sorted() -> None:
    assert list(transforms.__all__) == sorted(set(transforms.__all__))


def plain(sample: Sample) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in sample.items()}


@pytest.mark.parametrize(("step", "sample"), EXAMPLES, ids=NAMES)
def test_copy_from_a_pickle_does_the_same(step: Any, sample: dict[str, Any]) -> None:
    again = pickle.loads(pickle.dumps(step))
    assert again == step
    assert plain(apply(again, sample, context("x"))) == plain(apply(step, sample, context("x")))


@pytest.mark.parametrize(("step", "sample"), EXAMPLES, ids=NAMES)
def test_sample_is_not_changed_in_place(step: Any, sample: dict[str, Any]) -> None:
    given = {"_id": "k", **sample}
    before = copy.deepcopy(given)
    result = apply(step, given)
    assert plain(given) == plain(before)
    assert result["_id"] == "k"


@pytest.mark.parametrize(("step", "sample"), EXAMPLES, ids=NAMES)
def test_transform_is_frozen_and_says_what_it_is(step: Any, sample: dict[str, Any]) -> None:
    assert repr(step).startswith(f"{type(step).__name__}(")
    field = dataclasses.fields(step)[0].name
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        setattr(step, field, None)


@pytest.mark.parametrize(("step", "sample"), EXAMPLES, ids=NAMES)
def test_sample_without_the_field_is_refused_by_name(step: Any, sample: dict[str, Any]) -> None:
    if isinstance(step, transforms.AddConstant | transforms.DropFields):
        return  # need none
    with pytest.raises(InvalidInput, match=r"^sample 'lost', field '\w+': "):
        apply(step, {"_id": "lost"})
