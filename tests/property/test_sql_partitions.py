"""The law of scatter and gather: whatever the rows, partitions, parts and order of input, the same bytes come out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.curation.table_stages.engine_types import engine_schema
from headrace.curation.table_stages.gathering import Gatherer, read_gathered
from headrace.curation.table_stages.local_partitions import LocalTables
from headrace.curation.table_stages.partition_bounds import partition_bounds
from headrace.curation.table_stages.partition_views import PartitionView
from headrace.curation.table_stages.scattering import scatter
from headrace.curation.table_stages.sql_plan import plan_sql
from headrace.curation.table_stages.sql_stage import run_sql
from headrace.datasets.columns import schema_to_json
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows

_KEYS = {
    "whole numbers": (pa.int64(), st.integers(-3, 3)),
    "texts": (pa.string(), st.text(alphabet="aäÄz😀\u0000é", max_size=3)),
    "floats": (pa.float64(), st.floats(allow_nan=True, allow_infinity=True, width=32)),
    "times": (pa.timestamp("us"), st.datetimes()),
    "booleans": (pa.bool_(), st.booleans()),
}
_VALUES = st.floats(allow_infinity=False)
_STATEMENTS = [
    "SELECT k, v, w FROM a JOIN b USING (k)",
    "SELECT k, v, w FROM a FULL JOIN b USING (k)",
    "SELECT a.k, v, w FROM a LEFT JOIN b ON a.k IS NOT DISTINCT FROM b.k",
    "SELECT k, sum(v) AS t, arg_min(s, v) AS m, list(v) AS every, count(*) AS n FROM a GROUP BY k",
    "SELECT k, s, row_number() OVER (PARTITION BY k ORDER BY v) AS r, lag(s) OVER (PARTITION BY k) AS p FROM a",
    "SELECT k, v FROM a ANTI JOIN b USING (k)",
    "SELECT DISTINCT k, s FROM a",
    "SELECT k, v FROM a WHERE v BETWEEN -1 AND 7",  # NaN is above every number
    "SELECT k, v, w FROM a JOIN b USING (k) WHERE v > 7 AND w <= 2",
    "SELECT k, s FROM a INTERSECT SELECT k, s FROM a WHERE v > 0",
    "SELECT k, n, w FROM (SELECT k, count(*) AS n FROM a GROUP BY k) AS c JOIN b USING (k)",
]


def _turned(table: pa.Table) -> pa.Table:
    return table.take(pa.array(range(table.num_rows - 1, -1, -1), pa.int64()))


@st.composite
def _tables(draw: st.DrawFn) -> tuple[pa.Table, pa.Table]:
    kind, key = _KEYS[draw(st.sampled_from(sorted(_KEYS)))]
    keys = st.one_of(st.none(), key)
    left = draw(st.lists(st.tuples(keys, _VALUES, st.sampled_from(["x", "y", None])), max_size=14))
    right = draw(st.lists(st.tuples(keys, st.integers(0, 3)), max_size=10))
    return (
        pa.table({
            "k": pa.array([row[0] for row in left], kind),
            "v": pa.array([row[1] for row in left], pa.float64()),
            "s": pa.array([row[2] for row in left], pa.string()),
        }),
        pa.table({
            "k": pa.array([row[0] for row in right], kind),
            "w": pa.array([row[1] for row in right], pa.int64()),
        }),
    )  # fmt: skip


@given(
    tables=_tables(),
    sql=st.sampled_from(_STATEMENTS),
    part_rows=st.integers(1, 20),
    num_partitions=st.integers(2, 6),
    is_reversed=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_partitions_give_the_bytes_of_one_engine(
    tables: tuple[pa.Table, pa.Table], sql: str, part_rows: int, num_partitions: int, is_reversed: bool
) -> None:
    """The steps of the workers, called here: a process for each of hundreds of examples would take minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_stage_store(folder)
        whole_inputs = {label: put_rows(store, table) for label, table in zip("ab", tables)}
        whole = run_sql(store, whole_inputs, sql=sql, key=["k"], memory_bytes=ROOM_BYTES, num_workers=1, scratch=folder)
        # Other parts, and where it says so the rows the other way round.
        turned = [_turned(table) if is_reversed else table for table in tables]
        inputs = {label: put_rows(store, table, part_rows=part_rows) for label, table in zip("ab", turned)}
        plan = plan_sql(
            store,
            inputs,
            sql=sql,
            key=["k"],
            memory_bytes=ROOM_BYTES,
            engine=LocalTables(2),
            scratch=folder,
            num_partitions=num_partitions,
        )
        assert plan.query.obstacle is None, plan.query.obstacle
        used = {label: inputs[label] for label in plan.query.reads}
        bounds = partition_bounds(store, used, key=["k"], num_partitions=num_partitions)
        edges = folder / "bounds.arrow"
        with pa.OSFile(str(edges), "wb") as sink, pa.ipc.new_file(sink, bounds.schema) as writer:
            writer.write_table(bounds)
        views: dict[str, tuple[pa.Schema, str, list[int]]] = {}
        for label, rows in used.items():
            schema = engine_schema(rows.schema, plan.query.reads[label])
            sources = []
            for idx, part in enumerate(rows.parts):
                source = folder / f"{label}{idx}.parquet"
                source.write_bytes(store.part_data(part))
                sources.append(str(source))
            if not sources:
                sources = [str(folder / f"{label}-empty.parquet")]
                pq.write_table(rows.schema.empty_table(), sources[0])
            out = str(folder / f"scattered-{label}.arrow")
            done = scatter(files=sources, schema=schema_to_json(schema), key=["k"], bounds=str(edges), out=out)
            views[label] = (schema, out, done["starts"])
        writer_of_rows = store.writer(plan.query.columns.schema)
        gatherer = Gatherer()
        for partition in range(bounds.num_rows + 1):
            out = str(folder / f"gathered-{partition}.arrow")
            gatherer.gather(
                statement=plan.query.statement,
                views={
                    label: PartitionView(schema, ((out_file, starts[partition], starts[partition + 1]),)).to_json()
                    for label, (schema, out_file, starts) in views.items()
                },
                columns=plan.query.columns.to_json(),
                memory_bytes=256 << 20,
                folder=str(folder),
                out=out,
            )
            for table in read_gathered(Path(out)):
                writer_of_rows.add(table)
        gatherer.close()
        parted = writer_of_rows.finish()
        assert str(store.table(parted).to_pylist()) == str(store.table(whole).to_pylist())
        assert parted.content_id == whole.content_id
