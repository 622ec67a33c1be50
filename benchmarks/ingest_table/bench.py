"""How fast do 1,000,000 rows of a table become a dataset? From Parquet and CSV, against Lance; see README.md."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

import headrace
from benchmarks.measurement import BENCH_ROOT, Contestant, Outcome, hardware, race, report, versions

QUESTION = "Ingest: 1,000,000 rows of 6 mixed columns"
OURS = "headrace, Parquet (durable, digests, statistics)"
OURS_KEYED = "headrace, Parquet, with a key column"
OURS_CSV = "headrace, CSV"
LANCE = "lance.write_dataset, Parquet"
LANCE_CSV = "lance.write_dataset, CSV"

NUM_ROWS = 1_000_000
CHUNK_ROWS = 250_000
SEED = 20261121


def table_files() -> tuple[Path, Path]:
    """The same rows as Parquet and as CSV, generated unless an earlier run left them."""
    folder = BENCH_ROOT / f"table-{NUM_ROWS}-v1"
    parquet, csv = folder / "rows.parquet", folder / "rows.csv"
    if csv.exists():
        return parquet, csv
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = np.random.default_rng(SEED)
    table = pa.concat_tables(_rows(generator, start) for start in range(0, NUM_ROWS, CHUNK_ROWS))
    pq.write_table(table, parquet, row_group_size=CHUNK_ROWS)
    # Under its name only when it is whole.
    pc_csv.write_csv(table, folder / "rows.part")
    (folder / "rows.part").rename(csv)
    return parquet, csv


def _rows(generator: np.random.Generator, start: int) -> pa.Table:
    words = np.array([f"word{idx}" for idx in range(5_000)])  # [5000]
    texts = [" ".join(row) for row in words[generator.integers(0, 5_000, (CHUNK_ROWS, 8))]]  # [chunk_rows]
    return pa.table(
        {
            "id": pa.array([f"row-{idx:09d}" for idx in range(start, start + CHUNK_ROWS)]),
            "text": texts,
            "label": pa.array([f"label-{idx:03d}" for idx in generator.integers(0, 200, CHUNK_ROWS)]),
            "count": generator.integers(0, 1_000, CHUNK_ROWS),  # [chunk_rows]
            "score": pa.array(generator.random(CHUNK_ROWS), mask=generator.random(CHUNK_ROWS) < 0.05),  # [chunk_rows]
            "is_checked": generator.random(CHUNK_ROWS) < 0.5,  # [chunk_rows]
        }
    )


def ingest_headrace(file: Path, target: Path, *, key: str | None) -> None:
    headrace.connect(str(target / "lake")).create_dataset("rows", type="TABLE", source=str(file), key=key)


def check_headrace(target: Path) -> None:
    snapshot = headrace.connect(str(target / "lake")).dataset("rows").snapshot()
    require_all_rows(sum_of(batch.column("count") for batch in snapshot.scan(columns=["count"])), snapshot.num_rows)


def write_lance(file: Path, target: Path) -> None:
    if file.suffix == ".csv":
        reader = pc_csv.open_csv(file)
        lance.write_dataset(reader, str(target / "rows.lance"))
        return
    with pq.ParquetFile(file) as source:
        reader = pa.RecordBatchReader.from_batches(source.schema_arrow, source.iter_batches())
        lance.write_dataset(reader, str(target / "rows.lance"))


def check_lance(target: Path) -> None:
    dataset = lance.dataset(str(target / "rows.lance"))
    batches = dataset.to_batches(columns=["count"])
    require_all_rows(sum_of(batch.column("count") for batch in batches), dataset.count_rows())


def sum_of(columns: Iterable[pa.Array]) -> int:
    # A CSV read without a declared schema is text.
    return sum(pc.sum(column.cast(pa.int64())).as_py() for column in columns)


def require_all_rows(total: int, num_rows: int) -> None:
    parquet, _ = table_files()
    expected = pc.sum(pq.read_table(parquet, columns=["count"]).column("count")).as_py()
    if (num_rows, total) != (NUM_ROWS, expected):
        raise RuntimeError(f"{num_rows:,} rows with a sum of {total:,} came back; written: {NUM_ROWS:,}, {expected:,}")


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    parquet, csv = table_files()
    target = BENCH_ROOT / "ingest_table"

    def clean() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)

    def headrace_contestant(name: str, file: Path, *, key: str | None) -> Contestant:
        return Contestant(
            name,
            lambda: ingest_headrace(file, target, key=key),
            prepare=clean,
            check=lambda _: check_headrace(target),
        )

    def lance_contestant(name: str, file: Path) -> Contestant:
        return Contestant(name, lambda: write_lance(file, target), prepare=clean, check=lambda _: check_lance(target))

    try:
        timings = race(
            [
                headrace_contestant(OURS, parquet, key=None),
                headrace_contestant(OURS_KEYED, parquet, key="id"),
                headrace_contestant(OURS_CSV, csv, key=None),
                lance_contestant(LANCE, parquet),
                lance_contestant(LANCE_CSV, csv),
            ],
            repetitions=3,
        )
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[],
        libraries=versions("headrace", "pylance", "pyarrow", "blake3"),
        machine=machine,
        facts={
            "rows": NUM_ROWS,
            "parquet_bytes": parquet.stat().st_size,
            "csv_bytes": csv.stat().st_size,
            "rows_per_second": round(NUM_ROWS / timings[OURS].median),
        },
    )


if __name__ == "__main__":
    main()
