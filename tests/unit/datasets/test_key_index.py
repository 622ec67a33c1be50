"""An index of keys that holds no keys."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.datasets.key_index import KeyIndex


def _find(index: KeyIndex, known: list[str], hashes: list[int], keys: list[str]) -> list[int]:
    def is_same(ordinals: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array(
            [known[row] == keys[idx] for row, idx in zip(ordinals, positions, strict=True)], dtype=np.bool_
        )  # [num_pairs]

    found: list[int] = index.find(np.array(hashes, np.uint64), is_same=is_same).tolist()
    return found


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=12, unique=True), max_size=8),
    st.sampled_from([1, 3, 2**64 - 1]),
)
def test_keys_are_found_although_their_hashes_meet(batches: list[list[int]], num_hashes: int) -> None:
    index = KeyIndex()
    known: list[str] = []
    for batch in batches:
        keys = [str(value) for value in batch]
        hashes = [value % num_hashes for value in batch]
        expected = [known.index(key) if key in known else -1 for key in keys]
        assert _find(index, known, hashes, keys) == expected
        new = [idx for idx, ordinal in enumerate(expected) if ordinal < 0]
        index.add(np.array([hashes[idx] for idx in new], np.uint64), np.arange(len(known), len(known) + len(new)))
        known += [keys[idx] for idx in new]


def test_index_grows() -> None:
    index = KeyIndex()
    hashes = np.random.default_rng(1).integers(0, 2**64, 20_000, np.uint64)  # [20000]
    for start in range(0, 20_000, 500):
        index.add(hashes[start : start + 500], np.arange(start, start + 500))
    found = index.find(hashes, is_same=lambda ordinals, positions: ordinals == positions)  # [20000]
    assert found.tolist() == list(range(20_000))
    others = index.find(hashes + np.uint64(1), is_same=lambda ordinals, positions: ordinals == positions)  # [20000]
    assert (others == -1).all()
