"""Vectors grouped around centroids: spherical k-means with the same outcome on any machine."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.unit_vectors import product_error
from headrace.curation.dedup.vector_products import VectorProducts

__all__ = ["fit_centroids", "nearest_centroids"]

_TIE_ROWS: Final = 4_096


def fit_centroids(
    vectors: NDArray[np.float32],  # [num_vectors, num_dimensions], of length 1
    *,
    num_centroids: int,
    num_rounds: int,
    products: VectorProducts,
) -> NDArray[np.float32]:  # [num_centroids, num_dimensions], of length 1
    """Lloyd's rounds from the first vectors, which should be in random order. A centroid that nobody is near stays."""
    centroids = vectors[:num_centroids].copy()
    for _ in range(num_rounds):
        nearest = nearest_centroids(vectors, centroids, count=1, products=products)[:, 0]
        order = np.argsort(nearest, kind="stable")
        starts = np.flatnonzero(np.diff(nearest[order], prepend=-1))
        sums = np.add.reduceat(vectors[order].astype(np.float64), starts, axis=0)  # in a fixed order
        lengths = np.sqrt((sums * sums).sum(axis=1))
        is_usable = lengths > 0
        moved = (sums[is_usable] / lengths[is_usable, None]).astype(np.float32)
        who = nearest[order][starts][is_usable]
        if np.array_equal(centroids[who], moved):
            break
        centroids[who] = moved
    return centroids


def nearest_centroids(
    vectors: NDArray[np.float32],  # [num_vectors, num_dimensions]
    centroids: NDArray[np.float32],  # [num_centroids, num_dimensions]
    *,
    count: int,
    products: VectorProducts,
) -> NDArray[np.int64]:  # [num_vectors, count]
    """The nearest centroids of each vector, in no order. Where float32 cannot tell which are, float64 decides."""
    num_asked = min(count + 1, len(centroids))
    places, values = products.largest(vectors, centroids, num_asked)
    if num_asked <= count:
        return places
    is_close = values[:, count - 1] - values[:, count] <= 2 * product_error(vectors.shape[1])
    close = np.flatnonzero(is_close)
    exact = centroids.astype(np.float64) if len(close) else centroids
    for start in range(0, len(close), _TIE_ROWS):
        rows = close[start : start + _TIE_ROWS]
        found = np.round(vectors[rows].astype(np.float64) @ exact.T, 12)
        places[rows, :count] = np.argsort(-found, axis=1, kind="stable")[:, :count]
    return places[:, :count]
