"""What does it cost to delete a tenth of the rows? Against Lance and Delta; see README.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import deltalake
import lance

import headrace
from benchmarks.history import NUM_ROWS, delta_history, headrace_history, lance_history
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions

QUESTION = f"Delete a tenth of {NUM_ROWS:,} rows that ten commits brought, so that readers no longer see them"
OURS = "headrace delete_rows"
LANCE = "lance delete"
DELTA = "delta delete"

CONDITION = "id % 10 = 3"
LEFT = NUM_ROWS - NUM_ROWS // 10


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "delete_rows"
    shutil.rmtree(folder, ignore_errors=True)
    pristine, work = folder / "pristine", folder / "work"
    headrace_history(pristine / "lake")
    lance_history(pristine / "rows.lance")
    delta_history(pristine / "rows.delta")

    def copied(name: str) -> Path:
        target = work / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(pristine / name, target)
        return target

    def delete_headrace() -> int:
        return headrace.connect(str(work / "lake")).dataset("rows").delete_rows(where=CONDITION)

    def check_headrace(outcome: object) -> None:
        dataset = headrace.connect(str(work / "lake")).dataset("rows")
        if outcome != NUM_ROWS - LEFT or dataset.snapshot().to_arrow(["id"]).num_rows != LEFT:
            raise RuntimeError(f"not a tenth was deleted: {outcome!r}, {dataset!r}")

    def check_lance(_: object) -> None:
        if lance.dataset(str(work / "rows.lance")).count_rows() != LEFT:
            raise RuntimeError("Lance did not delete a tenth")

    def check_delta(_: object) -> None:
        if deltalake.DeltaTable(str(work / "rows.delta")).to_pyarrow_table(columns=["id"]).num_rows != LEFT:
            raise RuntimeError("Delta did not delete a tenth")

    timings = race(
        [
            Contestant(OURS, delete_headrace, prepare=lambda: _ignore(copied("lake")), check=check_headrace),
            Contestant(
                LANCE,
                lambda: lance.dataset(str(work / "rows.lance")).delete(CONDITION),
                prepare=lambda: _ignore(copied("rows.lance")),
                check=check_lance,
            ),
            Contestant(
                DELTA,
                lambda: deltalake.DeltaTable(str(work / "rows.delta")).delete(CONDITION),
                prepare=lambda: _ignore(copied("rows.delta")),
                check=check_delta,
            ),
        ]
    )
    shutil.rmtree(folder)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[Bar("delete 10 % of rows, under 100 ms", timings[OURS].median, 0.1, "under", "s")],
        libraries=versions("headrace", "pylance", "deltalake", "pyarrow", "duckdb"),
        machine=machine,
        facts={"rows": NUM_ROWS, "deleted": NUM_ROWS - LEFT},
    )


def _ignore(_: object) -> None:
    """`prepare` returns nothing."""


if __name__ == "__main__":
    main()
