"""One contestant in a process of its own: pairs of texts that agree in one of 32 bands of 4 of 128 hashes.

    python -m benchmarks.curation_minhash.contestant CONTESTANT FOLDER NUM_TEXTS

Prints seconds, processor seconds, pairs and recall. The clock runs from texts in memory, or in a file where the library
reads them itself, to pairs as numbers; imports are not in it.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.near_texts import recall, true_pairs

NUM_PERM, BANDS, ROWS, SHINGLE = 128, 32, 4, 3
Pairs = NDArray[np.int64]  # [num_pairs, 2]


def headrace(folder: Path, num_texts: int) -> tuple[float, Pairs]:
    """Signatures and banding of dedup.minhash."""
    from headrace.curation.dedup.bands import banded_pairs
    from headrace.curation.dedup.minhash import text_signatures

    started = time.perf_counter()
    texts = pq.read_table(folder / "texts.parquet", columns=["text"])["text"].combine_chunks().slice(0, num_texts)
    signatures, _ = text_signatures(texts, unit="words", size=SHINGLE, num_perm=NUM_PERM, seed=0, ignore_case=False)
    pairs = banded_pairs(signatures, bands=BANDS, rows=ROWS)
    return time.perf_counter() - started, pairs


def headrace_operator(folder: Path, num_texts: int) -> tuple[float, Pairs]:
    """The whole operator: clusters, checked by the signatures, and the row of each that stays."""
    import pyarrow as pa

    from headrace.curation import find_operator
    from headrace.testing import run_operator

    started = time.perf_counter()
    table = pq.read_table(folder / "texts.parquet").slice(0, num_texts)
    table = table.append_column("_id", table["doc"].cast(pa.string()))
    found = run_operator(
        find_operator("dedup.minhash"), table, size=SHINGLE, threshold=0.5, num_perm=NUM_PERM, ignore_case=False
    )
    seconds = time.perf_counter() - started
    kept = found["cluster"].cast(pa.int64()).combine_chunks()
    rows = np.flatnonzero(kept.is_valid().to_numpy(zero_copy_only=False))
    pairs = np.stack([kept.drop_null().to_numpy(), rows], axis=1)
    return seconds, pairs[pairs[:, 0] != pairs[:, 1]]


def daft_kernel(folder: Path, num_texts: int) -> tuple[float, Pairs]:
    """Daft's MinHash expression, and the banding of this file."""
    import daft
    from daft import col

    daft.set_runner_native()
    started = time.perf_counter()
    frame = daft.read_parquet(str(folder / "texts.parquet")).limit(num_texts)
    hashes = col("text").minhash(num_hashes=NUM_PERM, ngram_size=SHINGLE, hash_function="xxhash")
    found = frame.select("doc", sig=hashes).collect().to_arrow()
    order = np.argsort(found["doc"].to_numpy())
    signatures = found["sig"].combine_chunks().flatten().to_numpy().reshape(-1, NUM_PERM)[order]
    pairs = _banded(signatures)
    return time.perf_counter() - started, pairs


def rensa(folder: Path, num_texts: int) -> tuple[float, Pairs]:
    """rensa's RMinHash over lists of shingles, and the banding of this file."""
    from rensa import RMinHash

    started = time.perf_counter()
    texts = _texts(folder, num_texts)
    parts = []
    for start in range(0, len(texts), 20_000):
        shingles = [_shingles(text) for text in texts[start : start + 20_000]]
        parts.append(np.array(RMinHash.digest_matrix_from_token_sets(shingles, NUM_PERM, 42).to_rows(), np.uint32))
    pairs = _banded(np.concatenate(parts))
    return time.perf_counter() - started, pairs


def datasketch(folder: Path, num_texts: int) -> tuple[float, Pairs]:
    """datasketch's MinHash and MinHashLSH."""
    from datasketch import MinHash, MinHashLSH

    started = time.perf_counter()
    index = MinHashLSH(num_perm=NUM_PERM, params=(BANDS, ROWS))
    sets = ([shingle.encode() for shingle in _shingles(text)] for text in _texts(folder, num_texts))
    found = []
    for idx, signature in enumerate(MinHash.generator(sets, num_perm=NUM_PERM)):
        found += [(other, idx) for other in index.query(signature)]
        index.insert(idx, signature, check_duplication=False)
    return time.perf_counter() - started, np.array(found, dtype=np.int64).reshape(-1, 2)


