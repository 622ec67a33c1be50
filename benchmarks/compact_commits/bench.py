"""How fast do many small commits with media become few objects? Against Lance; see README.md."""

from __future__ import annotations

import random
import shutil

import lance
import pyarrow as pa

import headrace
from benchmarks.history import num_bytes_on_disk
from benchmarks.measurement import BENCH_ROOT, Contestant, Outcome, hardware, race, report, versions

QUESTION = "Compact 200 commits of 25 rows with 20 KB of bytes each"
OURS = "headrace compact (every row proved)"
LANCE = "lance compact_files"

NUM_COMMITS = 200
ROWS_PER_COMMIT = 25
VALUE_BYTES = 20_000
SCHEMA = pa.schema([("name", pa.string()), ("data", pa.large_binary())])


def rows(number: int) -> pa.Table:
    generator = random.Random(number)
    names = [f"{number:04d}/{idx:02d}.bin" for idx in range(ROWS_PER_COMMIT)]
    return pa.table([names, [generator.randbytes(VALUE_BYTES) for _ in names]], schema=SCHEMA)


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "compact_commits"
    shutil.rmtree(folder, ignore_errors=True)
    pristine, work = folder / "pristine", folder / "work"
    dataset = headrace.connect(str(pristine / "lake")).create_dataset("files", type="GENERIC")
    for number in range(NUM_COMMITS):
        dataset.commit(rows(number))
        lance.write_dataset(rows(number), str(pristine / "files.lance"), mode="append" if number else "create")
    snapshot_id = dataset.snapshot().id

    def copy(name: str) -> None:
        shutil.rmtree(work / name, ignore_errors=True)
        shutil.copytree(pristine / name, work / name)

    def check_headrace(_: object) -> None:
        again = headrace.connect(str(work / "lake")).dataset("files")
        if again.snapshot().id != snapshot_id or again.snapshot().to_arrow(["name"]).num_rows != total:
            raise RuntimeError("compaction changed the dataset")
        if again.compact().num_commits:
            raise RuntimeError("compaction left something to do")

    def compact_lance() -> None:
        lance.dataset(str(work / "files.lance")).optimize.compact_files()

    def check_lance(_: object) -> None:
        table = lance.dataset(str(work / "files.lance"))
        if table.count_rows() != total or len(table.get_fragments()) != 1:
            raise RuntimeError("Lance did not compact into one fragment")

    total = NUM_COMMITS * ROWS_PER_COMMIT
    timings = race(
        [
            Contestant(
                OURS,
                lambda: headrace.connect(str(work / "lake")).dataset("files").compact(),
                prepare=lambda: copy("lake"),
                check=check_headrace,
            ),
            Contestant(LANCE, compact_lance, prepare=lambda: copy("files.lance"), check=check_lance),
        ]
    )
    num_bytes = total * VALUE_BYTES
    facts: dict[str, str | int | float] = {
        "commits": NUM_COMMITS,
        "bytes_of_media": num_bytes,
        "headrace_mb_per_second": round(num_bytes / 1e6 / timings[OURS].median, 1),
        "lance_mb_per_second": round(num_bytes / 1e6 / timings[LANCE].median, 1),
        "headrace_bytes_before": num_bytes_on_disk(pristine / "lake"),
    }
    shutil.rmtree(folder)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[],
        libraries=versions("headrace", "pylance", "pyarrow", "blake3"),
        machine=machine,
        facts=facts,
    )


if __name__ == "__main__":
    main()
