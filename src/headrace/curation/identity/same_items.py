"""Items that are the same thing: candidates by hashes and embeddings, checked, joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.components import Components
from headrace.curation.dedup.near_hashes import Accept, link_near_hashes
from headrace.curation.identity.judged_pairs import JudgedPairs
from headrace.curation.identity.near_directions import link_near_directions
from headrace.curation.identity.pairs import NearVectors, PairCheck
from headrace.curation.identity.same_picture import SamePicture
from headrace.curation.identity.thumbnails import ThumbnailColumn

__all__ = ["Items", "join_same"]


@dataclass(frozen=True, slots=True)
class Items:
    """What is compared, each once. All that is needed of an item that was seen before is here, but for its file.

    Attributes:
        nodes: Of the identities' components, ascending, [num_items].
        is_new: Pairs of two that are not are left out, [num_items].
        hashes: Perceptual, [num_items].
        has_hash: [num_items]
        vectors: Embeddings, [num_items, num_dimensions].
        thumbnails: Of the items.
    """

    nodes: NDArray[np.int64]
    is_new: NDArray[np.bool_]
    hashes: NDArray[np.uint64] | None
    has_hash: NDArray[np.bool_]
    vectors: NDArray[np.floating] | None
    thumbnails: ThumbnailColumn | None


def join_same(
    components: Components,
    items: Items,
    *,
    radius: int,
    least_cosine: float,
    candidate_cosine: float | None,
    max_change: float,
) -> int:
    """Join the nodes of items that are the same thing; how many pairs were compared by their thumbnails.

    Whether two items are joined depends on these two alone, so neither the order nor the others matter, and pairs of
    old items, which were looked at when they were new, can be left out.
    """
    local = Components(len(items.nodes))
    # What is one node already, or was joined before, needs no comparison.
    roots = components.labels[items.nodes]
    order = np.argsort(roots, kind="stable")
    is_equal = roots[order[1:]] == roots[order[:-1]]
    local.join(order[1:][is_equal], order[:-1][is_equal])
    checks: list[PairCheck] = []
    if items.thumbnails is not None:
        checks.append(SamePicture(items.thumbnails, max_change))
    judged = JudgedPairs(local, checks)

    def accepting(check: PairCheck | None) -> Accept:
        """Cheap checks at once, dear ones later."""

        def accept(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
            holds: NDArray[np.bool_] = items.is_new[left] | items.is_new[right]
            holds &= local.labels[left] != local.labels[right]
            if check is not None:
                holds[holds] = check.holds((left[holds], right[holds]))
            if not checks:
                return holds
            judged.offer(left[holds], right[holds])
            return np.zeros(len(left), dtype=np.bool_)

        return accept

    if items.hashes is not None:
        hashed = np.flatnonzero(items.has_hash)
        checked = None if items.vectors is None else NearVectors(items.vectors, least_cosine)
        link_near_hashes(local, items.hashes, hashed, max_distance=radius, accept=accepting(checked))
        judged.settle()
    if candidate_cosine is not None and items.vectors is not None:
        accept = accepting(NearVectors(items.vectors, candidate_cosine))
        link_near_directions(local, items.vectors, least_cosine=candidate_cosine, accept=accept)
        judged.settle()
    components.join(items.nodes, items.nodes[local.labels])
    return judged.num_checked
