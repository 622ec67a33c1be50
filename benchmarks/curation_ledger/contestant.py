"""A run that is timed in parts: `python -m benchmarks.curation_ledger.contestant LAKE WORKERS`; prints JSON.

What this process spends in the ledger and on records is timed where it happens, by wrapping the functions in question.
What the workers spend on their blocks is timed afterwards: every block is put once more, below another key.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any

import pyarrow as pa

import headrace
from headrace.curation import Recipe, Stage, operator_stage, recipe_run
from headrace.curation.chunk_claims import ChunkClaims
from headrace.curation.ledger import Ledger
from headrace.curation.run_options import RunOptions
from headrace.curation.stage_cache import StageCache
from headrace.curation.stage_result import DROPPED_SCHEMA, FAILED_SCHEMA
from headrace.curation.stage_rows import StageRows, StageRowsWriter
from headrace.curation.table_stages import filter_stage
from headrace.datasets.lake import Lake
from headrace.storage.digests import DIGEST_BYTES

OPERATORS = ("image.blur", "image.entropy", "image.phash")
FILTERS = ("entropy >= 7.2", "blur >= 60")


@dataclass(frozen=True, slots=True)
class TimedRun:
    """Seconds and bytes of one run."""

    seconds: float  # of the whole run
    parts: dict[str, float]  # seconds of this process in each part of the ledger and the records
    put_seconds: float  # of all blocks, one after the other
    rows: int
    dropped: int
    block_bytes: int  # of the ledger as it lies there
    value_bytes: int  # of these, what the measured values take
    record_bytes: int  # of rows that were dropped or failed
    document_bytes: int  # of stages and of the run
    row_bytes: int  # of the rows that stages hand on


class _Clock:
    """Adds up the outermost of the wrapped calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._is_inside = False

    def wrap(self, owner: Any, name: str, part: str, *, only: Callable[..., bool] | None = None) -> None:
        function = getattr(owner, name)

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._is_inside or (only is not None and not only(*arguments)):
                return function(*arguments, **named)
            self._is_inside = True
            begin = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - begin
                self._is_inside = False

        setattr(owner, name, timed)


def main(lake_uri: str, num_workers: int) -> TimedRun:
    """Run with an empty ledger."""
    clock = _Clock()
    for name in ("refresh", "places", "put"):
        clock.wrap(Ledger, name, f"ledger {name}")
    for name in ("take", "release"):
        clock.wrap(ChunkClaims, name, "claims")
    clock.wrap(operator_stage, "input_ids", "input ids")
    for name in ("find", "put"):
        clock.wrap(StageCache, name, "stage documents")
    clock.wrap(recipe_run, "write_run", "run records")
    clock.wrap(operator_stage, "_records", "explain records")
    clock.wrap(filter_stage, "_records", "explain records")
    for name in ("add", "finish"):
        clock.wrap(StageRowsWriter, name, "explain records", only=_is_of_records)
    stages = [Stage(name="metrics", operators=list(OPERATORS))]
    stages += [Stage(name=f"filter{idx}", filter=expression) for idx, expression in enumerate(FILTERS)]
    lake = headrace.connect(lake_uri)
    started = time.perf_counter()
    plan = Recipe("ledger", sources={"photos": "photos"}, stages=stages).plan(lake)
    run = recipe_run.run_plan(plan, options=RunOptions(workers=num_workers))
    seconds = time.perf_counter() - started
    parts = dict(clock.seconds)
    base = plan.stage_store.base
    block_bytes, value_bytes, put_seconds = _blocks(lake, f"{base}operators/")
    results = [stage.result for stage in run.stages.values()]
    return TimedRun(
        seconds,
        parts,
        put_seconds,
        rows=next(iter(run.stages.values())).rows_in,
        dropped=sum(result.dropped.num_rows for result in results),
        block_bytes=block_bytes,
        value_bytes=value_bytes,
        record_bytes=sum(_num_bytes(result.dropped) + _num_bytes(result.failed) for result in results),
        document_bytes=sum(stat.size for place in ("stages/", "runs/") for stat in lake.store.list(f"{base}{place}")),
        row_bytes=sum(_num_bytes(result.rows) for result in results),
    )


def _is_of_records(writer: StageRowsWriter, *_: object) -> bool:
    return writer.schema in (DROPPED_SCHEMA, FAILED_SCHEMA)


def _num_bytes(rows: StageRows) -> int:
    return rows.num_bytes


def _blocks(lake: Lake, base: str) -> tuple[int, int, float]:
    """Bytes of all blocks, those of the values in them, and seconds to put them all once more."""
    num_bytes = num_value_bytes = 0
    seconds = 0.0
    for stat in list(lake.store.list(base)):
        data = lake.store.get(stat.key)
        block = pa.ipc.open_file(data[DIGEST_BYTES:]).read_all()
        num_bytes += len(data)
        again = Ledger(lake.store, f"{base}again/{stat.key.split('/')[-2]}/", schema=block.schema)
        begin = time.perf_counter()
        again.put(block)
        seconds += time.perf_counter() - begin
        record = block.select([name for name in block.column_names if name.startswith("_")])
        num_value_bytes += len(data) - DIGEST_BYTES - _encoded_bytes(record)
    return num_bytes, num_value_bytes, seconds


def _encoded_bytes(block: pa.Table) -> int:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, block.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(block)
    return int(sink.getvalue().size)


if __name__ == "__main__":
    print(json.dumps(asdict(main(sys.argv[1], int(sys.argv[2])))))
