"""How fast is a metric stage over 5,000 JPEGs, against a process pool and Polars? See README.md."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.curation_merge.measured_run import run_in_tree
from benchmarks.curation_metrics.photo_lake import forget_results, photo_lake
from benchmarks.measurement import BENCH_ROOT, Bar, Outcome, Timing, hardware, report, versions

QUESTION = "Blur, entropy and perceptual hash of {num:,} JPEGs of 102 KB as a recipe run, ledger empty, two workers"
OURS = "headrace, one stage, shared decode"
APART = "headrace, three stages, decoded thrice"
POOL = "plain pool of two processes"
POLARS = "polars"
CONTESTANTS = {OURS: "headrace", POOL: "pool", POLARS: "polars", APART: "headrace_apart"}
MEMORY_LIMIT = 700_000_000
_TIMEOUT_SECONDS = 600.0


def main() -> Outcome:
    """Run the race and print it; `CURATION_METRICS_PHOTOS` and `CURATION_METRICS_REPETITIONS` shorten it."""
    machine = hardware()
    num_photos = int(os.environ.get("CURATION_METRICS_PHOTOS", "5000"))
    repetitions = int(os.environ.get("CURATION_METRICS_REPETITIONS", "3"))
    folder = photo_lake(num_photos)
    out = BENCH_ROOT / "curation_metrics" / "metrics.parquet"
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    cpu: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    loads: list[float] = []
    reference = _values(POOL, folder, out, num_photos)[1]  # also the warm-up of the page cache
    names = list(CONTESTANTS)
    for round_idx in range(repetitions):
        turn = round_idx % len(names)
        for name in [*names[turn:], *names[:turn]]:
            loads.append(os.getloadavg()[0])
            before = _cpu_seconds()
            taken, values = _values(name, folder, out, num_photos)
            seconds[name].append(taken)
            cpu[name].append(_cpu_seconds() - before)
            np.testing.assert_allclose(values, reference, rtol=1e-9, atol=1e-9, err_msg=name)
            print(f"{name}: {taken:.2f} s, {num_photos / taken:.0f}/s", file=sys.stderr)
    # Memory in runs of its own: looking at it takes a part of a core.
    peaks = {name: _peak(name, folder, out) for name in (OURS, POOL, POLARS)}
    forget_results(folder / "lake")
    out.unlink()
    timings = {name: Timing(name, values) for name, values in seconds.items()}
    ours = timings[OURS].median
    bars = [
        Bar("against the plain pool, at least 1x", timings[POOL].median / ours, 1.0, "at least", "x"),
        Bar("against Polars, at least 1x", timings[POLARS].median / ours, 1.0, "at least", "x"),
        Bar("shared decode and decoder, 2x the plain pool", timings[POOL].median / ours, 2.0, "at least", "x"),
        Bar("peak of the process tree, at most 0.7 GB", float(peaks[OURS]), float(MEMORY_LIMIT), "at most", "bytes"),
    ]
    return report(
        question=QUESTION.format(num=num_photos),
        timings=timings,
        ours=OURS,
        bars=bars,
        libraries=versions("headrace", "simplejpeg", "opencv-python-headless", "polars", "pyarrow", "numpy"),
        machine=machine,
        facts={
            "photos": num_photos,
            "photos_a_second": ", ".join(f"{name} {num_photos / t.median:.0f}" for name, t in timings.items()),
            # What other work on the machine changes least; the imports are in it.
            "core_seconds": ", ".join(f"{name} {statistics.median(values):.1f}" for name, values in cpu.items()),
            "peak_MB": ", ".join(f"{name} {peak / 1e6:.0f}" for name, peak in peaks.items()),
            "highest_load_in_between": round(max(loads), 2),
        },
    )


def _command(name: str, folder: Path, out: Path) -> list[str]:
    forget_results(folder / "lake")
    out.unlink(missing_ok=True)
    os.sync()
    return [
        sys.executable, "-m", "benchmarks.curation_metrics.contestant", CONTESTANTS[name], str(folder), str(out)
    ]  # fmt: skip


def _cpu_seconds() -> float:
    """Of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _values(name: str, folder: Path, out: Path, num_photos: int) -> tuple[float, NDArray[np.float64]]:
    """Seconds, and blur and entropy by key: [num_photos, 2]."""
    done = subprocess.run(_command(name, folder, out), capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2_000:]}")
    table = pq.read_table(out).sort_by("key")
    if table.num_rows != num_photos:
        raise RuntimeError(f"{name} gave {table.num_rows:,} rows of {num_photos:,}")
    values = np.stack([table.column(column).to_numpy() for column in ("blur", "entropy")], axis=1)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["seconds"]), values


def _peak(name: str, folder: Path, out: Path) -> int:
    return run_in_tree(_command(name, folder, out), timeout_seconds=_TIMEOUT_SECONDS).peak_bytes


if __name__ == "__main__":
    main()
