"""How long the first batch of an index of two million rows takes: opened for the first time, and again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.streaming.workload import BATCH_SIZE, Workload

__all__ = ["NUM_ROWS", "first_batch_of_files", "first_batch_of_headrace", "write_index"]

NUM_ROWS = 2_000_000
_ROWS_AT_ONCE = 100_000


def write_index(workload: Workload) -> Path:
    """A Parquet file with key, label, text and path; the photos come again and again."""
    target = workload.folder / "two-million.parquet"
    if target.exists():
        return target
    samples = workload.samples()
    columns = {name: pa.array([sample[name] for sample in samples]) for name in ("label", "text", "path")}
    schema = pa.schema([("key", pa.string()), ("label", pa.int64()), ("text", pa.string()), ("image", pa.string())])
    temporary = target.with_suffix(".tmp")
    with pq.ParquetWriter(temporary, schema) as sink:
        for start in range(0, NUM_ROWS, _ROWS_AT_ONCE):
            rows = np.arange(start, start + _ROWS_AT_ONCE)
            taken = {name: column.take(pa.array(rows % len(samples))) for name, column in columns.items()}
            keys = pa.array([f"{row:09d}" for row in rows.tolist()])
            sink.write_table(pa.table([keys, taken["label"], taken["text"], taken["path"]], schema=schema))
    temporary.rename(target)
    return target


def first_batch_of_headrace(workload: Workload, *, is_new: bool) -> dict[str, Any]:
    """Seconds from the index file to the first shuffled batch of bytes."""
    from headrace.streaming import DataLoader, IndexOptions, StreamingDataset
    from headrace.streaming.index_rows import IndexRows

    kept = workload.folder / "two-million-plans"
    if is_new:
        shutil.rmtree(kept, ignore_errors=True)
    started = time.perf_counter()
    options = IndexOptions(media=("image",), key="key", directory=kept)
    data = StreamingDataset(str(workload.folder / "two-million.parquet"), index=options)
    with DataLoader(data, batch_size=BATCH_SIZE, num_workers=2, workers="threads") as loader:
        batch = next(iter(loader))
        seconds = time.perf_counter() - started
    if isinstance(data.provider, IndexRows):
        data.provider.wait_for_pages()  # which the second opening is about; a process that ends gives them up
    return {
        "seconds": seconds,
        "pages_seconds": time.perf_counter() - started,
        "num_rows": len(data),
        "num_samples": len(batch["key"]),
    }


def first_batch_of_files(workload: Workload) -> dict[str, Any]:
    """The same by torch's own DataLoader over a list of rows."""
    import torch.utils.data

    class Rows(torch.utils.data.Dataset[dict[str, Any]]):
        def __init__(self, path: Path) -> None:
            table = pq.read_table(path)
            self.columns = {name: table.column(name).to_pylist() for name in table.column_names}

        def __len__(self) -> int:
            return len(self.columns["key"])

        def __getitem__(self, row: int) -> dict[str, Any]:
            sample = {name: values[row] for name, values in self.columns.items()}
            with open(sample["image"], "rb") as file:
                return {**sample, "image": file.read()}

    started = time.perf_counter()
    rows = Rows(workload.folder / "two-million.parquet")
    loader = torch.utils.data.DataLoader(rows, batch_size=BATCH_SIZE, shuffle=True, num_workers=2, collate_fn=list)
    batch = next(iter(loader))
    return {"seconds": time.perf_counter() - started, "num_rows": len(rows), "num_samples": len(batch)}
