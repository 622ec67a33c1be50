"""Near vectors are found inside of cells, and float64 has the last word."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.curation.dedup.near_vectors import near_vector_clusters
from headrace.curation.dedup.scope import Scope
from headrace.curation.dedup.unit_vectors import product_error
from headrace.curation.dedup.vector_products import BlasProducts, VectorProducts
from proofs.operators.dedup_oracles import clusters_by_scipy


class NoisyProducts:
    """As far off as products in float32 may be, another way each time: any other BLAS or GPU."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._exact = BlasProducts()

    def _noise(self, shape: tuple[int, ...], num_dimensions: int) -> NDArray[np.float32]:
        error = product_error(num_dimensions) / 2
        return self._random.uniform(-error, error, shape).astype(np.float32)

    def at_least(
        self, left: NDArray[np.float32], right: NDArray[np.float32], limit: float
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        products = left @ right.T + self._noise((len(left), len(right)), left.shape[1])
        rows, columns = np.nonzero(products >= limit)
        yield rows, columns, products[rows, columns]

    def largest(
        self, left: NDArray[np.float32], right: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        products = left @ right.T + self._noise((len(left), len(right)), left.shape[1])
        places = np.argsort(-products, axis=1)[:, :count]
        return places, np.take_along_axis(products, places, axis=1)


def units(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / lengths, dtype=np.float32)


def planted(num_rows: int, *, seed: int, num_dimensions: int = 24) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    kinds = random.normal(size=(8, num_dimensions))
    vectors = kinds[random.integers(0, 8, num_rows)] + random.normal(size=(num_rows, num_dimensions))
    copies = np.flatnonzero(random.random(num_rows) < 0.4)
    noise = random.normal(size=(len(copies), num_dimensions)) * random.uniform(0, 0.7, (len(copies), 1))
    vectors[copies] = vectors[random.integers(0, num_rows, len(copies))] + noise
    return units(vectors)


def clusters(
    vectors: NDArray[np.float32],
    *,
    scope: Scope | None = None,
    threshold: float = 0.95,
    num_cells: int | None = None,
    seed: int = 0,
    products: VectorProducts | None = None,
) -> list[int]:
    found = near_vector_clusters(
        vectors,
        scope or Scope(np.zeros(len(vectors), dtype=np.int64)),
        threshold=threshold,
        num_cells=num_cells,
        num_probes=2,
        seed=seed,
        products=products or BlasProducts(),
    )
    return [int(each) for each in found]


def by_all_pairs(vectors: NDArray[np.float32], scope: Scope, threshold: float = 0.95) -> list[int]:
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    is_near = exact @ exact.T / lengths[:, None] / lengths >= threshold
    return [int(each) for each in clusters_by_scipy(is_near, scope.codes, is_across=scope.is_across)]


@pytest.mark.parametrize("is_across", [False, True])
@pytest.mark.parametrize("num_groups", [1, 3])
@pytest.mark.parametrize("num_rows", [2, 3_000])
def test_one_cell_finds_all_pairs(num_rows: int, num_groups: int, is_across: bool) -> None:
    vectors = planted(num_rows, seed=num_rows)
    scope = Scope(np.arange(num_rows) % num_groups, is_across)
    assert clusters(vectors, scope=scope, num_cells=1) == by_all_pairs(vectors, scope)


def test_other_products_give_the_same_clusters() -> None:
    """Many pairs lie at the threshold itself, closer than float32 can tell."""
    random = np.random.default_rng(3)
    ours = planted(600, seed=8)
    across = random.normal(size=ours.shape)
    across -= (across * ours).sum(axis=1, keepdims=True) * ours
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    cosine = 0.95 + random.uniform(-1e-7, 1e-7, (600, 1))
    vectors = np.concatenate([ours, (cosine * ours + np.sqrt(1 - cosine**2) * across).astype(np.float32)])
    wanted = clusters(vectors)
    assert 0 < sum(ours == theirs for ours, theirs in zip(wanted[:600], wanted[600:])) < 600
    for seed in range(4):
        assert clusters(vectors, products=NoisyProducts(seed)) == wanted


def test_order_of_rows_does_not_matter() -> None:
    vectors = planted(1_200, seed=5)
    wanted = np.array(clusters(vectors, seed=2))
    order = np.random.default_rng(1).permutation(len(vectors))
    found = order[clusters(vectors[order], seed=2)]  # a row of each cluster, in the old numbers
    assert (wanted[found] == wanted[order]).all()
    assert len(set(found.tolist())) == len(set(wanted.tolist()))


def test_equal_and_crowded_vectors_take_no_square() -> None:
    """200,000 equal vectors, and 60,000 that differ and are near each other."""
    random = np.random.default_rng(7)
    centre = random.normal(size=16)
    crowd = units(centre + random.normal(size=(60_000, 16)) * 1e-3)
    vectors = np.concatenate(
        [np.repeat(units(centre[None]), 200_000, axis=0), crowd, units(random.normal(size=(50, 16)))]
    )
    start = time.process_time()
    found = clusters(vectors, threshold=0.99, num_cells=3)
    assert time.process_time() - start < 40
    assert found.count(0) >= 260_000


def test_no_rows_and_one_row() -> None:
    assert clusters(np.empty((0, 4), dtype=np.float32)) == []
    assert clusters(units(np.ones((1, 4)))) == [0]
