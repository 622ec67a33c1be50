"""One operator on many rows, in a process of its own.

    python -m proofs.truth.large_rows OPERATOR NUM_ROWS SEED

A fifth of the rows are near copies of others. Prints what the process held at its peak, and whether the copies left.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation import find_operator
from headrace.testing import run_operator

_COPIES = 0.2
_WORDS = 20_000
_DIMENSIONS = 64


def _origins(num_rows: int, random: np.random.Generator) -> NDArray[np.int64]:
    """For each of the last rows the earlier one that it is a copy of, [num_copies]."""
    num_copies = int(num_rows * _COPIES)
    return random.integers(0, num_rows - num_copies, num_copies)


def _ids(num_rows: int) -> pa.Array:
    return pa.array(np.arange(num_rows) + 10**9).cast(pa.string())


def _texts(num_rows: int, random: np.random.Generator) -> pa.Array:
    words = pa.array([f"{number:x}"[-6:] + "aeiouy"[number % 6] for number in range(_WORDS)])
    tokens = random.integers(0, _WORDS, (num_rows, 40), dtype=np.int32)
    origins = _origins(num_rows, random)
    copies = tokens[origins]
    copies[:, 39] = random.integers(0, _WORDS, len(copies))
    tokens[num_rows - len(copies) :] = copies
    offsets = pa.array(np.arange(0, tokens.size + 1, 40)).cast(pa.int32())
    lists = pa.ListArray.from_arrays(offsets, words.take(tokens.reshape(-1)))
    return pa.compute.binary_join(lists, " ")


def _hashes(num_rows: int, random: np.random.Generator) -> NDArray[np.uint64]:
    hashes = random.integers(0, 2**64, num_rows, dtype=np.uint64)
    origins = _origins(num_rows, random)
    copies = hashes[origins]
    for _ in range(4):
        copies ^= np.uint64(1) << random.integers(0, 64, len(copies)).astype(np.uint64)
    hashes[num_rows - len(copies) :] = copies
    return hashes


def _vectors(num_rows: int, random: np.random.Generator) -> pa.Array:
    vectors = random.standard_normal((num_rows, _DIMENSIONS), dtype=np.float32)
    origins = _origins(num_rows, random)
    noise = random.standard_normal((len(origins), _DIMENSIONS), dtype=np.float32) * np.float32(0.1)
    vectors[num_rows - len(origins) :] = vectors[origins] + noise
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), _DIMENSIONS)


def main(what: str, num_rows: int, seed: int) -> dict[str, Any]:
    """Run one of them."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {"_id": _ids(num_rows)}
    if what == "minhash":
        columns["text"] = _texts(num_rows, random)
        settings: dict[str, Any] = {"size": 3}
    elif what == "hamming":
        columns["phash"] = pa.array(_hashes(num_rows, random))
        settings = {"max_distance": 4}
    elif what == "semantic":
        columns["embedding"] = _vectors(num_rows, random)
        settings = {"threshold": 0.95}
    else:
        columns["content"] = pa.array(np.arange(num_rows))
        columns["phash"] = pa.array(_hashes(num_rows, random))
        columns["embedding"] = _vectors(num_rows, np.random.default_rng(seed))
        settings = {"content": "content", "phash": "phash", "radius": 4, "embedding": "embedding", "least_cosine": 0.5}
        settings["candidate_cosine"] = 0.97
    table = pa.table(columns)
    columns.clear()
    name = "identity.assign" if what == "identity" else f"dedup.{what}"
    found = run_operator(find_operator(name), table, **settings)
    num_left = len(found["identity_id"].unique()) if what == "identity" else found["_dropped"].null_count
    wanted = num_rows - int(num_rows * _COPIES)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_bytes": used.ru_maxrss << 10,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "is_right": abs(num_left - wanted) <= wanted * 0.03,
        "said": f"{num_left:,} rows or identities are left; {wanted:,} things were made",
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
