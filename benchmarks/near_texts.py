"""Texts of which it is known which are nearly the same."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.measurement import BENCH_ROOT

__all__ = ["make_texts", "recall", "true_pairs"]

_NUM_WORDS = 20_000
_LENGTH = 40  # words of a text
_COPIES = 0.2
_AT_ONCE = 100_000


def make_texts(num_texts: int) -> Path:
    """A folder with `texts.parquet` (doc, text) and `truth.npy`, made once.

    A fifth are copies of an earlier text in which one to three of forty words are others.
    """
    folder = BENCH_ROOT / "near_texts" / f"texts_{num_texts}"
    if folder.exists():
        return folder
    temporary = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    random = np.random.default_rng(3)
    lengths = random.integers(3, 9, _NUM_WORDS)
    words = pa.array([hashlib.md5(str(idx).encode()).hexdigest()[: lengths[idx]] for idx in range(_NUM_WORDS)])
    num_copies = int(num_texts * _COPIES)
    tokens = random.integers(0, _NUM_WORDS, (num_texts, _LENGTH), dtype=np.int32)  # [num_texts, length]
    origins = random.integers(0, num_texts - num_copies, num_copies)
    copies = tokens[origins]
    changed = np.argsort(random.random((num_copies, _LENGTH)), axis=1)[:, :3]  # [num_copies, 3], places
    counts = random.integers(1, 4, num_copies)
    for place in range(3):
        rows = np.flatnonzero(counts > place)
        copies[rows, changed[rows, place]] = random.integers(0, _NUM_WORDS, len(rows))
    tokens[num_texts - num_copies :] = copies
    schema = pa.schema([("doc", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(temporary / "texts.parquet", schema) as writer:
        for start in range(0, num_texts, _AT_ONCE):
            part = tokens[start : start + _AT_ONCE]
            offsets = np.arange(0, part.size + 1, _LENGTH, dtype=np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets), words.take(pa.array(part.reshape(-1))))
            texts = pa.compute.binary_join(lists, " ")
            writer.write_table(pa.table([np.arange(start, start + len(part)), texts], schema=schema))
    np.save(temporary / "truth.npy", np.stack([origins, np.arange(num_texts - num_copies, num_texts)], axis=1))
    temporary.rename(folder)
    return folder


def true_pairs(folder: Path) -> NDArray[np.int64]:
    """[num_pairs, 2], a text and its copy."""
    pairs: NDArray[np.int64] = np.load(folder / "truth.npy")
    return pairs


def recall(
    found: NDArray[np.int64],  # [num_found, 2]
    truth: NDArray[np.int64],  # [num_true, 2]
    num_texts: int,
) -> float:
    """Share of the true pairs that were found."""
    codes = [np.minimum(*pairs.T) * num_texts + np.maximum(*pairs.T) for pairs in (found, truth)]
    return float(np.isin(codes[1], codes[0]).mean())
