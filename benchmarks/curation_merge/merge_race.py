"""Contestants of a merge in turns, each run in a process of its own; all must give the same rows."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

import headrace
from benchmarks.curation_merge.measured_run import run_in_tree
from benchmarks.curation_merge.merge_inputs import SOURCES
from benchmarks.measurement import BENCH_ROOT, Timing
from headrace.curation.stage_rows import StageStore

__all__ = ["MergeRace", "put_into_lake", "race_merges"]

_TIMEOUT_SECONDS = 900.0


@dataclass(slots=True)
class MergeRace:
    """What was measured of each contestant by its name."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    start_seconds: dict[str, list[float]] = field(default_factory=dict)  # before the clock
    processor_seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    digest: str = ""

    @property
    def timings(self) -> dict[str, Timing]:
        """Of all repetitions."""
        return {name: Timing(name, values) for name, values in self.seconds.items()}

    def processor_facts(self) -> dict[str, str | int | float]:
        """Where all processes are waited for: on a machine with others the clock depends on who asks for a core."""
        return {
            f"processor_seconds_of_{_plain(name)}": round(statistics.median(values), 1)
            for name, values in self.processor_seconds.items()
        }

    def facts(self) -> dict[str, str | int | float]:
        """Digest, start-up and memory."""
        starts = {name: statistics.median(values) for name, values in self.start_seconds.items()}
        return {
            "digest": self.digest[:16],
            **{f"start_up_of_{_plain(name)}": f"{seconds:.1f} s" for name, seconds in starts.items() if seconds > 0.01},
            **{f"peak_mib_of_{_plain(name)}": peak >> 20 for name, peak in self.peak_bytes.items()},
        }


def race_merges(contestants: Mapping[str, str], inputs: Path, *, repetitions: int) -> MergeRace:
    """Run each as often; the order turns by one each round.

    Args:
        contestants: What `benchmarks.curation_merge.contestant` calls each, by the name in the table.

    Raises:
        RuntimeError: One failed, or they do not agree.
    """
    found = MergeRace()
    digests: dict[str, str] = {}
    folder = BENCH_ROOT / "curation_merge" / "out"
    names = list(contestants)
    for round_idx in range(repetitions):
        turn = round_idx % len(names)
        for name in [*names[turn:], *names[:turn]]:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            os.sync()
            out = folder / "merged.parquet"
            program = "benchmarks.curation_merge.contestant"
            command = [sys.executable, "-m", program, contestants[name], str(inputs), str(out)]
            run = run_in_tree(command, timeout_seconds=_TIMEOUT_SECONDS)
            found.seconds.setdefault(name, []).append(run.answer["seconds"])
            found.start_seconds.setdefault(name, []).append(run.answer["start_seconds"])
            found.processor_seconds.setdefault(name, []).append(run.answer["processor_seconds"])
            found.peak_bytes[name] = max(found.peak_bytes.get(name, 0), run.peak_bytes)
            digests[name] = _digest(out)
            seconds = run.answer["seconds"]
            print(f"{name}: {seconds:.1f} s, {run.peak_bytes >> 20} MiB, {digests[name][:8]}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    if len(set(digests.values())) != 1:
        raise RuntimeError(f"the contestants do not agree: {digests}")
    found.digest = next(iter(digests.values()))
    return found


def put_into_lake(inputs: Path) -> None:
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


def _plain(name: str) -> str:
    return name.replace(" ", "_").replace(",", "")


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
