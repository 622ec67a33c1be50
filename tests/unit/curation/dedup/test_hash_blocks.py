"""Hashes that are near agree in a key, whatever bits differ."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from headrace.curation.dedup.hash_blocks import choose_blocks


@pytest.mark.parametrize("distance", [1, 3])
def test_near_hashes_agree_in_some_key(distance: int) -> None:
    random = np.random.default_rng(distance)
    origin = random.integers(0, 2**16, 1, dtype=np.uint64)
    flipped = [
        np.bitwise_xor.reduce([np.uint64(1) << np.uint64(bit) for bit in bits])
        for bits in combinations(range(16), distance)
    ]
    hashes = np.concatenate([origin, origin ^ np.array(flipped, dtype=np.uint64)])
    blocks = choose_blocks(hashes, max_distance=distance, pair_seconds=1e-3)
    assert len(blocks.bits) - blocks.num_equal == distance
    agrees = np.zeros(len(hashes), dtype=np.bool_)
    for keys in blocks.keys(hashes):
        agrees |= keys == keys[0]
    assert agrees.all()


def test_each_varying_bit_is_in_one_block_and_constant_ones_in_none() -> None:
    random = np.random.default_rng(1)
    hashes = random.integers(0, 2**64, 200_000, dtype=np.uint64) & ~np.uint64(0xF0) | np.uint64(0x10)
    blocks = choose_blocks(hashes, max_distance=6)
    assert sorted(bit for block in blocks.bits for bit in block) == [bit for bit in range(64) if not 4 <= bit < 8]


def test_few_hashes_are_compared_with_all() -> None:
    blocks = choose_blocks(np.array([1, 2**63, 5], dtype=np.uint64), max_distance=2)
    assert blocks.bits == ()
    assert [keys.tolist() for keys in blocks.keys(np.arange(3, dtype=np.uint64))] == [[0, 0, 0]]
