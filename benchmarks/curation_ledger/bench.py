"""What do ledger and explain records cost in a metric stage with two filters? See README.md."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.curation_ledger.contestant import FILTERS, OPERATORS
from benchmarks.curation_metrics.photo_lake import forget_results, photo_lake
from benchmarks.measurement import Bar, Outcome, Timing, hardware, report, versions

QUESTION = "Ledger and explain records of {num:,} JPEGs, three metrics with one decode and two filters, two processes"
OURS = "the whole run"
LEDGER = "of it ledger and records"
NUM_WORKERS = 2
_TIMEOUT_SECONDS = 600.0


def main() -> Outcome:
    """Measure and print; `CURATION_METRICS_PHOTOS` and `CURATION_METRICS_REPETITIONS` shorten it."""
    machine = hardware()
    num_photos = int(os.environ.get("CURATION_METRICS_PHOTOS", "5000"))
    repetitions = int(os.environ.get("CURATION_METRICS_REPETITIONS", "3"))
    lake = photo_lake(num_photos) / "lake"
    runs: list[dict[str, Any]] = []
    for _ in range(repetitions):
        forget_results(lake)
        os.sync()
        command = [sys.executable, "-m", "benchmarks.curation_ledger.contestant", str(lake), str(NUM_WORKERS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
        if done.returncode:
            raise RuntimeError(f"the run failed:\n{done.stderr[-2_000:]}")
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    forget_results(lake)
    spent = [sum(run["parts"].values()) + run["put_seconds"] / NUM_WORKERS for run in runs]
    share = 100 * statistics.median(mine / run["seconds"] for mine, run in zip(spent, runs, strict=True))
    last = runs[-1]
    if last["rows"] != num_photos:
        raise RuntimeError(f"{last['rows']:,} rows of {num_photos:,} came through")
    steps = num_photos * (len(OPERATORS) + len(FILTERS))
    kept_bytes = last["block_bytes"] - last["value_bytes"] + last["record_bytes"] + last["document_bytes"]
    parts = {name: statistics.median(run["parts"].get(name, 0.0) for run in runs) for name in last["parts"]}
    parts["blocks of the workers"] = statistics.median(run["put_seconds"] / NUM_WORKERS for run in runs)
    return report(
        question=QUESTION.format(num=num_photos),
        timings={OURS: Timing(OURS, [run["seconds"] for run in runs]), LEDGER: Timing(LEDGER, spent)},
        ours=OURS,
        bars=[
            Bar("ledger and records, at most 5 % of wall time", share, 5.0, "at most", "%"),
            Bar("records a row and filter, at most 20 bytes", kept_bytes / steps, 20.0, "at most", " bytes"),
        ],
        libraries=versions("headrace", "simplejpeg", "opencv-python-headless", "pyarrow", "numpy"),
        machine=machine,
        facts={
            "photos": num_photos,
            "rows_dropped": last["dropped"],
            "milliseconds": ", ".join(f"{name} {value * 1e3:.0f}" for name, value in sorted(parts.items())),
            "bytes_of_the_measured_values_a_row_and_metric": round(
                last["value_bytes"] / num_photos / len(OPERATORS), 1
            ),
            "bytes_of_records_a_dropped_row": round(last["record_bytes"] / max(1, last["dropped"]), 1),
            "bytes_of_documents": last["document_bytes"],
            "bytes_of_rows_handed_on_a_row_and_stage": round(last["row_bytes"] / num_photos / (1 + len(FILTERS)), 1),
        },
    )


if __name__ == "__main__":
    main()
