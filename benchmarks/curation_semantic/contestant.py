"""One way to multiply, in a process of its own: blas, or torch on cpu or cuda.

python -m benchmarks.curation_semantic.contestant DEVICE NUM_ROWS
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

from headrace.curation.dedup.near_vectors import near_vector_clusters
from headrace.curation.dedup.scope import Scope
from headrace.curation.dedup.vector_products import BlasProducts, VectorProducts

_DIMENSIONS = 1_536
_KINDS = 1_000
_BLOCK = 10_000


def embeddings(num_rows: int) -> NDArray[np.float32]:  # [num_rows, 1536], of length 1
    """Loose groups, as of texts of one kind; a fifth are near copies of others."""
    random = np.random.default_rng(4)
    kinds = random.standard_normal((_KINDS, _DIMENSIONS), dtype=np.float32)
    found = np.empty((num_rows, _DIMENSIONS), dtype=np.float32)
    for start in range(0, num_rows, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, num_rows))
        found[rows] = kinds[random.integers(0, _KINDS, len(rows))]
        found[rows] += random.standard_normal((len(rows), _DIMENSIONS), dtype=np.float32)
        copies = rows[random.random(len(rows)) < 0.2]
        noise = random.standard_normal((len(copies), _DIMENSIONS), dtype=np.float32) * np.float32(0.25)
        found[copies] = found[random.integers(0, rows[-1] + 1, len(copies))] + noise
        found[rows] /= np.linalg.norm(found[rows], axis=1, keepdims=True)
    return found


def main(device: str, num_rows: int) -> dict[str, Any]:
    """What is printed."""
    vectors = embeddings(num_rows)
    products: VectorProducts = BlasProducts()
    gpu = ""
    if device != "blas":
        import torch

        from headrace.curation.dedup.torch_products import TorchProducts

        products = TorchProducts(device)
        if device == "cuda":
            gpu = torch.cuda.get_device_name()
            torch.ones(8, device=device).sum().item()  # the driver's start is not in the time
    started = time.perf_counter()
    clusters = near_vector_clusters(
        vectors,
        Scope(np.zeros(num_rows, dtype=np.int64)),
        threshold=0.9,
        num_cells=None,
        num_probes=2,
        seed=0,
        products=products,
    )
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss << 10,
        "digest": hashlib.blake2b(clusters.tobytes()).hexdigest(),
        "num_clusters": len(np.unique(clusters)),
        "gpu": gpu,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
