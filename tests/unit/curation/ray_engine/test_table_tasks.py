"""Tasks of an exchange as a worker of a cluster runs them, without a cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_WORKER = """
import json
import sys
from pathlib import Path

import pyarrow as pa

import headrace
from headrace.curation.ray_engine.blocks import block_of, table_of
from headrace.curation.ray_engine.table_tasks import PartitionTask, ScatterTask, run_partition, run_scatter
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.engine_types import engine_schema
from headrace.curation.table_stages.local_partitions import LocalTables
from headrace.curation.table_stages.partition_bounds import partition_bounds
from headrace.curation.table_stages.sql_plan import plan_sql
from headrace.datasets.columns import schema_to_json

folder = Path(sys.argv[1])
store = StageStore(headrace.connect(str(folder / "lake")), ["rows"])
if sys.argv[2] == "write":
    table = pa.table({"id": [idx % 50 for idx in range(1_000)], "tags": [[str(idx)] for idx in range(1_000)]})
    rows = store.write(table.append_column("score", pa.array([-0.0] * 1_000)))
    (folder / "rows").write_text(json.dumps(rows.to_json()))
    sys.exit()
rows = StageRows.from_json(json.loads((folder / "rows").read_text()))
sql = "SELECT id, count(*) AS number, max(score) AS score, list(tags ORDER BY tags) AS tags FROM rows GROUP BY id"
plan = plan_sql(
    store,
    {"rows": rows},
    sql=sql,
    key=["id"],
    memory_bytes=1 << 30,
    engine=LocalTables(1),
    scratch=folder,
    num_partitions=3,
)
bounds = partition_bounds(store, {"rows": rows}, key=["id"], num_partitions=3)
schema = schema_to_json(engine_schema(rows.schema, plan.query.reads["rows"]))
parts = tuple((part.digest, part.size, part.num_rows) for part in rows.parts)
edges = block_of(bounds.to_batches(), bounds.schema, keeps_empty=True)
num_rows, *objects = run_scatter(ScatterTask(store.store.uri, store.base, parts, schema, ("id",), (1, 2)), edges)
arguments = {"statement": plan.query.statement, "columns": plan.query.columns.to_json(), "memory_bytes": 256 << 20}
found = []
for blocks, place in ((objects[0], 0), (objects[1], 0), (objects[1], 1)):
    task = PartitionTask("gather", arguments, (("rows", schema, 1),), place, "exchange-1", str(folder))
    found.append(run_partition(task, {}, blocks))
print("pandas" in sys.modules)
merged = table_of(found, plan.query.columns.schema)
print(num_rows, merged.column("id").to_pylist() == list(range(50)), set(merged.column("number").to_pylist()))
"""


def test_a_worker_deals_and_gathers_without_importing_pandas(tmp_path: Path) -> None:
    """It takes up to a second, which each worker would spend before its first row."""
    for what in ("write", "run"):
        command = [sys.executable, "-c", _WORKER, str(tmp_path), what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False", "1000 True {20}"]
