"""What does the merge cost on Ray, against Daft on Ray and Ray Data? See README.md."""

from __future__ import annotations

import os

from benchmarks.curation_merge.merge_inputs import make_inputs
from benchmarks.curation_merge.merge_race import put_into_lake, race_merges
from benchmarks.measurement import Bar, Outcome, hardware, report, versions

QUESTION = "Merge of 3 metadata tables with tag lists and prompts, on Ray with two CPUs"
OURS = "headrace run_sql on Ray"
DAFT = "daft on Ray"
RAY_DATA = "ray data, polars inside"
_CONTESTANTS = {OURS: "headrace_ray", DAFT: "daft_ray", RAY_DATA: "ray_data"}


def main() -> Outcome:
    """Run the race and print it; `CURATION_RAY_ROWS` (of a source) and `CURATION_RAY_REPETITIONS` shorten it."""
    machine = hardware()
    num_rows = int(os.environ.get("CURATION_RAY_ROWS", "1000000"))
    repetitions = int(os.environ.get("CURATION_RAY_REPETITIONS", "3"))
    inputs = make_inputs(num_rows)
    put_into_lake(inputs)
    race = race_merges(_CONTESTANTS, inputs, repetitions=repetitions)
    timings = race.timings
    ours = timings[OURS].median
    bars = [
        Bar("faster than Daft on Ray, at least 1.5x", timings[DAFT].median / ours, 1.5, "at least", "x"),
        Bar("faster than Ray Data, at least 3x", timings[RAY_DATA].median / ours, 3.0, "at least", "x"),
    ]
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=bars,
        libraries=versions("headrace", "duckdb", "pyarrow", "ray", "daft", "polars"),
        machine=machine,
        facts={"rows_of_each_table": num_rows, **race.facts()},
    )


if __name__ == "__main__":
    main()
