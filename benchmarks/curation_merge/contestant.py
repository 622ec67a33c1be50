"""One contestant's merge in a process of its own: `python -m benchmarks.curation_merge.contestant NAME INPUTS OUT`.

The last line it prints is JSON: {"seconds": wall time after imports and start-up, "start_seconds": that of both,
"processor_seconds": of this process and those that it has waited for}. Libraries are imported by those who use them.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_BYTES = 2 << 30

# The tags of all sources that know an image, weighted by source, best ten first; then the prompt of images that are
# good and large enough.
SQL = """
WITH described AS (
    SELECT *, CASE source WHEN 'alpha' THEN 10 WHEN 'beta' THEN 6 ELSE 3 END AS weight FROM metadata
), tagged AS (
    SELECT image_id, weight, unnest(tags) AS tag FROM described
), scored AS (
    SELECT image_id, tag.name AS name, sum(weight * CAST(round(tag.score * 1000) AS BIGINT)) AS score
    FROM tagged GROUP BY image_id, tag.name
), listed AS (
    SELECT image_id, array_to_string([best.name for best in min({'points': -score, 'name': name}, 10)], ', ') AS tags
    FROM scored GROUP BY image_id
), images AS (
    SELECT image_id, count(*) AS n_sources, max(aesthetic) AS aesthetic, max(least(width, height)) AS side,
           arg_max(caption, weight) AS caption
    FROM described GROUP BY image_id
)
SELECT image_id, n_sources, aesthetic, caption || ', ' || tags AS prompt
FROM images JOIN listed USING (image_id) WHERE aesthetic >= 4 AND side >= 256
"""

# What keeps the best ten as they come does not spill: DuckDB by itself, with 2 GiB, must sort lists of all.
_BEST = "[best.name for best in min({'points': -score, 'name': name}, 10)]"
SPILLING_SQL = SQL.replace(_BEST, "list(name ORDER BY score DESC, name)[1:10]")

_NUM_CPUS = 2


def main(name: str, inputs: Path, out: Path) -> dict[str, float]:
    """`seconds`, and `start_seconds` of what was started before the clock."""
    began = time.perf_counter()
    if name.endswith("_ray") or name.startswith("ray_"):
        _start_ray()
    started = time.perf_counter()
    return {"seconds": _seconds(name, inputs, out), "start_seconds": started - began}


def _seconds(name: str, inputs: Path, out: Path) -> float:
    match name:
        case "headrace":
            return _headrace(inputs, out)
        case "headrace_ray":
            return _headrace(inputs, out, on_ray=True)
        case "duckdb":
            return _duckdb(inputs, out, settings=())
        case "duckdb_2gb":
            spilled = out.with_name("spilled")
            settings = (
                f"SET memory_limit = '{MEMORY_BYTES // 1024}KiB'",
                f"SET temp_directory = '{spilled}'",
                "SET preserve_insertion_order = false",
            )
            return _duckdb(inputs, out, settings=settings, sql=SPILLING_SQL)
        case "daft":
            return _daft(inputs, out)
        case "daft_ray":
            return _daft(inputs, out, on_ray=True)
        case "ray_data":
            return _ray_data(inputs, out)
    raise SystemExit(f"no contestant {name}")


def _headrace(inputs: Path, out: Path, *, on_ray: bool = False) -> float:
    """Rows that a stage before has left in the lake; the result stays there, and is copied out after the clock."""
    import pyarrow.parquet as pq

    import headrace
    from headrace.curation.ray_engine.cluster import RayCluster
    from headrace.curation.ray_engine.ray_tables import RayTables
    from headrace.curation.stage_rows import StageRows, StageStore
    from headrace.curation.table_stages.sql_stage import run_sql

    stage_store = StageStore(headrace.connect(str(inputs / "lake")), ["merge"])
    rows = StageRows.from_json(json.loads((inputs / "rows.json").read_text(encoding="utf-8")))
    engine = RayTables(RayCluster(None, num_workers=_NUM_CPUS), lambda: None) if on_ray else None
    started = time.perf_counter()
    merged = run_sql(
        stage_store,
        {"metadata": rows},
        sql=SQL,
        key=["image_id"],
        memory_bytes=MEMORY_BYTES,
        num_workers=_NUM_CPUS,
        scratch=out.with_name("scratch"),
        engine=engine,
    )
    seconds = time.perf_counter() - started
    with pq.ParquetWriter(out, merged.schema) as writer:
        for table in stage_store.tables(merged):
            writer.write_table(table)
    return seconds


def _duckdb(inputs: Path, out: Path, *, settings: tuple[str, ...], sql: str = SQL) -> float:
    import duckdb

    connection = duckdb.connect()
    started = time.perf_counter()
    for setting in settings:
        connection.execute(setting)
    connection.execute(f"CREATE VIEW metadata AS SELECT * FROM read_parquet('{inputs}/*.parquet')")
    connection.execute(f"COPY ({sql}) TO '{out}' (FORMAT parquet)")
    return time.perf_counter() - started


def _daft(inputs: Path, out: Path, *, on_ray: bool = False) -> float:
    import daft  # type: ignore[import-not-found, unused-ignore]
    from daft import col

    if on_ray:
        daft.set_runner_ray()
    else:
        daft.set_runner_native()
    started = time.perf_counter()
    when, format_ = daft.functions.when, daft.functions.format
    rows = daft.read_parquet(f"{inputs}/*.parquet")
    rows = rows.with_column("weight", when(col("source") == "alpha", 10).when(col("source") == "beta", 6).otherwise(3))
    tagged = rows.select("image_id", "weight", "tags").explode("tags")
    tagged = tagged.select("image_id", "weight", name=col("tags").get("name"), share=col("tags").get("score"))
    points = col("weight") * (col("share") * 1000).round().cast("int64")
    scored = tagged.with_column("score", points).groupby("image_id", "name").agg(col("score").sum())
    # Lists are sorted by value only: the score, turned round and padded, goes in front of the name.
    ranked = scored.select("image_id", entry=format_("{}|{}", (10**8 - col("score")), col("name")))
    listed = ranked.groupby("image_id").agg(col("entry").list_agg().alias("entries"))
    names = col("entries").list_sort().slice(0, 10).list_map(daft.element().split("|").get(1)).list_join(", ")
    listed = listed.select("image_id", tags=names)
    side = when(col("width") < col("height"), col("width")).otherwise(col("height"))
    images = (
        rows.with_column("side", side)
        .groupby("image_id")
        .agg(
            col("source").count().cast("int64").alias("n_sources"),
            col("aesthetic").max(),
            col("side").max(),
            format_("{}|{}", col("weight") + 10, col("caption")).max().alias("captioned"),
        )
    )
    images = images.where((col("aesthetic") >= 4) & (col("side") >= 256))
    prompt = daft.functions.concat(col("captioned").substr(3), daft.functions.concat(daft.lit(", "), col("tags")))
    merged = images.join(listed, on="image_id").select("image_id", "n_sources", "aesthetic", prompt=prompt)
    merged.write_parquet(str(out))
    return time.perf_counter() - started


def _ray_data(inputs: Path, out: Path) -> float:
    """Rows shuffled by hash of the image, then Polars inside each partition."""
    import polars as pl  # noqa: F401 - before the clock
    import ray

    started = time.perf_counter()
    # Its plans do not see what a function reads, so that it is told here; the other engines find out.
    names = ["image_id", "source", "tags", "aesthetic", "width", "height", "caption"]
    rows = ray.data.read_parquet(sorted(str(file) for file in inputs.glob("*.parquet")), columns=names)
    parted = rows.repartition(16, keys=["image_id"])
    parted.map_batches(_merged_by_polars, batch_size=None, batch_format="pyarrow").write_parquet(str(out))
    return time.perf_counter() - started


def _merged_by_polars(table: pa.Table) -> pa.Table:
    import polars as pl  # type: ignore[import-not-found, unused-ignore]

    weights = {"alpha": 10, "beta": 6, "gamma": 3}
    rows = pl.LazyFrame(pl.from_arrow(table)).with_columns(
        w=pl.col("source").replace_strict(weights, return_dtype=pl.Int64)
    )
    tagged = rows.select("image_id", "w", "tags").explode("tags").unnest("tags")
    points = pl.col("w") * (pl.col("score") * 1000).round().cast(pl.Int64)
    scored = tagged.group_by("image_id", "name").agg(score=points.sum())
    best = pl.col("name").sort_by("score", "name", descending=[True, False]).head(10)
    listed = scored.group_by("image_id").agg(tags=best)
    images = rows.group_by("image_id").agg(
        n_sources=pl.len().cast(pl.Int64),
        aesthetic=pl.col("aesthetic").max(),
        side=pl.min_horizontal("width", "height").max(),
        caption=pl.col("caption").sort_by("w").last(),
    )
    chosen = images.filter((pl.col("aesthetic") >= 4) & (pl.col("side") >= 256)).join(listed, on="image_id")
    prompt = pl.col("caption") + ", " + pl.col("tags").list.join(", ")
    return chosen.select("image_id", "n_sources", "aesthetic", prompt=prompt).collect().to_arrow()


def _start_ray() -> None:
    """The same for all: two CPUs and as large an object store as each may want."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])  # of Ray's workers
    import ray

    ray.init(
        address="local", num_cpus=_NUM_CPUS, include_dashboard=False, log_to_driver=False, object_store_memory=4 << 30
    )


if __name__ == "__main__":
    answer = main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({**answer, "processor_seconds": sum(each.ru_utime + each.ru_stime for each in used)}))
