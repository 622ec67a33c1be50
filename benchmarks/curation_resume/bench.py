"""How long does a finished run over a million rows take the second time, and after one percent more? See README.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Outcome, Timing, hardware, report, versions
from headrace.datasets.derived_views import CURATION

QUESTION = "A run over {num:,} texts (lengths, filter, commit): once, again, with the ledger alone, after 1 % more rows"
FIRST = "first run, ledger empty"
AGAIN = "again, finished"
PROCESS = "again, with start and imports of the process"
LEDGER = "stage results lost, ledger there"
MORE = "after 1 % more rows"
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
_TIMEOUT_SECONDS = 900.0


def main() -> Outcome:
    """Measure and print; `CURATION_RESUME_ROWS` and `CURATION_RESUME_REPETITIONS` shorten it."""
    machine = hardware()
    num_rows = int(os.environ.get("CURATION_RESUME_ROWS", "1000000"))
    repetitions = int(os.environ.get("CURATION_RESUME_REPETITIONS", "5"))
    more = num_rows // 100
    folder = BENCH_ROOT / "curation_resume"
    shutil.rmtree(folder, ignore_errors=True)
    lake = headrace.connect(str(folder / "lake"))
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=_texts(0, num_rows))
    seconds: dict[str, list[float]] = {name: [] for name in (AGAIN, PROCESS, FIRST, LEDGER, MORE)}
    first = _run(folder / "lake", seconds[FIRST], calls=num_rows)
    for _ in range(repetitions):
        started = time.perf_counter()
        again = _run(folder / "lake", seconds[AGAIN], calls=0)
        seconds[PROCESS].append(time.perf_counter() - started)
        if again["rows"] != first["rows"]:
            raise RuntimeError("the second run gave other rows")
    _forget_stages(folder / "lake")
    alone = _run(folder / "lake", seconds[LEDGER], calls=0)
    lake.dataset("texts").commit(_texts(num_rows, more))
    longer = _run(folder / "lake", seconds[MORE], calls=more)
    if longer["rows"] <= first["rows"]:
        raise RuntimeError("the new rows did not come through")
    shutil.rmtree(folder)
    timings = {name: Timing(name, values) for name, values in seconds.items()}
    return report(
        question=QUESTION.format(num=num_rows),
        timings=timings,
        ours=AGAIN,
        bars=[Bar("resume of a finished run, under 2 s", timings[AGAIN].median, 2.0, "under", "s")],
        libraries=versions("headrace", "pyarrow", "duckdb", "numpy"),
        machine=machine,
        facts={
            "rows": num_rows,
            "core_seconds_of_a_resume_and_its_imports": round(again["core_seconds"], 2),
            "stages_of_the_first_run": json.dumps(first["stages"]),
            "stages_with_the_ledger_alone": json.dumps(alone["stages"]),
            "stages_after_1_%_more_rows": json.dumps(longer["stages"]),
            "calls_after_1_%_more_rows": longer["calls"],
        },
    )


def _run(lake: Path, seconds: list[float], *, calls: int) -> dict[str, Any]:
    """One run in a process of its own, timed after its imports."""
    command = [sys.executable, "-m", "benchmarks.curation_resume.contestant", str(lake)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    if done.returncode:
        raise RuntimeError(f"the run failed:\n{done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["calls"] != calls:
        raise RuntimeError(f"{found['calls']:,} rows were computed, expected {calls:,}")
    seconds.append(found["seconds"])
    print(found, file=sys.stderr)
    return found


def _forget_stages(lake: Path) -> None:
    """What stages gave is forgotten, what operators gave is not: as after an edit that changes every stage."""
    for stages in (lake / CURATION).glob("*/stages"):
        shutil.rmtree(stages)


def _texts(start: int, num_rows: int) -> pa.Table:
    """Texts of 3 to 11 words; no two are equal."""
    generator = np.random.default_rng([7, start])
    words = np.array([f"word{idx:03d}" for idx in range(500)])
    counts = generator.integers(2, 11, num_rows)  # [num_rows]
    chosen = words[generator.integers(0, len(words), int(counts.sum()))].tolist()
    ends = np.cumsum(counts).tolist()
    texts = [
        f"{' '.join(chosen[end - count : end])} {start + idx}"
        for idx, (count, end) in enumerate(zip(counts.tolist(), ends, strict=True))
    ]
    return pa.table([[f"k{start + idx:08d}" for idx in range(num_rows)], texts], schema=SCHEMA)


if __name__ == "__main__":
    main()
