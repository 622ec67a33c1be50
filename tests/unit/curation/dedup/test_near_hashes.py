"""Near hashes are found without exception, and in time also where many are alike."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.curation.dedup.near_hashes import near_hash_clusters
from headrace.curation.dedup.scope import Scope
from proofs.operators.dedup_oracles import clusters_by_scipy, generated_hashes


def everyone(num_rows: int) -> Scope:
    return Scope(np.zeros(num_rows, dtype=np.int64))


def by_all_pairs(hashes: NDArray[np.uint64], distance: int, scope: Scope | None = None) -> list[int]:
    is_near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= distance
    found = clusters_by_scipy(
        is_near, None if scope is None else scope.codes, is_across=bool(scope and scope.is_across)
    )
    return [int(each) for each in found]


def planted(num_rows: int, *, seed: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    table = generated_hashes(num_rows, seed=seed)
    sources = np.unique(np.array(table["source"].to_pylist()), return_inverse=True)[1]
    return table["phash"].combine_chunks().fill_null(0).to_numpy(), sources.reshape(-1).astype(np.int64)


@pytest.mark.parametrize("distance", [0, 1, 2, 5, 6, 8, 10, 16])
@pytest.mark.parametrize(
    "costs",
    [
        pytest.param({}, id="as chosen"),
        pytest.param({"pair_seconds": 1e-7, "max_bucket_pairs": 60}, id="as for many rows"),
    ],
)
def test_clusters_are_those_of_all_pairs(distance: int, costs: dict[str, Any]) -> None:
    """Few rows are compared with all; so comparing is made dear, and buckets small, to take the way of many rows."""
    hashes, sources = planted(500, seed=distance)
    found = near_hash_clusters(hashes, everyone(len(hashes)), max_distance=distance, **costs)
    assert found.tolist() == by_all_pairs(hashes, distance)
    for scope in (Scope(sources), Scope(sources, is_across=True)):
        found = near_hash_clusters(hashes, scope, max_distance=distance, **costs)
        assert found.tolist() == by_all_pairs(hashes, distance, scope)


@given(
    st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 7), max_size=12),
    st.integers(0, 12),
    st.integers(0, 3),
    st.booleans(),
)
def test_any_few_hashes(values: list[int], distance: int, num_sources: int, is_across: bool) -> None:
    hashes = np.array(values, dtype=np.uint64)
    scope = Scope(np.arange(len(values)) % max(num_sources, 1), is_across)
    found = near_hash_clusters(hashes, scope, max_distance=distance)
    assert found.tolist() == (by_all_pairs(hashes, distance, scope) if values else [])


def test_no_pair_at_the_edge_is_missed() -> None:
    """Pairs of exactly the distance, the differing bits anywhere; none is near another pair."""
    random = np.random.default_rng(4)
    hashes = random.integers(0, 2**64, 1_000, dtype=np.uint64)
    others = hashes.copy()
    for idx in range(len(others)):
        for bit in random.choice(64, 8, replace=False):
            others[idx] ^= np.uint64(1) << np.uint64(bit)
    both = np.concatenate([hashes, others])
    found = near_hash_clusters(both, everyone(len(both)), max_distance=8, pair_seconds=1e-7)
    assert found[1_000:].tolist() == found[:1_000].tolist() == list(range(1_000))
    assert len(np.unique(near_hash_clusters(both, everyone(len(both)), max_distance=7, pair_seconds=1e-7))) == 2_000


def test_a_million_equal_hashes_cost_a_sort() -> None:
    start = time.process_time()
    hashes = np.full(1_000_000, 77, dtype=np.uint64)
    assert not near_hash_clusters(hashes, everyone(len(hashes)), max_distance=6).any()
    sources = Scope(np.arange(len(hashes)) % 3, is_across=True)
    assert not near_hash_clusters(hashes, sources, max_distance=6).any()
    assert time.process_time() - start < 20  # all pairs: an hour


def test_many_near_hashes_are_not_compared_pair_by_pair() -> None:
    """50,000 different hashes within 3 bits of one another, and 20,000 strangers."""
    random = np.random.default_rng(6)
    crowd = np.uint64(0x0123_4567_89AB_CDEF) ^ (
        np.uint64(1) << random.integers(0, 64, (3, 50_000)).astype(np.uint64)
    ).sum(axis=0, dtype=np.uint64)
    hashes = random.permutation(np.concatenate([crowd, random.integers(0, 2**64, 20_000, dtype=np.uint64)]))
    start = time.process_time()
    found = near_hash_clusters(hashes, everyone(len(hashes)), max_distance=6)
    assert time.process_time() - start < 20
    assert np.bincount(found).max() >= 50_000


@pytest.mark.parametrize("strangers", [0, 1])
def test_many_near_hashes_of_one_source_are_not_compared_across(strangers: int) -> None:
    """Nothing joins 50,000 near hashes of one source, until another source has one of them."""
    random = np.random.default_rng(6)
    flips = np.uint64(1) << random.integers(0, 64, (3, 50_000)).astype(np.uint64)
    hashes = np.uint64(0x0123_4567_89AB_CDEF) ^ np.bitwise_or.reduce(flips, axis=0)
    sources = np.zeros(50_000, dtype=np.int64)
    sources[:strangers] = 1
    start = time.process_time()
    found = near_hash_clusters(hashes, Scope(sources, is_across=True), max_distance=6)
    assert time.process_time() - start < 20
    assert len(np.unique(found)) == (1 if strangers else 50_000)
