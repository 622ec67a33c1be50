"""What does a snapshot of 100 commits cost, in time and on disk? Against Lance; see README.md."""

from __future__ import annotations

import shutil

import lance
import pyarrow as pa

import headrace
from benchmarks.history import num_bytes_on_disk
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions
from headrace.datasets.snapshot import Snapshot

QUESTION = "Snapshot of 100 commits of 1,000 rows: a named, static selection without a copy"
OURS = "headrace open + snapshot"
LANCE = "lance open + shallow_clone"

NUM_COMMITS = 100
ROWS_PER_COMMIT = 1_000
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string()), ("score", pa.float64())])


def rows(commit_idx: int) -> pa.Table:
    ids = range(commit_idx * ROWS_PER_COMMIT, (commit_idx + 1) * ROWS_PER_COMMIT)
    return pa.table([list(ids), [f"row number {idx}" for idx in ids], [idx / 7 for idx in ids]], schema=SCHEMA)


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "snapshot_100"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pristine = folder / "pristine"
    dataset = headrace.connect(str(pristine)).create_dataset("rows", schema=SCHEMA)
    for commit_idx in range(NUM_COMMITS):
        dataset.commit(rows(commit_idx), message=f"delivery {commit_idx}", tags={"delivery": str(commit_idx)})
    table_uri = str(folder / "rows.lance")
    for commit_idx in range(NUM_COMMITS):
        lance.write_dataset(rows(commit_idx), table_uri, mode="append" if commit_idx else "create")

    lake_folder = folder / "lake"
    clone = folder / "clone.lance"
    written: dict[str, list[int]] = {OURS: [], LANCE: []}
    before = num_bytes_on_disk(pristine)

    def copy_lake() -> None:
        """A lake that has not seen the snapshot: taking one again would write nothing."""
        shutil.rmtree(lake_folder, ignore_errors=True)
        shutil.copytree(pristine, lake_folder)

    def check_headrace(snapshot: object) -> None:
        written[OURS].append(num_bytes_on_disk(lake_folder) - before)
        if not isinstance(snapshot, Snapshot) or len(snapshot.commits) != NUM_COMMITS:
            raise RuntimeError(f"not a snapshot of {NUM_COMMITS} commits: {snapshot!r}")
        if snapshot.to_arrow().num_rows != NUM_COMMITS * ROWS_PER_COMMIT:
            raise RuntimeError("the snapshot does not hold the rows that were committed")

    def check_lance(table: object) -> None:
        written[LANCE].append(num_bytes_on_disk(clone))
        if not isinstance(table, lance.LanceDataset) or table.count_rows() != NUM_COMMITS * ROWS_PER_COMMIT:
            raise RuntimeError("the clone does not hold the rows that were appended")

    def clone_lance() -> lance.LanceDataset:
        table = lance.dataset(table_uri)
        return table.shallow_clone(str(clone), table.version)

    timings = race(
        [
            Contestant(
                OURS,
                lambda: headrace.connect(str(lake_folder)).dataset("rows").snapshot(),
                prepare=copy_lake,
                check=check_headrace,
            ),
            Contestant(
                LANCE,
                clone_lance,
                prepare=lambda: shutil.rmtree(clone, ignore_errors=True),
                check=check_lance,
            ),
        ],
    )
    shutil.rmtree(folder)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[
            Bar("snapshot of 100 commits, under 200 ms", timings[OURS].median, 0.2, "under", "s"),
            Bar("bytes written, under 100,000", float(max(written[OURS])), 100_000, "under", "bytes"),
        ],
        libraries=versions("headrace", "pylance", "pyarrow", "blake3"),
        machine=machine,
        facts={
            "commits": NUM_COMMITS,
            "rows": NUM_COMMITS * ROWS_PER_COMMIT,
            "headrace_bytes_written": max(written[OURS]),
            "lance_bytes_written": max(written[LANCE]),
        },
    )


if __name__ == "__main__":
    main()
