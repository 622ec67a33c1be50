"""Dedup operators against all pairs compared one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from headrace.curation import find_operator
from headrace.testing import run_operator
from proofs.operators.comparison import Comparison
from proofs.operators.dedup_oracles import (
    clusters_by_scipy,
    generated_embeddings,
    generated_hashes,
    generated_near_texts,
    partition,
    word_similarities,
)

__all__ = ["DEDUP_COMPARISONS", "found_partition", "semantic_recall"]

_COSINE = 0.95


def found_partition(operator: str, table: pa.Table, **settings: Any) -> set[frozenset[object]]:
    """Ids that an operator puts together."""
    found = run_operator(find_operator(operator), table, action="mark", **settings)
    return partition(table["_id"].to_pylist(), found["cluster"].to_pylist())


def _rows_apart(found: set[frozenset[object]], wanted: set[frozenset[object]]) -> float:
    """Rows that are in a cluster on one side which the other side does not have."""
    return float(len(frozenset[object]().union(*(found ^ wanted))))


def _hamming(num_rows: int, seed: int) -> float:
    table = generated_hashes(num_rows, seed=seed)
    hashes = table["phash"].combine_chunks()
    is_hashed = hashes.is_valid().to_numpy(zero_copy_only=False)
    values = hashes.fill_null(0).to_numpy()
    distances = np.bitwise_count(values[:, None] ^ values[None, :])
    groups = np.array(table["source"].to_pylist())
    apart = 0.0
    for distance in (0, 3, 6, 10):
        is_near = (distances <= distance) & is_hashed[:, None] & is_hashed[None, :]
        scopes: list[tuple[dict[str, str], Any]] = [
            ({}, None),
            ({"within": "source"}, groups),
            ({"across": "source"}, groups),
        ]
        for settings, codes in scopes:
            wanted = clusters_by_scipy(is_near, codes, is_across="across" in settings)
            found = found_partition("dedup.hamming", table, max_distance=distance, **settings)
            apart += _rows_apart(found, partition(table["_id"].to_pylist(), wanted.tolist()))
    return apart


def _minhash(num_rows: int, seed: int) -> float:
    """The largest share of pairs on the wrong side among those that are clearly on one side by Python's sets."""
    table = generated_near_texts(num_rows, seed=seed)
    ids = table["_id"].to_pylist()
    alike = word_similarities(table["text"].to_pylist(), size=3)
    wrong = 0
    clear = 0
    cluster_of = {
        name: number
        for number, names in enumerate(found_partition("dedup.minhash", table, threshold=0.6, size=3, num_perm=256))
        for name in names
    }
    # What is linked is one cluster: so of pairs that must not be together, those count that no chain could link.
    could_be = clusters_by_scipy(alike >= 0.6 - 0.13)  # four standard deviations of the estimate
    for left in range(num_rows):
        for right in range(left):
            is_together = ids[left] in cluster_of and cluster_of[ids[left]] == cluster_of.get(ids[right])
            if alike[left, right] >= 0.6 + 0.2:
                clear += 1
                wrong += not is_together
            elif could_be[left] != could_be[right]:
                wrong += is_together
    return wrong / max(clear, 1)


def semantic_recall(table: pa.Table, **settings: Any) -> tuple[float, int]:
    """(share of pairs at the threshold or above that are together, rows together that no chain of pairs links)."""
    lists = table["embedding"].to_pylist()
    size = max(len(each) for each in lists if each)
    vectors = np.array([each or [0.0] * size for each in lists], dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    is_near = np.triu(units @ units.T >= _COSINE, 1)
    wanted = clusters_by_scipy(is_near)
    found = run_operator(find_operator("dedup.semantic"), table, action="mark", threshold=_COSINE, **settings)[
        "cluster"
    ]
    names = np.array([name or f"alone {idx}" for idx, name in enumerate(found.to_pylist())])
    left, right = np.nonzero(is_near)
    parts = {name: {int(each) for each in wanted[names == name]} for name in set(names.tolist())}
    strangers = sum(len(each) - 1 for each in parts.values())
    return float((names[left] == names[right]).mean()) if len(left) else 1.0, strangers


def _semantic(num_rows: int, seed: int) -> float:
    recall, strangers = semantic_recall(generated_embeddings(num_rows, seed=seed))
    return 1.0 if strangers else 1 - recall


DEDUP_COMPARISONS = [
    Comparison(
        "dedup.hamming",
        "all pairs by NumPy and scipy's connected components, at 0, 3, 6 and 10 bits, within and across sources too",
        _hamming,
        "rows in another cluster",
        0,
        1_500,
    ),
    Comparison(
        "dedup.minhash",
        "Jaccard similarity of Python's sets for all pairs that are clearly above the threshold, or not linked at all",
        _minhash,
        "share of such pairs",
        0.02,
        800,
    ),
    Comparison(
        "dedup.semantic",
        "cosines of all pairs in float64: pairs that are missed; none may be together that scipy's components part",
        _semantic,
        "share of pairs missed",
        0.05,
        3_000,
    ),
]
