"""One contestant's merge in a process of its own: `python -m benchmarks.curation_merge.contestant NAME INPUTS OUT`.

The last line it prints is JSON: {"seconds": wall time after the imports, "processor_seconds": of all processes, imports
included}. Only the standard library at the top: Daft runs in an environment that has nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

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
    SELECT image_id, array_to_string(list(name ORDER BY score DESC, name)[1:10], ', ') AS tags
    FROM scored GROUP BY image_id
), images AS (
    SELECT image_id, count(*) AS n_sources, max(aesthetic) AS aesthetic, max(least(width, height)) AS side,
           arg_max(caption, weight) AS caption
    FROM described GROUP BY image_id
)
SELECT image_id, n_sources, aesthetic, caption || ', ' || tags AS prompt
FROM images JOIN listed USING (image_id) WHERE aesthetic >= 4 AND side >= 256
"""


def main(name: str, inputs: Path, out: Path) -> float:
    """Seconds."""
    if name == "headrace":
        return _headrace(inputs, out)
    if name == "duckdb":
        return _duckdb(inputs, out, settings=())
    if name == "duckdb_2gb":
        spilled = out.with_name("spilled")
        return _duckdb(
            inputs,
            out,
            settings=(
                f"SET memory_limit = '{MEMORY_BYTES // 1024}KiB'",
                f"SET temp_directory = '{spilled}'",
                "SET preserve_insertion_order = false",
            ),
        )
    if name == "daft":
        return _daft(inputs, out)
    raise SystemExit(f"no contestant {name}")


def _headrace(inputs: Path, out: Path) -> float:
    """Rows that a stage before has left in the lake; the result stays there, and is copied out after the clock."""
    import pyarrow.parquet as pq

    import headrace
    from headrace.curation.stage_rows import StageRows, StageStore
    from headrace.curation.table_stages.sql_stage import run_sql

    stage_store = StageStore(headrace.connect(str(inputs / "lake")), ["merge"])
    rows = StageRows.from_json(json.loads((inputs / "rows.json").read_text(encoding="utf-8")))
    started = time.perf_counter()
    merged = run_sql(
        stage_store,
        {"metadata": rows},
        sql=SQL,
        key=["image_id"],
        memory_bytes=MEMORY_BYTES,
        num_workers=2,
        scratch=out.with_name("scratch"),
    )
    seconds = time.perf_counter() - started
    with pq.ParquetWriter(out, merged.schema) as writer:
        for table in stage_store.tables(merged):
            writer.write_table(table)
    return seconds


def _duckdb(inputs: Path, out: Path, *, settings: tuple[str, ...]) -> float:
    import duckdb

    connection = duckdb.connect()
    started = time.perf_counter()
    for setting in settings:
        connection.execute(setting)
    connection.execute(f"CREATE VIEW metadata AS SELECT * FROM read_parquet('{inputs}/*.parquet')")
    connection.execute(f"COPY ({SQL}) TO '{out}' (FORMAT parquet)")
    return time.perf_counter() - started


def _daft(inputs: Path, out: Path) -> float:
    import daft  # type: ignore[import-not-found, unused-ignore]
    from daft import col

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


if __name__ == "__main__":
    seconds = main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "processor_seconds": sum(each.ru_utime + each.ru_stime for each in used)}))
