"""One SELECT, with the same result however it is run."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.local_partitions import LocalTables
from headrace.curation.table_stages.sql_plan import plan_sql
from headrace.curation.table_stages.sql_stage import run_sql
from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_field, media_kind
from headrace.errors import DataCorrupted, InvalidInput
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows, run_everywhere

LEFT = pa.table(
    {
        "_id": [f"a{number}" for number in range(8)],
        "k": [3, 1, None, 2, 1, 3, None, 9],
        "v": [0.1, 0.2, 0.3, -0.0, 0.7, 1e17, 0.0, 1.0],
        "s": ["ä", "b", None, "", "b", "😀", "x", "b"],
    }
)
RIGHT = pa.table({"_id": [f"b{number}" for number in range(5)], "k": [1, 3, None, 1, 4], "w": [10, 20, 30, 40, 50]})


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return open_stage_store(tmp_path)


STATEMENTS = [
    "SELECT * FROM a JOIN b USING (k)",
    "SELECT k, v, w FROM a LEFT JOIN b USING (k)",
    "SELECT k, v, w FROM a FULL JOIN b USING (k)",
    "SELECT k, sum(v) AS total, arg_max(s, v) AS best, list(s) AS all_s, first(s) AS one FROM a GROUP BY k",
    "SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY s) AS place FROM a",
    "SELECT DISTINCT k, s FROM a",
    "SELECT * EXCLUDE (V, a.s) FROM a",
    "SELECT * RENAME (v AS value) FROM (SELECT * EXCLUDE s REPLACE (1 AS v) FROM a)",
    "WITH t AS (SELECT k, count(*) AS n FROM a GROUP BY k) SELECT * FROM t SEMI JOIN b USING (k)",
    "SELECT k, v FROM a UNION ALL SELECT k, w FROM b",
    "SELECT k, s FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k)",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_statement_gives_the_same_whole_and_in_partitions(store: StageStore, tmp_path: Path, sql: str) -> None:
    inputs = {"a": put_rows(store, LEFT, part_rows=3), "b": put_rows(store, RIGHT, part_rows=2)}
    found = run_everywhere(store, inputs, sql=sql, key=["k"], scratch=tmp_path / "scratch", num_partitions=(None, 3))
    assert found.num_rows
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT count(*) AS n FROM a", "without GROUP BY"),
        ("SELECT s, count(*) AS n FROM a GROUP BY s", "GROUP BY does not contain the key k"),
        ("SELECT a.k FROM a JOIN b ON a.v = b.w", "a join does not contain the key k"),
        ("SELECT k FROM a WHERE k NOT IN (SELECT k FROM b)", "IN looks for nulls"),
        ("SELECT k, v FROM a ORDER BY v LIMIT 3", "LIMIT"),
        ("SELECT k, v FROM a ORDER BY v", "at the end"),
        ("SELECT k, sum(v) OVER (ORDER BY s) AS t FROM a", "PARTITION BY"),
        ("SELECT k + 1 AS k FROM a", "does not hold the key"),
        ("SELECT a.k FROM a, b", "join without ON"),
        ("SELECT DISTINCT s FROM a", "DISTINCT does not contain"),
    ],
)
def test_statement_over_other_keys_runs_whole_and_says_why(
    store: StageStore, tmp_path: Path, sql: str, reason: str
) -> None:
    inputs = {"a": put_rows(store, LEFT), "b": put_rows(store, RIGHT)}
    engine = LocalTables(2)
    plan = plan_sql(
        store, inputs, sql=sql, key=["k"], memory_bytes=ROOM_BYTES, engine=engine, scratch=tmp_path, num_partitions=4
    )
    assert plan.mode == "whole"
    assert reason in str(plan)


def test_partitions_are_planned_with_their_reason(store: StageStore, tmp_path: Path) -> None:
    inputs = {"a": put_rows(store, LEFT), "b": put_rows(store, RIGHT)}
    sql = "SELECT k, v, w FROM a JOIN b USING (k)"
    engine = LocalTables(2)
    plan = plan_sql(
        store, inputs, sql=sql, key=["k"], memory_bytes=ROOM_BYTES, engine=engine, scratch=tmp_path, num_partitions=4
    )
    assert plan.mode == "partitioned"
    assert "4 partitions of the key in 2 processes" in str(plan)
    assert plan.query.reads == {"a": ("k", "v"), "b": ("k", "w")}


def test_order_is_the_keys_then_all_columns(store: StageStore, tmp_path: Path) -> None:
    inputs = {"a": put_rows(store, LEFT)}
    found = run_everywhere(store, inputs, sql="SELECT v, k FROM a", key=["k"], scratch=tmp_path)
    assert found.column_names == ["v", "k"]
    assert found.column("k").to_pylist() == [1, 1, 2, 3, 3, 9, None, None]
    assert found.column("v").to_pylist() == [0.2, 0.7, 0.0, 0.1, 1e17, 1.0, 0.0, 0.3]


def test_order_at_the_end_is_kept_and_ties_are_settled(store: StageStore, tmp_path: Path) -> None:
    inputs = {"a": put_rows(store, LEFT)}
    found = run_everywhere(store, inputs, sql="SELECT s, _id FROM a ORDER BY s DESC", key=["k"], scratch=tmp_path)
    assert found.column("_id").to_pylist() == ["a5", "a0", "a6", "a1", "a4", "a7", "a3", "a2"]


def test_sum_of_floats_is_the_same_in_any_order_of_rows(store: StageStore, tmp_path: Path) -> None:
    values = [1e16, 1.0, -1e16, 3.0, 1e-9] * 20
    sums = set()
    for ordered in (values, values[::-1], sorted(values)):
        inputs = {"a": put_rows(store, pa.table({"k": [1] * len(values), "v": ordered}), part_rows=7)}
        sql = "SELECT k, sum(v) AS t, avg(v) AS m, stddev(v) AS d FROM a GROUP BY k"
        found = run_everywhere(store, inputs, sql=sql, key=["k"], scratch=tmp_path, num_partitions=(None,))
        sums.add(str(found.to_pylist()))
    assert len(sums) == 1


def test_rows_of_a_join_are_those_of_the_first_table(store: StageStore, tmp_path: Path) -> None:
    inputs = {"a": put_rows(store, LEFT), "b": put_rows(store, RIGHT)}
    found = run_everywhere(store, inputs, sql="SELECT * FROM b JOIN a USING (k)", key=["k"], scratch=tmp_path)
    assert found.column_names == ["_id", "k", "w", "v", "s"]
    assert all(each.startswith("b") for each in found.column("_id").to_pylist())


def test_media_stays_media_only_beside_its_own_row(store: StageStore, tmp_path: Path) -> None:
    media = {"size": 3, "format": "png", "width": 1, "height": 1, "duration": None, "digest": b"d" * 32}
    image = media_field("image", "image").with_type(MEDIA_VIEW_TYPE)
    row = pa.schema([("_source", pa.string()), ("_row", pa.int64()), ("_id", pa.string()), ("k", pa.int64())])
    photos = pa.Table.from_pylist([{"_source": "p", "_row": 0, "_id": "a", "k": 1, "image": media}], row.append(image))
    texts = pa.Table.from_pylist([{"_source": "t", "_row": 7, "_id": "b", "k": 1}], row)
    inputs = {"photos": put_rows(store, photos), "texts": put_rows(store, texts)}
    kept = run_everywhere(
        store,
        inputs,
        sql="SELECT * FROM photos JOIN texts USING (k)",
        key=["k"],
        scratch=tmp_path,
        num_partitions=(None, 2),
    )
    assert media_kind(kept.schema.field("image")) == "image"
    assert kept.column("image").to_pylist() == [media]
    lost = run_everywhere(
        store,
        inputs,
        sql="SELECT * FROM texts JOIN photos USING (k)",
        key=["k"],
        scratch=tmp_path,
        num_partitions=(None,),
    )
    assert media_kind(lost.schema.field("image")) is None


@pytest.mark.parametrize(
    ("sql", "is_media"),
    [
        ("SELECT * FROM one UNION ALL SELECT * FROM two", True),
        ("SELECT *, 'one' AS site FROM one UNION ALL BY NAME SELECT *, 'two' AS site FROM two", True),
        ("WITH all_of AS (SELECT * FROM one UNION ALL SELECT * FROM two) SELECT * FROM all_of WHERE k > 0", True),
        ("SELECT * FROM one UNION SELECT * FROM two", True),
        ("SELECT * FROM one EXCEPT SELECT * FROM two", True),
        ("SELECT * FROM (SELECT * FROM one UNION ALL SELECT * FROM two) JOIN facts USING (k)", True),
        ("SELECT * FROM one UNION ALL BY NAME SELECT * EXCLUDE (image) FROM two", False),
        ("SELECT _source, _row, _id, k, image FROM one UNION ALL SELECT 'two', _row, _id, k, image FROM two", False),
        ("SELECT a._source, a._row, a._id, a.k, b.image FROM one a JOIN one b USING (k)", False),
        (
            (
                "WITH all_of AS MATERIALIZED (SELECT * FROM one) "
                "SELECT a._source, a._row, a._id, a.k, b.image FROM all_of a JOIN all_of b USING (k)"
            ),
            False,
        ),
    ],
    ids=["all", "by name", "named", "distinct", "except", "join", "missing", "made up", "self-join", "named self-join"],
)
def test_media_of_several_tables_under_each_other(store: StageStore, tmp_path: Path, sql: str, is_media: bool) -> None:
    image = media_field("image", "image").with_type(MEDIA_VIEW_TYPE)
    row = pa.schema([("_source", pa.string()), ("_row", pa.int64()), ("_id", pa.string()), ("k", pa.int64()), image])

    def photo(source: str, number: int) -> dict[str, object]:
        media = {"size": 3, "format": "png", "width": 1, "height": 1, "duration": None, "digest": bytes([number]) * 32}
        return {"_source": source, "_row": number, "_id": f"{source}{number}", "k": number % 3 + 1, "image": media}

    inputs = {
        name: put_rows(store, pa.Table.from_pylist([photo(name, number) for number in range(5)], row))
        for name in ("one", "two")
    }
    inputs["facts"] = put_rows(store, pa.table({"k": [1, 2, 3], "fact": ["a", "b", "c"]}))
    found = run_everywhere(store, inputs, sql=sql, key=["k"], scratch=tmp_path, num_partitions=(None, 2))
    assert (media_kind(found.schema.field("image")) == "image") == is_media
    if is_media:
        assert all(each["image"]["digest"] == bytes([each["_row"]]) * 32 for each in found.to_pylist())


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nothing FROM a", "nothing"),
        ("SELECT * FROM elsewhere", 'no table "elsewhere"'),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("DROP TABLE a", "only one SELECT"),
        ("SELECT k, random() AS r FROM a", "does not give the same result each time"),
        ("SELECT k, now() AS t FROM a", "does not give the same result each time"),
        ("SELECT k FROM a USING SAMPLE 3", "SAMPLE"),
        ("SELECT * FROM a POSITIONAL JOIN b", "POSITIONAL"),
        ("SELECT a.v, b.w AS V FROM a JOIN b USING (k)", "two columns"),
        ("SELECT k, geomean(v) AS g FROM a GROUP BY k", "write it out"),
        ("SELECT k, INTERVAL 1 DAY AS d FROM a", "cannot be kept"),
        ("SELECT DISTINCT * FROM (SELECT DISTINCT * FROM a LIMIT 3) AS t", "which rows come first"),
    ],
)
def test_wrong_sql_is_refused_before_it_runs(store: StageStore, tmp_path: Path, sql: str, message: str) -> None:
    inputs = {"a": put_rows(store, LEFT), "b": put_rows(store, RIGHT)}
    with pytest.raises(InvalidInput, match=message):
        run_sql(store, inputs, sql=sql, key=["k"], memory_bytes=ROOM_BYTES, num_workers=1, scratch=tmp_path)
    assert [path for path in tmp_path.iterdir() if path.name.startswith("sql-")] == []


def test_clock_without_parentheses_is_refused(store: StageStore, tmp_path: Path) -> None:
    inputs = {"a": put_rows(store, LEFT)}
    for clock in ("current_timestamp", "current_date", "localtimestamp"):
        sql = f"SELECT k, {clock} AS t FROM a"
        with pytest.raises(InvalidInput, match="does not give the same result each time"):
            run_sql(store, inputs, sql=sql, key=["k"], memory_bytes=ROOM_BYTES, num_workers=1, scratch=tmp_path)


def test_key_that_no_input_has_is_refused_with_the_nearest(store: StageStore, tmp_path: Path) -> None:
    rows = put_rows(store, pa.table({"image_id": [1]}))
    with pytest.raises(InvalidInput, match="image_id"):
        run_sql(
            store,
            {"a": rows},
            sql="SELECT * FROM a",
            key=["image_ids"],
            memory_bytes=ROOM_BYTES,
            num_workers=1,
            scratch=tmp_path,
        )


def test_too_little_memory_is_refused_with_what_suffices(store: StageStore, tmp_path: Path) -> None:
    inputs = {"a": put_rows(store, LEFT)}
    with pytest.raises(InvalidInput, match="Give at least"):
        run_sql(store, inputs, sql="SELECT * FROM a", key=["k"], memory_bytes=1 << 20, num_workers=1, scratch=tmp_path)


@pytest.mark.parametrize("num_partitions", [None, 3])
def test_value_that_does_not_fit_is_an_error_and_leaves_nothing(
    store: StageStore, tmp_path: Path, num_partitions: int | None
) -> None:
    inputs = {"a": put_rows(store, LEFT)}
    with pytest.raises(InvalidInput, match="Could not convert"):
        run_sql(
            store,
            inputs,
            sql="SELECT k, CAST(s AS INTEGER) AS n FROM a",
            key=["k"],
            memory_bytes=ROOM_BYTES,
            num_workers=2,
            scratch=tmp_path / "scratch",
            num_partitions=num_partitions,
        )
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("num_partitions", [None, 3])
def test_part_that_is_not_what_was_written_is_found(
    store: StageStore, tmp_path: Path, num_partitions: int | None
) -> None:
    rows = put_rows(store, LEFT)
    path = next((tmp_path / "lake").rglob(f"{rows.parts[0].digest}.parquet"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    with pytest.raises(DataCorrupted, match=rows.parts[0].digest[:8]):
        run_sql(
            store,
            {"a": rows},
            sql="SELECT k, v FROM a",
            key=["k"],
            memory_bytes=ROOM_BYTES,
            num_workers=2,
            scratch=tmp_path / "scratch",
            num_partitions=num_partitions,
        )


def test_hot_key_has_a_partition_of_its_own(store: StageStore, tmp_path: Path) -> None:
    keys = [7] * 900 + list(range(100))
    table = pa.table({"k": keys, "v": [float(number) for number in range(1000)]})
    inputs = {"a": put_rows(store, table, part_rows=100)}
    sql = "SELECT k, count(*) AS n, sum(v) AS t FROM a GROUP BY k"
    found = run_everywhere(store, inputs, sql=sql, key=["k"], scratch=tmp_path, num_partitions=(None, 8))
    assert found.num_rows == 100
    assert found.column("n")[7].as_py() == 901


def test_two_key_columns_part_together(store: StageStore, tmp_path: Path) -> None:
    left = pa.table({"p": ["x", "x", None, "y"] * 5, "k": [1, 2, 1, None] * 5, "v": list(range(20))})
    right = pa.table({"p": ["x", None, "y"], "k": [1, 1, None], "w": [1, 2, 3]})
    inputs = {"a": put_rows(store, left, part_rows=6), "b": put_rows(store, right)}
    sql = "SELECT * FROM a LEFT JOIN b ON a.p IS NOT DISTINCT FROM b.p AND a.k IS NOT DISTINCT FROM b.k"
    sql = sql.replace("*", "a.p, a.k, v, w")
    found = run_everywhere(store, inputs, sql=sql, key=["p", "k"], scratch=tmp_path, num_partitions=(None, 4))
    assert found.num_rows == 20
    assert found.column("w").null_count == 5
