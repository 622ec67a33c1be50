"""Candidates are the pairs that agree in a band, and clusters are what they link."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.curation.dedup.bands import banded_clusters, banded_pairs, choose_bands
from headrace.curation.dedup.scope import Scope
from proofs.operators.dedup_oracles import clusters_by_scipy


def signatures_of(num_texts: int, *, seed: int, num_values: int = 4) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(0, num_values, (num_texts, 12), dtype=np.uint32)


def agreements(signatures: NDArray[np.uint32], *, bands: int, rows: int) -> NDArray[np.bool_]:
    """Whether two texts share a band, one by one, [num_texts, num_texts]."""
    parts = [signatures[:, band * rows : (band + 1) * rows] for band in range(bands)]
    return np.array(
        [[any((part[left] == part[right]).all() for part in parts) for right in range(len(signatures))]
         for left in range(len(signatures))], dtype=np.bool_,
    ).reshape(len(signatures), len(signatures))  # fmt: skip


@given(st.integers(0, 24), st.integers(0, 1 << 30), st.sampled_from([(4, 3), (12, 1), (2, 5), (1, 12)]))
def test_pairs_are_those_of_brute_force(num_texts: int, seed: int, shape: tuple[int, int]) -> None:
    signatures = signatures_of(num_texts, seed=seed, num_values=3)
    left, right = np.nonzero(np.triu(agreements(signatures, bands=shape[0], rows=shape[1]), 1))
    found = banded_pairs(signatures, bands=shape[0], rows=shape[1])
    assert found.tolist() == [list(pair) for pair in zip(left.tolist(), right.tolist())]


@given(st.integers(0, 24), st.integers(0, 1 << 30), st.sampled_from([None, 0.5, 0.9]), st.integers(1, 3), st.booleans())
def test_clusters_are_those_of_brute_force(
    num_texts: int, seed: int, threshold: float | None, num_groups: int, is_across: bool
) -> None:
    signatures = signatures_of(num_texts, seed=seed)
    is_near = agreements(signatures, bands=4, rows=3)
    if threshold is not None:
        is_near &= (signatures[:, None] == signatures[None, :]).mean(axis=2) >= threshold
    groups = np.arange(num_texts) % num_groups
    found = banded_clusters(signatures, Scope(groups, is_across), bands=4, rows=3, threshold=threshold)
    wanted = clusters_by_scipy(is_near, groups, is_across=is_across) if num_texts else np.empty(0)
    assert found.tolist() == wanted.tolist()


def test_bands_with_one_hash_by_chance_are_told_apart() -> None:
    signatures = signatures_of(40, seed=5)
    wanted = clusters_by_scipy(agreements(signatures, bands=4, rows=3))
    assert len(np.unique(wanted)) > 2
    found = banded_clusters(
        signatures,
        Scope(np.zeros(40, dtype=np.int64)),
        bands=4,
        rows=3,
        threshold=None,
        hash_numbers=lambda sums: np.zeros_like(sums),
    )
    assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize(("threshold", "num_perm"), [(0.5, 128), (0.8, 128), (0.9, 256), (1.0, 16), (0.05, 16)])
def test_bands_find_what_lies_above_the_threshold(threshold: float, num_perm: int) -> None:
    bands, rows = choose_bands(threshold, num_perm=num_perm)
    assert bands * rows <= num_perm
    above, below = (1 + threshold) / 2, threshold / 2
    assert 1 - (1 - above**rows) ** bands > 0.7
    assert 1 - (1 - below**rows) ** bands < 0.4


def test_bands_are_those_of_datasketch() -> None:
    """What its `MinHashLSH(threshold, num_perm).b, .r` gives, version 1.6."""
    assert choose_bands(0.5, num_perm=128) == (25, 5)
    assert choose_bands(0.8, num_perm=128) == (9, 13)
