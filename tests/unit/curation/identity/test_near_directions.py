"""Embeddings that are near are asked for, whoever else is there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.curation.dedup.components import Components
from headrace.curation.identity.near_directions import choose_tables, direction_sketches, link_near_directions


def asked(vectors: NDArray[np.floating], least_cosine: float) -> set[tuple[int, int]]:
    """Pairs that are asked for when none is accepted."""
    pairs: set[tuple[int, int]] = set()

    def refuse(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        pairs.update(zip(np.minimum(left, right).tolist(), np.maximum(left, right).tolist()))
        return np.zeros(len(left), dtype=np.bool_)

    link_near_directions(Components(len(vectors)), vectors, least_cosine=least_cosine, accept=refuse)
    return pairs


def pairs_at(cosine: float, num_pairs: int, num_dimensions: int) -> NDArray[np.float64]:
    """Vectors one after another, each two at this angle: [2 * num_pairs, num_dimensions]."""
    random = np.random.default_rng(num_pairs)
    left = random.normal(size=(num_pairs, num_dimensions))
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    across = random.normal(size=left.shape)
    across -= (across * left).sum(axis=1, keepdims=True) * left
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    right = cosine * left + np.sqrt(1 - cosine**2) * across
    return np.stack([left, right * random.uniform(0.1, 9, (num_pairs, 1))], axis=1).reshape(-1, num_dimensions)


@pytest.mark.parametrize(("cosine", "num_dimensions"), [(0.95, 64), (0.9, 512), (0.99, 16), (0.8, 128)])
def test_nearly_all_pairs_at_the_least_cosine_are_asked_for(cosine: float, num_dimensions: int) -> None:
    vectors = pairs_at(cosine, 1_500, num_dimensions)
    found = asked(vectors, cosine)
    wanted = [(2 * idx, 2 * idx + 1) for idx in range(1_500)]
    assert sum(pair in found for pair in wanted) >= 0.99 * len(wanted)
    assert len(found) < 0.02 * len(vectors) ** 2 / 2, "few others are"


def test_whether_a_pair_is_asked_for_depends_on_it_alone() -> None:
    vectors = pairs_at(0.93, 300, 48)
    whole = asked(vectors, 0.95)
    order = np.random.default_rng(2).permutation(len(vectors))
    part = order[:200]
    found = {tuple(sorted((int(part[left]), int(part[right])))) for left, right in asked(vectors[part], 0.95)}
    chosen = set(part.tolist())
    assert found == {pair for pair in whole if pair[0] in chosen and pair[1] in chosen}


def test_sketches_are_the_same_in_parts_and_in_any_float() -> None:
    """Written down: other sides on another machine would find other pairs."""
    vectors = np.round(np.random.default_rng(1).normal(size=(40, 20)), 2).astype(np.float32)
    whole = direction_sketches(vectors, 70)
    assert (whole[:, 7:8] == direction_sketches(vectors[7:8].astype(np.float64), 70)).all()
    assert (whole == direction_sketches(vectors * 8, 70)).all()
    assert 0.3 < whole.mean() < 0.7
    assert (
        "".join("01"[int(bit)] for bit in direction_sketches(np.array([[1.0, -2.0, 3.0]]), 16)[:, 0])
        == "0001011110000011"
    )


def test_nothing_nan_and_zeros_are_borne() -> None:
    assert asked(np.empty((0, 4)), 0.9) == set()
    odd = np.array([[np.nan, 1.0], [0.0, 0.0], [np.inf, 0.0], [1.0, 1.0]])
    assert direction_sketches(odd, 8).shape == (8, 4)


@pytest.mark.parametrize("cosine", [0.05, 0.5, 0.9, 0.95, 0.999, 1.0])
def test_tables_are_few_and_find_pairs(cosine: float) -> None:
    tables, bits = choose_tables(cosine)
    agrees = 1 - np.arccos(cosine) / np.pi
    assert 1 <= tables <= 48
    assert 1 <= bits <= 24
    assert 1 - (1 - agrees**bits) ** tables > 0.99 or bits == 1
