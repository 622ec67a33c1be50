"""Three metadata tables that describe overlapping images: each source knows a part of them and has tags of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measurement import BENCH_ROOT

__all__ = ["SOURCES", "make_inputs"]

SOURCES = ("alpha", "beta", "gamma")
_NUM_TAGS = 3_000
_ROW_GROUP_ROWS = 100_000


def make_inputs(num_rows: int) -> Path:
    """A folder with one Parquet file a source, made once; each draws `num_rows` of 1.6 times as many image ids."""
    folder = BENCH_ROOT / "curation_merge" / f"rows_{num_rows}"
    if folder.exists():
        return folder
    temporary = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    generator = np.random.default_rng(7)
    for source in SOURCES:
        pq.write_table(
            _table(source, num_rows, generator), temporary / f"{source}.parquet", row_group_size=_ROW_GROUP_ROWS
        )
    temporary.rename(folder)
    return folder


def _table(source: str, num_rows: int, generator: np.random.Generator) -> pa.Table:
    ids = generator.permutation(int(1.6 * num_rows))[:num_rows]  # [num_rows]
    counts = generator.integers(1, 13, num_rows)  # [num_rows], tags of each row
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)  # [num_rows + 1]
    num_tags = int(offsets[-1])
    # A few tags are on most images, most tags on a few.
    numbers = np.minimum((generator.pareto(1.1, num_tags) * 15).astype(np.int64), _NUM_TAGS - 1)  # [num_tags]
    vocabulary = pa.array([f"tag_{number:04d}" for number in range(_NUM_TAGS)])
    names = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), vocabulary).cast(pa.string())
    scores = pa.array(generator.integers(1, 1_001, num_tags) / 1_000)
    tags = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([names, scores], ["name", "score"]))
    captions = [
        f"a photo {image_id} from {source} with number {number}"
        for image_id, number in zip(ids.tolist(), generator.integers(0, 10**6, num_rows).tolist())
    ]
    return pa.table(
        {
            "image_id": pa.array(ids),
            "source": pa.array([source] * num_rows),
            "tags": tags,
            "aesthetic": pa.array(generator.integers(0, 10_001, num_rows) / 1_000),
            "width": pa.array(generator.integers(128, 4_096, num_rows), pa.int32()),
            "height": pa.array(generator.integers(128, 4_096, num_rows), pa.int32()),
            "caption": pa.array(captions),
            "uri": pa.array([f"s3://bucket/{source}/{image_id:09d}.jpg" for image_id in ids.tolist()]),
        }
    )
