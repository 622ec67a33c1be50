"""One contestant in a process of its own: clusters of 64-bit hashes that differ in at most so many bits.

    python -m benchmarks.curation_hamming.contestant CONTESTANT NUM_HASHES MAX_DISTANCE [NUM_QUERIES]

Prints seconds from hashes in memory to clusters, or for faiss to pairs, and a digest of what was found.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["clustered_hashes"]


def clustered_hashes(num_hashes: int, *, seed: int = 5) -> NDArray[np.uint64]:
    """Four of five at random, the others copies of one of these with up to eight bits flipped; mixed."""
    random = np.random.default_rng(seed)
    origins = random.integers(0, 2**64, int(num_hashes * 0.8), dtype=np.uint64)
    copies = origins[random.integers(0, len(origins), num_hashes - len(origins))]
    flips = random.integers(0, 9, len(copies))
    for place in range(8):
        bits = np.uint64(1) << random.integers(0, 64, len(copies)).astype(np.uint64)
        copies ^= np.where(flips > place, bits, np.uint64(0))
    return np.concatenate([origins, copies])[random.permutation(num_hashes)]


def headrace(hashes: NDArray[np.uint64], max_distance: int, num_queries: int) -> tuple[float, NDArray[np.int64]]:
    """Clusters of dedup.hamming, of all hashes."""
    from headrace.curation.dedup.near_hashes import near_hash_clusters
    from headrace.curation.dedup.scope import Scope

    scope = Scope(np.zeros(len(hashes), dtype=np.int64))
    started = time.perf_counter()
    clusters = near_hash_clusters(hashes, scope, max_distance=max_distance)
    return time.perf_counter() - started, clusters


def faiss(hashes: NDArray[np.uint64], max_distance: int, num_queries: int) -> tuple[float, NDArray[np.int64]]:
    """IndexBinaryFlat: the first hashes are looked for among all; pairs, not clusters.

    Gives for each query the smallest row that is near, which the clusters of ours must hold together.
    """
    import faiss as library

    values = hashes.view(np.uint8).reshape(-1, 8)
    started = time.perf_counter()
    index = library.IndexBinaryFlat(64)
    index.add(values)
    limits, _, found = index.range_search(values[:num_queries], max_distance + 1)
    seconds = time.perf_counter() - started
    smallest = np.minimum.reduceat(found, limits[:-1].astype(np.int64))
    return seconds, smallest.astype(np.int64)


def main(name: str, num_hashes: int, max_distance: int, num_queries: int) -> dict[str, Any]:
    """What is printed."""
    hashes = clustered_hashes(num_hashes)
    seconds, found = {"headrace": headrace, "faiss": faiss}[name](hashes, max_distance, num_queries)
    used = resource.getrusage(resource.RUSAGE_SELF)
    document: dict[str, Any] = {
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss << 10,
        "digest": hashlib.blake2b(found.tobytes()).hexdigest(),
    }
    if name == "headrace":
        document["num_clusters"] = len(np.unique(found))
    return document


if __name__ == "__main__":
    asked = [int(each) for each in sys.argv[2:]]
    print(json.dumps(main(sys.argv[1], asked[0], asked[1], asked[2] if len(asked) > 2 else asked[0])))
