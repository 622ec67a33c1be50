"""A merge that needs more than the memory it may use, if all is merged at once: the whole tree stays below, sampled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.stage_rows import StageRows, StageStore
from tests.sampled_memory import run_sampled
from tests.stage_lakes import open_stage_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is sampled from /proc")

MIB = 1 << 20
LIMIT_BYTES = 512 * MIB
ROWS_BYTES = 240 * MIB
PART_ROWS = 16_384
SOURCES = ("danbooru", "gelbooru", "pixiv")

PROGRAM = """
import json, sys
from pathlib import Path
from headrace.curation.merge_rules import MergeRules
from headrace.curation.stage_rows import StageRows
from headrace.curation.table_stages.merge_stage import run_merge
from tests.stage_lakes import open_stage_store
place = Path(sys.argv[1])
inputs = {name: StageRows.from_json(rows) for name, rows in json.loads((place / "rows.json").read_text()).items()}
rules = MergeRules(
    identity="image_id", source=None, weights=(("danbooru", 1.0), ("gelbooru", 0.5), ("pixiv", 0.25)),
    functions=(("caption", "best_source"), ("rating", "weighted_vote"),
               ("tags", "weighted_vote")))
found = run_merge(open_stage_store(place), inputs, rules=rules, memory_bytes=int(sys.argv[2]),
                  num_workers=2, scratch=place / "scratch")
print(found.content_id, found.num_rows)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with three sources of 240 MiB together in memory."""
    place = tmp_path_factory.mktemp("merge-memory")
    store = open_stage_store(place)
    generator = np.random.default_rng(6)
    words = np.array([f"tag_{number:05d}" for number in range(4_000)])
    rows = {name: _source(store, generator, words) for name in SOURCES}
    (place / "rows.json").write_text(json.dumps({name: each.to_json() for name, each in rows.items()}))
    return place


def _source(store: StageStore, generator: np.random.Generator, words: np.ndarray) -> StageRows:
    writer = None
    num_bytes = start = 0
    while num_bytes < ROWS_BYTES // len(SOURCES):
        numbers = generator.permutation(PART_ROWS) + start
        tags = words[generator.zipf(1.3, PART_ROWS * 12) % len(words)]
        table = pa.table(
            {
                "_id": [f"1:{number}" for number in numbers],
                "image_id": [f"{number:032d}" for number in numbers],
                "tags": pa.ListArray.from_arrays(np.arange(0, PART_ROWS * 12 + 1, 12), pa.array(tags)),
                "rating": pa.array(np.array(["s", "q", "e"])[generator.integers(0, 3, PART_ROWS)]),
                "caption": [f"{number:0700d}" for number in numbers],
            }
        )
        writer = writer or store.writer(table.schema)
        writer.add(table)
        num_bytes += table.nbytes
        start += PART_ROWS
    assert writer is not None
    return writer.finish()


def test_merge_stays_below_the_memory_on_as_much_data(place: Path) -> None:
    small, peak = run_sampled(PROGRAM, [str(place), str(LIMIT_BYTES)], without=place / "nothing")
    assert peak < LIMIT_BYTES, f"{peak / MIB:.0f} MiB"
    large, large_peak = run_sampled(PROGRAM, [str(place), str(8 << 30)], without=place / "nothing")
    assert small == large
    assert large_peak > LIMIT_BYTES, "the limit is what kept the memory small"
