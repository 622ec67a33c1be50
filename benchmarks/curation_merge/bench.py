"""What does a merge of three metadata tables inside 2 GiB cost, against plain DuckDB and Daft? See README.md."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

import headrace
from benchmarks.curation_merge.contestant import MEMORY_BYTES
from benchmarks.curation_merge.measured_run import run_in_tree
from benchmarks.curation_merge.merge_inputs import SOURCES, make_inputs
from benchmarks.measurement import BENCH_ROOT, Bar, Outcome, Timing, hardware, report, versions
from headrace.curation.stage_rows import StageStore

QUESTION = "Merge of 3 metadata tables with tag lists and prompts by one SQL statement"
OURS = "headrace run_sql in 2 GiB"
DUCKDB = "duckdb, no limit"
DUCKDB_LIMITED = "duckdb, limit 2 GiB"
DAFT = "daft, native"
_DAFT_VERSION = "0.7.26"
_TIMEOUT_SECONDS = 900.0
_SLOWER = 1.25  # the bar: plain DuckDB and a quarter


def main() -> Outcome:
    """Run the race and print it; `CURATION_MERGE_ROWS` (of a source) and `CURATION_MERGE_REPETITIONS` shorten it."""
    machine = hardware()
    num_rows = int(os.environ.get("CURATION_MERGE_ROWS", "1000000"))
    repetitions = int(os.environ.get("CURATION_MERGE_REPETITIONS", "3"))
    inputs = make_inputs(num_rows)
    _put_into_lake(inputs)
    contestants = {OURS: (sys.executable, "headrace"), DUCKDB: (sys.executable, "duckdb")}
    contestants[DUCKDB_LIMITED] = (sys.executable, "duckdb_2gb")
    daft = _daft_python()
    if daft is not None:
        contestants[DAFT] = (daft, "daft")
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    peaks: dict[str, int] = dict.fromkeys(contestants, 0)
    digests: dict[str, str] = {}
    processor: dict[str, list[float]] = {name: [] for name in contestants}
    folder = BENCH_ROOT / "curation_merge" / "out"
    names = list(contestants)
    for round_idx in range(repetitions):
        turn = round_idx % len(names)
        for name in [*names[turn:], *names[:turn]]:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            os.sync()
            python, contestant = contestants[name]
            out = folder / "merged.parquet"
            command = [python, "-m", "benchmarks.curation_merge.contestant", contestant, str(inputs), str(out)]
            run = run_in_tree(command, timeout_seconds=_TIMEOUT_SECONDS)
            seconds[name].append(run.answer["seconds"])
            peaks[name] = max(peaks[name], run.peak_bytes)
            digests[name] = _digest(out)
            processor[name].append(run.answer["processor_seconds"])
            print(
                f"{name}: {run.answer['seconds']:.1f} s, {run.peak_bytes >> 20} MiB, {digests[name][:8]}",
                file=sys.stderr,
            )
    shutil.rmtree(folder, ignore_errors=True)
    if len(set(digests.values())) != 1:
        raise RuntimeError(f"the contestants do not agree: {digests}")
    timings = {name: Timing(name, values) for name, values in seconds.items()}
    ours = timings[OURS].median
    bars = [
        Bar("time against plain DuckDB, at most + 25 %", ours / timings[DUCKDB].median, _SLOWER, "at most", "x"),
        Bar("peak of the whole tree, at most 2 GiB", float(peaks[OURS]), float(MEMORY_BYTES), "at most", "bytes"),
    ]
    if daft is not None:
        bars.append(Bar("time against Daft, not slower", ours / timings[DAFT].median, 1.0, "at most", "x"))
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=bars,
        libraries={**versions("headrace", "duckdb", "pyarrow"), "daft": _DAFT_VERSION if daft else "absent"},
        machine=machine,
        facts={
            "rows_of_each_table": num_rows,
            "digest": next(iter(digests.values()))[:16],
            # On a machine with other work the time on the clock depends on how many processes ask for a core.
            **{
                f"processor_seconds_of_{name.replace(' ', '_').replace(',', '')}": round(statistics.median(values), 1)
                for name, values in processor.items()
            },
            **{f"peak_mib_of_{name.replace(' ', '_').replace(',', '')}": peak >> 20 for name, peak in peaks.items()},
        },
    )


def _put_into_lake(inputs: Path) -> None:
    """The rows as a stage before would leave them; made once, and not timed."""
    document = inputs / "rows.json"
    if document.exists():
        return
    stage_store = StageStore(headrace.connect(str(inputs / "lake")), ["merge"])
    writer = stage_store.writer(pq.read_schema(inputs / f"{SOURCES[0]}.parquet"))
    for source in SOURCES:
        for batch in pq.ParquetFile(inputs / f"{source}.parquet").iter_batches(65_536):
            writer.add(pa.Table.from_batches([batch]))
    document.write_text(json.dumps(writer.finish().to_json()), encoding="utf-8")


def _digest(out: Path) -> str:
    """Of the rows by image id, so that neither files nor order nor widths of types count."""
    schema = pa.schema(
        [
            ("image_id", pa.int64()),
            ("n_sources", pa.int64()),
            ("aesthetic", pa.float64()),
            ("prompt", pa.large_string()),
        ]
    )
    table = pads.dataset(out, format="parquet", exclude_invalid_files=True).to_table(columns=schema.names)
    table = table.cast(schema).sort_by("image_id").combine_chunks()
    digest = hashlib.blake2b()
    for column in table.columns:
        array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if pa.types.is_large_string(array.type):
            digest.update("\n".join(array.to_pylist()).encode())
        else:
            digest.update(array.to_numpy().tobytes())
    return digest.hexdigest()


def _daft_python() -> str | None:
    """An environment of its own, made once; None where it cannot be installed."""
    folder = BENCH_ROOT / "venv-daft"
    python = folder / "bin" / "python"
    stamp = folder / f".daft-{_DAFT_VERSION}"
    if not stamp.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", f"daft=={_DAFT_VERSION}"]
            subprocess.run(pip, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            print(f"daft does not install: {error.stderr.decode(errors='replace')[-300:]}", file=sys.stderr)
            return None
        stamp.touch()
    return str(python)


if __name__ == "__main__":
    main()
