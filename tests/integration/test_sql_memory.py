"""SQL over a table ten times larger than the memory it may use: the whole tree stays below, sampled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.stage_rows import StageRows
from tests.sampled_memory import run_sampled
from tests.stage_lakes import open_stage_store

MIB = 1 << 20
# What Python, Arrow and DuckDB hold in the caller and in one worker before a row is read, and what DuckDB needs.
LIMIT_BYTES = 560 * MIB
STAGE_BYTES = 64 * MIB  # about what is left of it for DuckDB
TABLE_BYTES = 10 * STAGE_BYTES

PROGRAM = """
import json, sys
from pathlib import Path
from headrace.curation.stage_rows import StageRows
from headrace.curation.table_stages.sql_stage import run_sql
from tests.stage_lakes import open_stage_store
place = Path(sys.argv[1])
rows = StageRows.from_json(json.loads((place / "rows.json").read_text()))
found = run_sql(open_stage_store(place), {"a": rows}, sql=sys.argv[2], key=["k"], memory_bytes=int(sys.argv[3]),
                num_workers=int(sys.argv[4]), scratch=place / "scratch")
print(found.content_id, found.num_rows)
"""
PARTED = "SELECT k, v, s, row_number() OVER (PARTITION BY k ORDER BY v) AS place FROM a"
WHOLE = "SELECT s, v, k FROM a ORDER BY v, s"


def _run(place: Path, sql: str, *, memory_bytes: int, num_workers: int) -> tuple[str, int]:
    """What was printed, and the peak of the tree."""
    arguments = [str(place), sql, str(memory_bytes), str(num_workers)]
    return run_sampled(PROGRAM, arguments, without=place / "nothing")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with rows of 640 MiB in memory: long texts that compress well."""
    place = tmp_path_factory.mktemp("memory")
    store = open_stage_store(place)
    generator = np.random.default_rng(5)
    part_rows = 65_536
    writer = None
    num_bytes = 0
    while num_bytes < TABLE_BYTES:
        numbers = generator.integers(0, 200_000, part_rows)
        table = pa.table(
            {
                "k": numbers,
                "v": generator.random(part_rows),
                "s": pa.array([f"{number:0900d}" for number in numbers.tolist()]),
            }
        )
        writer = writer or store.writer(table.schema)
        writer.add(table)
        num_bytes += table.nbytes
    assert writer is not None
    rows: StageRows = writer.finish()
    (place / "rows.json").write_text(json.dumps(rows.to_json()))
    return place


@pytest.mark.skipif(sys.platform != "linux", reason="memory is sampled from /proc")
@pytest.mark.parametrize("sql", [PARTED, WHOLE], ids=["parted", "whole"])
def test_tree_stays_below_the_memory_on_ten_times_as_much(place: Path, sql: str) -> None:
    small, peak = _run(place, sql, memory_bytes=LIMIT_BYTES, num_workers=2)
    assert peak < LIMIT_BYTES, f"{peak / MIB:.0f} MiB"
    large, _ = _run(place, sql, memory_bytes=8 << 30, num_workers=2)
    assert small == large
