"""How fast do many small commits with media become few objects? Against Lance; see README.md.

    python -m benchmarks.compact_commits.bench [--record] [--commits 10000]

does it once for so many tiny commits, without Lance, which takes too long to write them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import lance
import numpy as np
import pyarrow as pa

import headrace
from benchmarks.history import num_bytes_on_disk
from benchmarks.measurement import BENCH_ROOT, Contestant, Outcome, Timing, hardware, race, versions
from benchmarks.measurement import report as report_of
from headrace.datasets.dataset import Dataset

QUESTION = "Compact 200 commits of 25 rows with 20 KB of bytes each"
OURS = "headrace compact (every row proved)"
LANCE = "lance compact_files"

NUM_COMMITS = 200
ROWS_PER_COMMIT = 25
VALUE_BYTES = 20_000
T = TypeVar("T")
SCHEMA = pa.schema([("name", pa.string()), ("data", pa.large_binary())])


def rows(number: int) -> pa.Table:
    generator = random.Random(number)
    names = [f"{number:04d}/{idx:02d}.bin" for idx in range(ROWS_PER_COMMIT)]
    return pa.table([names, [generator.randbytes(VALUE_BYTES) for _ in names]], schema=SCHEMA)


def tiny_commits(num_commits: int) -> Outcome:
    """One compaction of as many commits of two rows with 4 KB each, with what opening and reading cost around it."""
    machine = hardware()
    folder = BENCH_ROOT / "tiny_commits"
    shutil.rmtree(folder, ignore_errors=True)
    generator = random.Random(num_commits)
    dataset = headrace.connect(str(folder)).create_dataset("files", type="GENERIC")
    started = time.perf_counter()
    for number in range(num_commits):
        names = [f"{number:05d}/{idx}.bin" for idx in range(2)]
        dataset.commit(pa.table([names, [generator.randbytes(4_000) for _ in names]], schema=SCHEMA))
    facts: dict[str, str | int | float] = {
        "commits": num_commits,
        "seconds to commit them": round(time.perf_counter() - started, 1),
    }
    seconds: dict[str, list[float]] = {}

    def timed(name: str, run: Callable[[], T]) -> T:
        started = time.perf_counter()
        found = run()
        seconds[name] = [time.perf_counter() - started]
        return found

    def opened() -> Dataset:
        again = headrace.connect(str(folder)).dataset("files")
        if again.num_rows != 2 * num_commits:
            raise RuntimeError(f"{again!r} does not have two rows a commit")
        return again

    rows = np.random.default_rng(7).integers(0, 2 * num_commits, 1_000)  # [1000]
    ids: list[str] = []
    tables: list[tuple[pa.Table, pa.Table]] = []
    for when in ("before", "after"):
        if when == "after":
            report = timed(OURS, opened().compact)
            facts["parts"] = f"{report.parts_before:,} to {report.parts_after:,}"
            facts["shards"] = f"{report.shards_before:,} to {report.shards_after:,}"
            facts["peak memory in MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        again = timed(f"open, {when}", opened)
        snapshot = timed(f"snapshot, {when}", again.snapshot)
        taken = timed(f"take 1,000 rows, {when}", partial(snapshot.take, rows))
        column = timed(f"read a column, {when}", partial(snapshot.to_arrow, ["name"]))
        ids.append(snapshot.id)
        tables.append((taken, column))
    if ids[0] != ids[1] or not all(one.equals(other) for one, other in zip(*tables, strict=True)):
        raise RuntimeError("compaction changed the snapshot's id or its rows")
    if not timed("verify, after", headrace.connect(str(folder)).verify).ok:
        raise RuntimeError("the lake does not verify after compaction")
    shutil.rmtree(folder)
    return report_of(
        question=f"Compact {num_commits:,} commits of two rows with 4 KB of bytes each",
        timings={name: Timing(name, values) for name, values in seconds.items()},
        ours=OURS,
        bars=[],
        libraries=versions("headrace", "pyarrow", "blake3"),
        machine=machine,
        facts=facts,
    )


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
    return report_of(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[],
        libraries=versions("headrace", "pylance", "pyarrow", "blake3"),
        machine=machine,
        facts=facts,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compact_commits.bench")
    parser.add_argument("--commits", type=int, default=10_000, metavar="N", help="tiny commits; default 10000")
    parser.add_argument("--record", action="store_true", help="keep the figures in results/tiny_commits.json")
    chosen = parser.parse_args()
    outcome = tiny_commits(chosen.commits)
    if chosen.record:
        results = Path(__file__).parent / "results" / "tiny_commits.json"
        results.write_text(json.dumps(outcome.document, indent=2) + "\n", encoding="utf-8")
