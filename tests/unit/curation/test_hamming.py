"""Bits that differ, counted as Python counts them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation import hamming_distances

HASHES = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8)


@given(HASHES, st.integers(0, 2**64 - 1))
def test_distance_is_that_of_counting_bits(hashes: list[int], other: int) -> None:
    assert hamming_distances(hashes, other).tolist() == [(value ^ other).bit_count() for value in hashes]


@given(HASHES)
def test_all_pairs_are_symmetric_with_zeros_between_equals(hashes: list[int]) -> None:
    values = np.array(hashes, dtype=np.uint64)
    pairs = hamming_distances(values[:, None], values)
    np.testing.assert_array_equal(pairs, pairs.T)
    assert not np.diagonal(pairs).any()
