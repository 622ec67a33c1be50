"""Clusters by comparing all pairs, and rows to find them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = [
    "clusters_by_scipy",
    "generated_embeddings",
    "generated_hashes",
    "generated_near_texts",
    "partition",
    "word_similarities",
]


def clusters_by_scipy(
    is_near: NDArray[np.bool_],  # [num_rows, num_rows]
    groups: NDArray[Any] | None = None,  # [num_rows]
    *,
    is_across: bool = False,
) -> NDArray[np.int64]:  # [num_rows]
    """The smallest row of each row's component, by scipy; of pairs in the same group, or `is_across` in others only."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    linked = is_near.copy()
    if groups is not None:
        linked &= (groups[:, None] == groups[None, :]) != is_across
    labels = connected_components(coo_matrix(linked), directed=False)[1]
    first = np.full(len(labels) + 1, len(labels), dtype=np.int64)
    np.minimum.at(first, labels, np.arange(len(labels)))
    clusters: NDArray[np.int64] = first[labels]
    return clusters


def partition(names: Sequence[object], clusters: Sequence[object]) -> set[frozenset[object]]:
    """Who is together, whatever the clusters are called; rows without cluster are alone and left out."""
    members: dict[object, set[object]] = {}
    for name, cluster in zip(names, clusters, strict=True):
        if cluster is not None:
            members.setdefault(cluster, set()).add(name)
    return {frozenset(each) for each in members.values() if len(each) > 1}


def _ids(num_rows: int, random: np.random.Generator) -> list[str]:
    return [f"r{number:07d}" for number in random.permutation(num_rows)]


def generated_hashes(num_rows: int, *, seed: int) -> pa.Table:
    """Hashes around few centres with some bits flipped, some of the bits the same in nearly all; nulls."""
    random = np.random.default_rng(seed)
    centres = random.integers(0, 2**64, max(1, num_rows // 6), dtype=np.uint64) & np.uint64(0xFF3F_FFFF_0FFF_F0FF)
    hashes = centres[random.integers(0, len(centres), num_rows)]
    for _ in range(4):
        flips = np.uint64(1) << random.integers(0, 64, num_rows).astype(np.uint64)
        hashes = hashes ^ np.where(random.random(num_rows) < 0.5, flips, np.uint64(0))
    return pa.table(
        {
            "_id": _ids(num_rows, random),
            "phash": pa.array(hashes, mask=random.random(num_rows) < 0.03),
            "source": [f"s{number}" for number in random.integers(0, 3, num_rows)],
        }
    )


def generated_near_texts(num_rows: int, *, seed: int) -> pa.Table:
    """Texts of some forty words, most with edited copies; empty ones, nulls, letters of several scripts."""
    random = np.random.default_rng(seed)
    words = np.array([f"{'wäжあ𠀀'[number % 5]}{number}" for number in range(5_000)])
    bases = [random.choice(words, int(random.integers(1, 80))) for _ in range(max(1, num_rows // 3))]
    texts: list[str | None] = []
    for idx in range(num_rows):
        chosen = bases[int(random.integers(0, len(bases)))].copy()
        for _ in range(int(random.integers(0, 5))):
            chosen[int(random.integers(0, len(chosen)))] = random.choice(words)
        texts.append(["", None, " \u3000\n"][idx % 3] if idx % 40 == 0 else "  ".join(chosen))
    return pa.table({"_id": _ids(num_rows, random), "text": pa.array(texts, pa.string())})


def word_similarities(texts: Sequence[str | None], *, size: int) -> NDArray[np.float64]:
    """Jaccard similarity of the sets of shingles of words, by Python's sets, [num_texts, num_texts]; nothing: 0."""
    sets = []
    for text in texts:
        words = (text or "").split()
        sets.append({tuple(words[at : at + size]) for at in range(max(len(words) - size + 1, min(len(words), 1)))})
    found = np.zeros((len(sets), len(sets)))
    for row, ours in enumerate(sets):
        for column, theirs in enumerate(sets[: row + 1]):
            if ours and not ours.isdisjoint(theirs):
                found[row, column] = found[column, row] = len(ours & theirs) / len(ours | theirs)
    return found


def generated_embeddings(num_rows: int, *, seed: int, num_dimensions: int = 48) -> pa.Table:
    """Vectors in loose groups, as of pictures of one kind; a third have copies at cosines around 0.95; null, zeros."""
    random = np.random.default_rng(seed)
    kinds = random.normal(size=(12, num_dimensions))
    vectors = kinds[random.integers(0, 12, num_rows)] + random.normal(size=(num_rows, num_dimensions))
    copies = np.flatnonzero(random.random(num_rows) < 0.3)
    noise = random.normal(size=(len(copies), num_dimensions)) * random.uniform(0, 0.8, (len(copies), 1))
    vectors[copies] = vectors[random.integers(0, num_rows, len(copies))] + noise
    vectors[::97] = 0
    values = pa.array(vectors.astype(np.float32).reshape(-1))
    embedding: Any = pa.FixedSizeListArray.from_arrays(values, num_dimensions)
    mask = pa.array(np.arange(num_rows) % 89 == 5)
    embedding = pa.compute.if_else(mask, pa.scalar(None, embedding.type), embedding)
    return pa.table({"_id": _ids(num_rows, random), "embedding": embedding})
