"""How fast are 1,000 random rows with 20 KB blobs? Against Lance; see README.md."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import lance
import numpy as np
import pyarrow as pa

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions

QUESTION = "Random access: 1,000 random rows of 20,000, each with a 20 KB blob"
OURS = "headrace take (digests verified)"
LANCE = "lance take"

NUM_ROWS = 20_000
BLOB_BYTES = 20_480
NUM_TAKEN = 1_000
SEED = 20261121
SCHEMA = pa.schema([("name", pa.string()), ("data", pa.large_binary())])


def blob(row: int) -> bytes:
    """The same bytes for the same row in every run."""
    return np.random.default_rng([SEED, row]).bytes(BLOB_BYTES)


def batches() -> Iterator[pa.RecordBatch]:
    for start in range(0, NUM_ROWS, 1000):
        rows = range(start, start + 1000)
        names = [f"blob-{row:06d}" for row in rows]
        yield pa.record_batch([names, pa.array([blob(row) for row in rows], pa.large_binary())], schema=SCHEMA)


class Draw:
    """The rows to take: new ones in each round, the same for both contestants of a round."""

    def __init__(self) -> None:
        self._num_asked = {OURS: 0, LANCE: 0}
        self.rows: list[int] = []

    def next_for(self, name: str) -> None:
        self._num_asked[name] += 1
        generator = np.random.default_rng([SEED, NUM_ROWS, self._num_asked[name]])
        self.rows = generator.choice(NUM_ROWS, NUM_TAKEN, replace=False).tolist()  # [num_taken], unsorted

    def check(self, table: object) -> None:
        """Each row asked for is there, in the order asked, with its bytes."""
        if not isinstance(table, pa.Table):
            raise TypeError(f"take returned {type(table).__name__}, expected a pyarrow table")
        if table.column("name").to_pylist() != [f"blob-{row:06d}" for row in self.rows]:
            raise RuntimeError("take returned other rows than those asked for")
        data = table.column("data")
        for position in range(0, NUM_TAKEN, 10):
            if data[position].as_py() != blob(self.rows[position]):
                raise RuntimeError(f"row {self.rows[position]} came back with other bytes")


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "take_random"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        lake = headrace.connect(str(folder / "lake"))
        dataset = lake.create_dataset(
            "blobs", type="GENERIC", source=pa.RecordBatchReader.from_batches(SCHEMA, batches())
        )
        snapshot = dataset.snapshot()
        table = lance.write_dataset(pa.RecordBatchReader.from_batches(SCHEMA, batches()), str(folder / "blobs.lance"))
        draw = Draw()
        timings = race(
            [
                Contestant(
                    OURS, lambda: snapshot.take(draw.rows), prepare=lambda: draw.next_for(OURS), check=draw.check
                ),
                Contestant(
                    LANCE, lambda: table.take(draw.rows), prepare=lambda: draw.next_for(LANCE), check=draw.check
                ),
            ],
            repetitions=15,
            warmups=3,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[
            Bar("speed against Lance, at least 1x", timings[LANCE].median / timings[OURS].median, 1.0, "at least", "x")
        ],
        libraries=versions("headrace", "pylance", "pyarrow", "blake3"),
        machine=machine,
        facts={"rows": NUM_ROWS, "blob_bytes": BLOB_BYTES, "rows_taken": NUM_TAKEN},
    )


if __name__ == "__main__":
    main()
