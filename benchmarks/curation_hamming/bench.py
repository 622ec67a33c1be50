"""How long do clusters of a million perceptual hashes take, against faiss' exact search? See README.md."""

from __future__ import annotations

import os
import sys

import numpy as np

from benchmarks.curation_hamming.contestant import clustered_hashes
from benchmarks.curation_merge.measured_run import run_in_tree
from benchmarks.measurement import Bar, Outcome, Timing, hardware, report, versions
from headrace.curation.dedup.near_hashes import near_hash_clusters
from headrace.curation.dedup.scope import Scope

QUESTION = "Clusters of clustered 64-bit hashes within 6 and 8 bits"
_TIMEOUT_SECONDS = 1_800.0
_BARS = {6: 3.0, 8: 1.0}  # times as fast as faiss


def main() -> Outcome:
    """Run the race and print it; `CURATION_HAMMING_ROWS`, `_LARGE_ROWS`, `_QUERIES`, `_REPETITIONS` shorten it."""
    machine = hardware()
    num_hashes = int(os.environ.get("CURATION_HAMMING_ROWS", "1000000"))
    large = int(os.environ.get("CURATION_HAMMING_LARGE_ROWS", "10000000"))
    num_queries = min(num_hashes, int(os.environ.get("CURATION_HAMMING_QUERIES", "20000")))
    repetitions = int(os.environ.get("CURATION_HAMMING_REPETITIONS", "3"))
    _check_pairs(num_hashes, num_queries)
    seconds: dict[str, list[float]] = {}
    facts: dict[str, str | int | float] = {"hashes": num_hashes, "queries_of_faiss": num_queries}
    for _ in range(repetitions):
        for distance in _BARS:
            for contestant in ("headrace", "faiss"):
                found = _measured(contestant, num_hashes, distance, num_queries)
                # faiss compares each query with all hashes, so its time is that of the queries times their share.
                scale = num_hashes / num_queries if contestant == "faiss" else 1.0
                name = f"{_NAMES[contestant]}, {distance} bits"
                seconds.setdefault(name, []).append(found["seconds"] * scale)
                if contestant == "headrace":
                    facts[f"clusters_within_{distance}_bits"] = found["num_clusters"]
                    facts[f"peak_mib_within_{distance}_bits"] = int(found["peak_bytes"]) >> 20
    timings = {name: Timing(name, values) for name, values in seconds.items()}
    bars = []
    for distance, limit in _BARS.items():
        ours, theirs = (timings[f"{_NAMES[who]}, {distance} bits"].median for who in ("headrace", "faiss"))
        bars.append(Bar(f"times as fast as faiss within {distance} bits", theirs / ours, limit, "at least", "x"))
    for distance in (4, 6):
        found = _measured("headrace", large, distance, large)
        facts[f"seconds_of_{large}_within_{distance}_bits"] = round(found["seconds"], 1)
        facts[f"processor_seconds_of_{large}_within_{distance}_bits"] = round(found["processor_seconds"], 1)
        facts[f"peak_mib_of_{large}_within_{distance}_bits"] = int(found["peak_bytes"]) >> 20
    return report(
        question=QUESTION,
        timings=timings,
        ours=f"{_NAMES['headrace']}, 6 bits",
        bars=bars,
        libraries=versions("headrace", "numpy", "faiss-cpu"),
        machine=machine,
        facts=facts,
    )


_NAMES = {"headrace": "headrace dedup.hamming", "faiss": "faiss IndexBinaryFlat, scaled"}


def _measured(contestant: str, num_hashes: int, distance: int, num_queries: int) -> dict[str, int | float]:
    asked = [str(each) for each in (num_hashes, distance, num_queries)]
    command = [sys.executable, "-m", "benchmarks.curation_hamming.contestant", contestant, *asked]
    answer: dict[str, int | float] = run_in_tree(command, timeout_seconds=_TIMEOUT_SECONDS).answer
    print(f"{contestant}, {distance} bits: {answer['seconds']:.1f} s", file=sys.stderr)
    return answer


def _check_pairs(num_hashes: int, num_queries: int) -> None:
    """All that faiss finds near some hashes is in one cluster with them.

    Raises:
        RuntimeError: It is not.
    """
    import faiss

    hashes = clustered_hashes(min(num_hashes, 100_000))
    values = hashes.view(np.uint8).reshape(-1, 8)
    index = faiss.IndexBinaryFlat(64)
    index.add(values)
    for distance in _BARS:
        clusters = near_hash_clusters(hashes, Scope(np.zeros(len(hashes), dtype=np.int64)), max_distance=distance)
        limits, _, found = index.range_search(values[: min(num_queries, 2_000)], distance + 1)
        queries = np.repeat(np.arange(len(limits) - 1), np.diff(limits).astype(np.int64))
        if (clusters[queries] != clusters[found]).any():
            raise RuntimeError(f"a pair that faiss finds within {distance} bits is in two clusters")


if __name__ == "__main__":
    main()
