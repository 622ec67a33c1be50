"""Clusters of vectors that point nearly the same way: compared inside the cells of a k-means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from headrace.curation.dedup.centroids import fit_centroids, nearest_centroids
from headrace.curation.dedup.components import Components, Links
from headrace.curation.dedup.equal_rows import EqualRows
from headrace.curation.dedup.mixing import drawn_numbers, mixed
from headrace.curation.dedup.scope import Scope
from headrace.curation.dedup.unit_vectors import cosines, product_error
from headrace.curation.dedup.vector_products import VectorProducts

__all__ = ["near_vector_clusters"]

_NUM_ROUNDS: Final = 10
_FITTED_PER_CENTROID: Final = 64
_BLOCK: Final = 2_048  # vectors of a cell that are compared with the others at once
_NUM_PIVOTS: Final = 8


def near_vector_clusters(
    vectors: NDArray[np.float32],  # [num_rows, num_dimensions], of length 1
    scope: Scope,
    *,
    threshold: float,
    num_cells: int | None,
    num_probes: int,
    seed: int,
    products: VectorProducts,
) -> NDArray[np.int64]:  # [num_rows]
    """A cluster for each row, as the smallest row in it: rows linked by pairs whose cosine is at least the threshold.

    Only vectors that share a cell are compared, and each is in the cells of its `num_probes` nearest centroids: a pair
    that shares none is missed. Where the cosine in float32 is too near to the threshold to tell, it is computed in
    float64, so that the outcome does not depend on what multiplies. Nor does it on the order of rows.

    Args:
        num_cells: None: the square root of the number of different vectors.
    """
    digests = np.array([xxhash.xxh3_64_intdigest(row.tobytes()) for row in vectors], dtype=np.uint64)
    equal = EqualRows.of_values(digests, scope)
    found = Components(equal.num_nodes)
    equal.join_equal(found)
    if equal.num_nodes < 2:
        return equal.row_clusters(found)
    nodes = equal.first_of(vectors)  # [num_nodes, num_dimensions]
    count = num_cells or max(1, math.isqrt(equal.num_nodes))
    # By digest: rows in another order, or some more of them, give nearly the same sample.
    places = mixed(equal.first_of(digests) ^ drawn_numbers(1, seed=seed))
    sample = np.argsort(places, kind="stable")[: count * _FITTED_PER_CENTROID]
    centroids = fit_centroids(nodes[sample], num_centroids=count, num_rounds=_NUM_ROUNDS, products=products)
    probed = nearest_centroids(nodes, centroids, count=min(num_probes, len(centroids)), products=products)
    cells = probed.T.reshape(-1)  # [num_probes * num_nodes]
    members = np.tile(np.arange(equal.num_nodes), probed.shape[1])
    groups = np.zeros_like(members) if scope.is_across else equal.scope.codes[members]
    order = np.lexsort((members, groups, cells))
    opens = np.flatnonzero(np.diff(cells[order], prepend=-1) | np.diff(groups[order], prepend=-1))

    def links() -> Iterator[Links]:
        for start, stop in zip(opens.tolist(), [*opens[1:].tolist(), len(order)]):
            cell = members[order[start:stop]]
            sources = equal.scope.codes[cell] if scope.is_across else None
            roots = _cell_components(nodes[cell], sources, threshold, products)
            moved = np.flatnonzero(roots != np.arange(len(cell)))
            yield cell[moved], cell[roots[moved]]

    found.join_all(links())
    return equal.row_clusters(found)


def _cell_components(
    vectors: NDArray[np.float32],  # [num_members, num_dimensions]
    sources: NDArray[np.int64] | None,  # [num_members]
    threshold: float,
    products: VectorProducts,
) -> NDArray[np.int64]:  # [num_members]
    """The smallest member of each member's component."""
    local = Components(len(vectors))
    margin = product_error(vectors.shape[1])

    def link(left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        for rows, columns, values in products.at_least(vectors[left], vectors[right], threshold - margin):
            ours, theirs = left[rows], right[columns]
            is_open = local.labels[ours] != local.labels[theirs]
            if sources is not None:
                is_open &= sources[ours] != sources[theirs]
            ours, theirs = ours[is_open], theirs[is_open]
            is_near = values[is_open] > threshold + margin
            doubtful = np.flatnonzero(~is_near)
            is_near[doubtful] = cosines(vectors, ours[doubtful], theirs[doubtful]) >= threshold
            local.join(ours[is_near], theirs[is_near])

    # A cell in which nearly all are near each other is joined around a few of them, not by all pairs.
    everyone = np.arange(len(vectors))
    rest = everyone
    for _ in range(_NUM_PIVOTS):
        if len(rest) <= _BLOCK // 4:
            break
        link(rest[:1], rest)
        behind = rest[local.labels[rest] != local.labels[rest[0]]]
        if len(rest) - len(behind) < len(rest) // 8:
            break
        rest = behind
    largest = int(np.bincount(local.labels).argmax())
    core = np.flatnonzero(local.labels == largest)
    others = np.flatnonzero(local.labels != largest)
    for start in range(0, len(others), _BLOCK):
        block = others[start : start + _BLOCK]
        link(block, np.concatenate([others[start:], core]))
    return local.labels
