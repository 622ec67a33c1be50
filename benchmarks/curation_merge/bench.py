"""What does a merge of three metadata tables inside 2 GiB cost, against plain DuckDB and Daft? See README.md."""

from __future__ import annotations

import os

from benchmarks.curation_merge.contestant import MEMORY_BYTES
from benchmarks.curation_merge.merge_inputs import make_inputs
from benchmarks.curation_merge.merge_race import put_into_lake, race_merges
from benchmarks.measurement import Bar, Outcome, hardware, report, versions

QUESTION = "Merge of 3 metadata tables with tag lists and prompts by one SQL statement"
OURS = "headrace run_sql in 2 GiB"
DUCKDB = "duckdb, no limit"
DUCKDB_LIMITED = "duckdb, limit 2 GiB"
DAFT = "daft, native"
_CONTESTANTS = {OURS: "headrace", DUCKDB: "duckdb", DUCKDB_LIMITED: "duckdb_2gb", DAFT: "daft"}
_SLOWER = 1.25  # the bar: plain DuckDB and a quarter


def main() -> Outcome:
    """Run the race and print it; `CURATION_MERGE_ROWS` (of a source) and `CURATION_MERGE_REPETITIONS` shorten it."""
    machine = hardware()
    num_rows = int(os.environ.get("CURATION_MERGE_ROWS", "1000000"))
    repetitions = int(os.environ.get("CURATION_MERGE_REPETITIONS", "3"))
    inputs = make_inputs(num_rows)
    put_into_lake(inputs)
    race = race_merges(_CONTESTANTS, inputs, repetitions=repetitions)
    timings = race.timings
    ours = timings[OURS].median
    bars = [
        Bar("time against plain DuckDB, at most + 25 %", ours / timings[DUCKDB].median, _SLOWER, "at most", "x"),
        Bar("peak of the whole tree, at most 2 GiB", race.peak_bytes[OURS], MEMORY_BYTES, "at most", "bytes"),
        Bar("time against Daft, not slower", ours / timings[DAFT].median, 1.0, "at most", "x"),
    ]
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=bars,
        libraries=versions("headrace", "duckdb", "pyarrow", "daft"),
        machine=machine,
        facts={"rows_of_each_table": num_rows, **race.processor_facts(), **race.facts()},
    )


if __name__ == "__main__":
    main()