def datatrove(folder: Path, num_texts: int) -> tuple[float, Pairs]:
    """Its signatures and buckets, two tasks at a time, as its example has them; its clusters are not in the time."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig

    scratch = folder / "datatrove"
    shutil.rmtree(scratch, ignore_errors=True)
    as_it_is = TextNormConfig(
        lowercase=False,
        norm_whitespace=False,
        remove_punctuation=False,
        norm_unicode_diacritics=False,
        norm_numbers=False,
        norm_weekdays=False,
        norm_monthnames=False,
    )
    config = MinhashConfig(
        hash_config=HashConfig(precision=32),
        num_buckets=BANDS,
        hashes_per_bucket=ROWS,
        n_grams=SHINGLE,
        norm_config=as_it_is,
    )
    num_tasks = 2

    def read(data: Any, rank: int = 0, world_size: int = 1) -> Any:
        texts = pq.read_table(folder / "texts.parquet", columns=["text"])["text"].slice(0, num_texts)
        share = -(-len(texts) // world_size)
        for idx, text in enumerate(texts.slice(rank * share, share).to_pylist()):
            yield Document(text=text, id=str(rank * share + idx))

    started = time.perf_counter()
    signatures = LocalPipelineExecutor(
        pipeline=[read, MinhashDedupSignature(output_folder=str(scratch / "signatures"), config=config)],
        tasks=num_tasks, workers=num_tasks, logging_dir=str(scratch / "logs1"),
    )  # fmt: skip
    buckets = LocalPipelineExecutor(
        pipeline=[
            MinhashDedupBuckets(
                input_folder=str(scratch / "signatures"), output_folder=str(scratch / "buckets"), config=config
            )
        ],
        tasks=BANDS, workers=num_tasks, depends=signatures, logging_dir=str(scratch / "logs2"),
    )  # fmt: skip
    buckets.run()
    seconds = time.perf_counter() - started
    found = [np.frombuffer(file.read_bytes(), dtype="<u4").reshape(-1, 4) for file in scratch.glob("buckets/*.dups")]
    share = -(-num_texts // num_tasks)
    links = np.concatenate(found).astype(np.int64)  # [num_links, 4]: task and document of both
    shutil.rmtree(scratch, ignore_errors=True)
    return seconds, np.stack([links[:, 0] * share + links[:, 1], links[:, 2] * share + links[:, 3]], axis=1)


def _texts(folder: Path, num_texts: int) -> list[str]:
    found: list[str] = pq.read_table(folder / "texts.parquet", columns=["text"])["text"].slice(0, num_texts).to_pylist()
    return found


def _shingles(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)]


def _banded(signatures: NDArray[Any]) -> Pairs:  # [num_pairs, 2]
    """Pairs that agree in a band, for libraries that give signatures only; by sorting, in NumPy."""
    found = []
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        keys = part.view(np.dtype((np.void, part.dtype.itemsize * ROWS))).reshape(-1)
        codes = np.unique(keys, return_inverse=True)[1].reshape(-1)
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        reach = 1
        places = np.arange(len(order))
        while len(places):
            places = places[places + reach < len(order)]
            places = places[ordered[places] == ordered[places + reach]]
            found.append(np.stack([order[places], order[places + reach]], axis=1))
            reach += 1
    pairs = np.concatenate(found)
    codes = np.unique(np.minimum(*pairs.T) * len(signatures) + np.maximum(*pairs.T))
    return np.stack(np.divmod(codes, len(signatures)), axis=1)


CONTESTANTS: dict[str, Callable[[Path, int], tuple[float, Pairs]]] = {
    "headrace": headrace,
    "headrace_operator": headrace_operator,
    "daft": daft_kernel,
    "rensa": rensa,
    "datasketch": datasketch,
    "datatrove": datatrove,
}

if __name__ == "__main__":
    place, count = Path(sys.argv[2]), int(sys.argv[3])
    seconds, pairs = CONTESTANTS[sys.argv[1]](place, count)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    truth = true_pairs(place)
    truth = truth[(truth < count).all(axis=1)]
    document = {
        "seconds": seconds,
        "processor_seconds": sum(each.ru_utime + each.ru_stime for each in used),
        "pairs": len(pairs),
        "recall": recall(pairs, truth, count) if len(truth) else 1.0,
        "peak_bytes": max(each.ru_maxrss for each in used) << 10,
    }
    print(json.dumps(document))
