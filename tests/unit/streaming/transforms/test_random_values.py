"""Captions chosen and latents drawn, the same for the same seed, epoch and sample."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.transforms import ChooseField, FitTokens, LoadArray, SampleLatent
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, rooms
from tests.unit.streaming.transforms.test_load_array import npy


def test_choice_follows_the_probabilities() -> None:
    step = ChooseField(("a", "b", "c"), "text", (1, 3, 0))
    sample = {"a": "A", "b": "B", "c": "C", "n": 1}
    chosen = [apply(step, sample, context(str(idx)))["text"] for idx in range(2000)]
    assert set(chosen) == {"A", "B"}
    assert 0.22 < chosen.count("A") / 2000 < 0.28
    assert chosen == [apply(step, sample, context(str(idx)))["text"] for idx in range(2000)]
    assert chosen != [apply(step, sample, context(str(idx), epoch=1))["text"] for idx in range(2000)]
    assert apply(step, sample).keys() == {"_id", "n", "text"}
    assert apply(ChooseField(("a", "b"), "text", is_kept=True), sample).keys() == {"_id", *sample, "text"}


def test_fields_without_value_are_passed_over() -> None:
    step = ChooseField(("a", "b", "text"), "text")
    assert {apply(step, {"a": None, "text": "T"}, context(str(idx)))["text"] for idx in range(20)} == {"T"}
    with pytest.raises(InvalidInput, match="field 'text': cannot be chosen: 'a', 'b', 'text' are missing or null"):
        apply(step, {"a": None})
    for shares in ((1,), (-1, 1, 1), (0, 0, 0)):
        with pytest.raises(InvalidInput, match="probabilities are"):
            ChooseField(("a", "b", "text"), "text", shares)


MOMENTS = np.concatenate([np.full((2, 64, 64), 3.0), np.full((2, 64, 64), np.log(4.0))]).astype(np.float32)


def test_latents_have_mean_and_deviation() -> None:
    latent = apply(SampleLatent(), {"latent": MOMENTS})["latent"]
    assert latent.shape == (2, 64, 64)
    assert latent.dtype == np.float32
    assert latent.mean() == pytest.approx(3, abs=0.1)
    assert latent.std() == pytest.approx(2, abs=0.1)
    noise = ((latent - 3) / 2).ravel()
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.05
    assert abs(np.corrcoef(noise[:4096], noise[4096:])[0, 1]) < 0.05
    assert np.mean(np.abs(noise) < 1) == pytest.approx(0.6827, abs=0.02)


def test_latents_follow_seed_epoch_and_sample() -> None:
    def drawn(key: str = "a", *, seed: int = 1, epoch: int = 0) -> bytes:
        latent: np.ndarray = apply(SampleLatent(), {"latent": MOMENTS}, context(key, seed=seed, epoch=epoch))["latent"]
        return latent.tobytes()

    assert drawn() == drawn()
    assert len({drawn(), drawn("b"), drawn(seed=2), drawn(epoch=1)}) == 4


def test_mean_scale_and_dtype() -> None:
    latent = apply(SampleLatent(scale=0.5, is_random=False), {"latent": MOMENTS.astype(np.float16)})["latent"]
    assert latent.dtype == np.float16
    assert (latent == 1.5).all()


@pytest.mark.parametrize("value", [None, np.zeros((3, 2, 2), np.float32), np.zeros((4, 2), np.int64), np.float32(1)])
def test_what_holds_no_moments_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="expected floats"):
        apply(SampleLatent(), {"latent": value})


def test_wild_variances_are_kept_in_bounds() -> None:
    moments = np.array([[0.0], [1e9]], np.float32)
    assert np.isfinite(apply(SampleLatent(), {"latent": moments})["latent"]).all()


@pytest.mark.parametrize("found", [0, 1, 3, 4, 9])
def test_tokens_are_cut_or_filled_up(found: int) -> None:
    array = np.arange(found * 2, dtype=np.float32).reshape(found, 2) + 1
    sample = apply(FitTokens(4, mask_field="mask"), {"embedding": array})
    kept = min(found, 4)
    np.testing.assert_array_equal(sample["embedding"][:kept], array[:kept])
    assert not sample["embedding"][kept:].any()
    assert sample["mask"].tolist() == [True] * kept + [False] * (4 - kept)


def test_tokens_that_were_loaded_into_the_same_memory_survive() -> None:
    buffers = rooms(3)
    for idx, found in enumerate((4, 2, 6)):
        array = np.arange(found * 2, dtype=np.float32).reshape(found, 2) + 1
        told = context(buffers=buffers, idx=idx)
        sample = apply(LoadArray("embedding"), {"embedding": npy(array)}, told)
        fitted = apply(FitTokens(4), sample, told)["embedding"]
        kept = min(found, 4)
        np.testing.assert_array_equal(fitted[:kept], array[:kept])
        assert not fitted[kept:].any()


def test_tokens_need_an_array() -> None:
    with pytest.raises(InvalidInput, match="put LoadArray before"):
        apply(FitTokens(4), {"embedding": [1, 2]})
    with pytest.raises(InvalidInput, match="num_tokens is 0"):
        FitTokens(0)
