"""The same history for each contestant: 100,000 rows that ten commits brought."""

from __future__ import annotations

from pathlib import Path

import deltalake
import lance
import pyarrow as pa

import headrace
from headrace.datasets.dataset import Dataset

__all__ = ["NUM_ROWS", "delta_history", "headrace_history", "history_batches", "lance_history", "num_bytes_on_disk"]

NUM_ROWS = 100_000
NUM_COMMITS = 10
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("text", pa.string()), ("score", pa.float64())])


def history_batches() -> list[pa.Table]:
    """One table a commit; each text is different and about 100 bytes long."""
    size = NUM_ROWS // NUM_COMMITS
    return [
        pa.table(
            [
                list(range(start, start + size)),
                [f"person-{idx:06d}@example.org wrote a sentence of about one hundred bytes, number {idx * 7919:012d}."
                 for idx in range(start, start + size)],
                [idx / 7 for idx in range(start, start + size)],
            ],
            schema=SCHEMA,
        )
        for start in range(0, NUM_ROWS, size)
    ]  # fmt: skip


def headrace_history(folder: Path) -> Dataset:
    """A lake with the dataset "rows"."""
    dataset = headrace.connect(str(folder)).create_dataset("rows", schema=SCHEMA)
    for number, batch in enumerate(history_batches()):
        dataset.commit(batch, message=f"delivery {number}")
    return dataset


def lance_history(folder: Path) -> None:
    """A Lance table with as many versions."""
    for number, batch in enumerate(history_batches()):
        lance.write_dataset(batch, str(folder), mode="append" if number else "create")


def delta_history(folder: Path) -> None:
    """A Delta table with as many versions."""
    for batch in history_batches():
        deltalake.write_deltalake(str(folder), batch, mode="append")


def num_bytes_on_disk(folder: Path) -> int:
    """Sum of file sizes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
