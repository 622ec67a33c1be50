"""Near duplicates are those of brute force, on more rows than unit tests have.

`minhash`: pairs that agree in a band, by a dictionary of bands. `hamming`: clusters by the distance of every pair.
`semantic`: which share of all pairs at the threshold is together, and that no two are that nothing links.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from headrace.curation.dedup.bands import banded_pairs
from headrace.curation.dedup.components import Components
from headrace.curation.dedup.minhash import text_signatures
from headrace.curation.dedup.near_hashes import near_hash_clusters
from headrace.curation.dedup.scope import Scope
from proofs.operators.dedup_comparisons import semantic_recall
from proofs.operators.dedup_oracles import generated_embeddings, generated_near_texts
from proofs.outcomes import CaseResult

_LEAST_RECALL = 0.95
_BLOCK = 1_000


def cases(*, is_full: bool) -> list[str]:
    """What and how many rows."""
    if not is_full:
        return ["minhash/1000", "hamming/3000", "semantic/1500"]
    return ["minhash/30000", "minhash/30001", "hamming/60000", "hamming/60001", "semantic/8000", "semantic/8001"]


def skip_reason() -> str | None:
    """Runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Compare with brute force."""
    result = CaseResult(case)
    what, _, count = case.partition("/")
    {"minhash": _minhash, "hamming": _hamming, "semantic": _semantic}[what](result, int(count), seed + int(count))
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """What was compared."""
    named = {name: value for name, value in counts.items() if not name.startswith("semantic")}
    found = [f"{name}: {value:,.0f}" for name, value in named.items()]
    runs = counts.get("semantic runs", 0)
    return (
        [*found, f"semantic recall, the mean of {runs:.0f} runs: {counts['semantic recalls'] / runs:.4f}"]
        if runs
        else found
    )


def _minhash(result: CaseResult, num_rows: int, seed: int) -> None:
    texts = generated_near_texts(num_rows, seed=seed)["text"].combine_chunks()
    signatures, _ = text_signatures(texts, unit="words", size=2, num_perm=64, seed=seed, ignore_case=True)
    signatures = signatures[np.random.default_rng(seed).permutation(num_rows)]
    for bands, rows in ((16, 4), (8, 8), (21, 3)):
        wanted: set[tuple[int, int]] = set()
        for band in range(bands):
            buckets: dict[bytes, list[int]] = defaultdict(list)
            for idx, part in enumerate(signatures[:, band * rows : (band + 1) * rows]):
                buckets[part.tobytes()].append(idx)
            for bucket in buckets.values():
                wanted.update(combinations(bucket, 2))
        found = banded_pairs(signatures, bands=bands, rows=rows)
        result.runs += 1
        result.count("MinHash pairs by a dictionary of bands", len(wanted))
        if [tuple(pair) for pair in found.tolist()] != sorted(wanted):
            result.violations.append(f"{bands} bands of {rows}: {len(found)} pairs, brute force has {len(wanted)}")


def _hamming(result: CaseResult, num_rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    centres = random.integers(0, 2**64, num_rows // 3, dtype=np.uint64)
    hashes = centres[random.integers(0, len(centres), num_rows)]
    for _ in range(10):
        flips = np.uint64(1) << random.integers(0, 64, num_rows).astype(np.uint64)
        hashes = hashes ^ np.where(random.random(num_rows) < 0.4, flips, np.uint64(0))
    for distance in (2, 6, 8, 10):
        found = near_hash_clusters(hashes, Scope(np.zeros(num_rows, dtype=np.int64)), max_distance=distance)
        wanted = Components(num_rows)
        num_pairs = 0
        for start in range(0, num_rows, _BLOCK):
            block = hashes[start : start + _BLOCK]
            near = np.bitwise_count(block[:, None] ^ hashes[None, :]) <= distance
            left, right = np.nonzero(near)
            wanted.join(left + start, right)
            num_pairs += int((left + start < right).sum())
        result.runs += 1
        result.count(f"hashes within {distance} bits, pairs", num_pairs)
        if not np.array_equal(found, _smallest(wanted.labels)):
            result.violations.append(f"clusters at {distance} bits are not those of all pairs")


def _smallest(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each cluster, whatever its label."""
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    found: NDArray[np.int64] = first[codes.reshape(-1)]
    return found


def _semantic(result: CaseResult, num_rows: int, seed: int) -> None:
    for offset in range(2):
        recall, strangers = semantic_recall(generated_embeddings(num_rows, seed=seed + offset))
        result.runs += 1
        result.count("semantic runs", 1)
        result.count("semantic recalls", recall)
        if recall < _LEAST_RECALL:
            result.violations.append(f"recall is {recall:.4f}; at least {_LEAST_RECALL} is asked for")
        if strangers:
            result.violations.append(f"{strangers} rows are together that no pair links")
