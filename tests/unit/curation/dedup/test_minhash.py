"""Signatures are smallest hashes, and agree as often as sets are alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.dedup.minhash import minhash_signatures, similarities, text_signatures
from headrace.curation.dedup.shingles import Shingles


def shingles_from(sets: list[list[int]]) -> Shingles:
    hashes = np.array([each for part in sets for each in part], dtype=np.uint32)
    return Shingles(hashes, np.cumsum([0, *(len(part) for part in sets)]))


@pytest.mark.parametrize("block", [1, 7, 1 << 15])
def test_signature_holds_the_smallest_of_each_permutation(block: int) -> None:
    random = np.random.default_rng(2)
    sets = [random.integers(0, 2**32, size).tolist() for size in (0, 1, 3, 0, 20, 1, 0)]
    found = minhash_signatures(shingles_from(sets), num_perm=16, seed=9, block_shingles=block)
    assert found.shape == (7, 16)
    for signature, part in zip(found, sets):
        alone = minhash_signatures(shingles_from([[each] for each in part]), num_perm=16, seed=9)
        wanted = alone.min(axis=0) if part else np.full(16, 2**32 - 1)
        assert signature.tolist() == wanted.tolist()


@pytest.mark.parametrize("shared", [20, 50, 80, 95])
def test_agreement_estimates_the_jaccard_similarity(shared: int) -> None:
    random = np.random.default_rng(shared)
    differences = []
    for _ in range(30):
        numbers = random.choice(2**32, 100 + (100 - shared), replace=False)
        ours, theirs = numbers[:100].tolist(), numbers[100 - shared :].tolist()
        found = minhash_signatures(shingles_from([ours, theirs]), num_perm=512, seed=int(random.integers(1 << 30)))
        alike = shared / (200 - shared)
        differences.append(similarities(found, np.array([0]), np.array([1]))[0] - alike)
    assert abs(np.mean(differences)) < 0.02  # five standard deviations of the mean are 0.02
    assert np.std(differences) < 0.04


def test_signatures_depend_on_text_and_seed_alone() -> None:
    texts = pa.array(["one two three four", "", None, "vier fünf sechs"])

    def of(part: pa.Array, seed: int) -> np.ndarray:
        return text_signatures(part, unit="words", size=2, num_perm=32, seed=seed, ignore_case=True)[0]

    whole = of(texts, 1)
    assert [of(texts.slice(idx, 1), 1)[0].tolist() for idx in range(4)] == whole.tolist()
    assert of(texts, 2)[0].tolist() != whole[0].tolist()
    assert of(texts, -1).shape == (4, 32)
    # Written down: another version of NumPy or Arrow must not change what was computed before.
    assert whole[0, :4].tolist() == [1761106999, 1003961058, 1101494329, 2490598109]
