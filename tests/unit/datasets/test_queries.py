"""Queries: one SELECT over the given tables, and no way to anything else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.datasets.queries import QueryLimits, check_query, run_query
from headrace.datasets.sql_connection import open_locked_connection
from headrace.errors import InvalidInput

TABLE = pa.table({"a": range(10), "b": ["x", "y"] * 5, "l": [["p", "q"]] * 10})
OTHER = pa.table({"a": [1, 2], "name": ["one", "two"]})


def rows(sql: str, **tables: pa.Table) -> list[dict[str, object]]:
    found: list[dict[str, object]] = run_query(sql, tables or {"snapshot": TABLE}).to_pylist()
    return found


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT b, count(*) AS n, sum(a) AS s FROM snapshot GROUP BY b ORDER BY b",
         [{"b": "x", "n": 5, "s": 20}, {"b": "y", "n": 5, "s": 25}]),
        ("SELECT a FROM Snapshot WHERE a > 7 ORDER BY a DESC;", [{"a": 9}, {"a": 8}]),
        ("FROM snapshot SELECT a LIMIT 1 -- the first", [{"a": 0}]),
        ("SELECT /* c */ max(a) AS m FROM snapshot", [{"m": 9}]),
        ("WITH s AS (SELECT a FROM snapshot WHERE a < 2), t AS (SELECT a + 1 AS c FROM s) SELECT c FROM t ORDER BY c",
         [{"c": 1}, {"c": 2}]),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT sum(n) AS s FROM r",
         [{"s": 6}]),
        ("SELECT a FROM snapshot s WHERE a = (SELECT max(a) FROM snapshot t WHERE t.b = s.b) ORDER BY a",
         [{"a": 8}, {"a": 9}]),
        ("SELECT count(*) AS n FROM snapshot JOIN snapshot AS o USING (a)", [{"n": 10}]),
        ("SELECT u FROM snapshot, unnest(l) AS x(u) WHERE a = 0 ORDER BY u", [{"u": "p"}, {"u": "q"}]),
        ("SELECT unnest(l) AS u FROM snapshot WHERE a = 0", [{"u": "p"}, {"u": "q"}]),
        ("SELECT range AS r FROM range(2) UNION ALL SELECT 7 ORDER BY r", [{"r": 0}, {"r": 1}, {"r": 7}]),
        ("VALUES (1)", [{"col0": 1}]),
        ("SELECT a, row_number() OVER (PARTITION BY b ORDER BY a DESC) AS r FROM snapshot QUALIFY r = 1 ORDER BY a",
         [{"a": 8, "r": 1}, {"a": 9, "r": 1}]),
        ("SELECT * EXCLUDE (l, b) FROM snapshot ORDER BY ALL LIMIT 1", [{"a": 0}]),
        ("SELECT COLUMNS('^a$') FROM snapshot WHERE a = 3", [{"a": 3}]),
        ("SELECT * FROM (SELECT a, b FROM snapshot WHERE a < 2) PIVOT (sum(a) FOR b IN ('x', 'y'))",
         [{"x": 0, "y": 1}]),
        ("SELECT random() < 2 AS r, now() IS NOT NULL AS n", [{"r": True, "n": True}]),
    ],
)  # fmt: skip
def test_query_gives_the_rows(sql: str, expected: list[dict[str, object]]) -> None:
    assert rows(sql) == expected


def test_query_joins_several_tables() -> None:
    sql = "SELECT name FROM snapshot JOIN other USING (a) ORDER BY name"
    assert rows(sql, snapshot=TABLE, other=OTHER) == [{"name": "one"}, {"name": "two"}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a) AS s FROM t",
        "WITH x AS (FROM t) SELECT sum(x.a) AS s FROM x JOIN x y USING (a)",
        "SELECT sum(t.a) AS s FROM t JOIN t AS u USING (a)",
    ],
)
def test_query_reads_a_reader_whole(sql: str) -> None:
    """A reader can be read once; a query that names it twice still sees all rows."""
    reader = pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=3))
    assert run_query(sql, {"t": reader}).to_pylist() == [{"s": 45}]


def test_query_sum_of_integers_is_an_integer() -> None:
    assert run_query("SELECT sum(a) AS s FROM t", {"t": TABLE}).schema.field("s").type == pa.int64()


def test_query_reads_types_that_the_engine_lacks() -> None:
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    table = pa.table({"h": pa.array([1.5], pa.float16()), "u": union, "d": pa.array([None], pa.decimal256(60, 2))})
    assert run_query("SELECT h, d FROM t", {"t": table}).to_pylist() == [{"h": 1.5, "d": None}]
    with pytest.raises(InvalidInput, match="left out: u"):
        run_query("SELECT u FROM t", {"t": table})


def test_query_keeps_to_its_limits() -> None:
    with pytest.raises(InvalidInput, match="more than 10 rows; add LIMIT"):
        run_query("SELECT * FROM range(1000)", {}, limits=QueryLimits(rows=10))
    with pytest.raises(InvalidInput, match="more than 1,000 bytes"):
        run_query("SELECT * FROM range(1000)", {}, limits=QueryLimits(result_bytes=1000))
    endless = "SELECT count(*) FROM range(10000000) r, range(10000000) s WHERE r.range * s.range % 7 = 3"
    with pytest.raises(InvalidInput, match=r"more than 0\.2 s and was stopped"):
        run_query(endless, {}, limits=QueryLimits(timeout_seconds=0.2))
    rest = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    with pytest.raises(InvalidInput, match="stopped"):
        run_query(rest, {}, limits=QueryLimits(timeout_seconds=0.2))
    with pytest.raises(InvalidInput, match="bytes of memory"):
        run_query("SELECT list(range) FROM range(50000000)", {}, limits=QueryLimits(memory_bytes=64 << 20))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT aa FROM snapshot", 'at character 8: Referenced column "aa" not found'),
        ("SELECT * FROM snapshott", "at character 15: there is no table \"snapshott\". Did you mean 'snapshot'?"),
        ("SELECT 'ü', * FROM nothing", "at character 20: there is no table"),
        ("SELECT FROM", "syntax error"),
        ("SELECT lenn(b) FROM snapshot", "Did you mean 'len'?"),
        ("SELECT b::INT FROM snapshot", "Could not convert"),
        ("", "empty"),
        ("SELECT 1" + " " * 70_000, "at most 65,536"),
        ("SELECT " + "(" * 300 + "1" + ")" * 300, "nested more than"),
        ("SELECT 1; SELECT 2", "expected one statement, found 2"),
        ("DELETE FROM snapshot", "only one SELECT"),
    ],
)
def test_query_says_what_is_wrong_and_where(sql: str, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        rows(sql)
    assert str(error.value).startswith("query")
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["a b", "1a", "x;y", '"', "", "a.b"])
def test_query_refuses_odd_table_names(name: str) -> None:
    with pytest.raises(InvalidInput, match="table name"):
        run_query("SELECT 1", {name: TABLE})


def test_query_refuses_tables_that_differ_in_case_only() -> None:
    with pytest.raises(InvalidInput, match="more than case"):
        run_query("SELECT 1", {"t": TABLE, "T": TABLE})


def test_query_does_not_see_python_variables() -> None:
    hidden = TABLE
    with pytest.raises(InvalidInput, match="no table"):
        run_query("SELECT * FROM hidden", {"snapshot": hidden})


ATTACKS = [
    # files
    "SELECT * FROM '{canary}'",
    'SELECT * FROM "{canary}"',
    "FROM '{folder}/*.csv'",
    "SELECT * FROM read_csv('{canary}')",
    "SELECT * FROM read_csv_auto('{canary}')",
    "SELECT * FROM read_text('{canary}')",
    "SELECT * FROM read_blob('{canary}')",
    "SELECT * FROM read_json('{canary}')",
    "SELECT * FROM read_json_objects('{canary}')",
    "SELECT * FROM read_ndjson('{canary}')",
    "SELECT * FROM read_parquet('{canary}')",
    "SELECT * FROM parquet_scan('{canary}')",
    "SELECT * FROM parquet_metadata('{canary}')",
    "SELECT * FROM parquet_schema('{canary}')",
    "SELECT * FROM read_duckdb('{canary}')",
    "SELECT * FROM sniff_csv('{canary}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT (SELECT content FROM read_text('{canary}'))",
    "WITH x AS (SELECT * FROM read_text('{canary}')) SELECT * FROM x",
    "WITH x AS MATERIALIZED (FROM '{canary}') FROM x",
    "SELECT 1 WHERE EXISTS (SELECT * FROM read_text('{canary}'))",
    "SELECT * FROM snapshot LIMIT (SELECT count(*) FROM read_text('{canary}'))",
    "SELECT * FROM snapshot ORDER BY (SELECT content FROM read_text('{canary}'))",
    "SELECT * FROM snapshot JOIN LATERAL (SELECT * FROM read_text('{canary}')) x ON TRUE",
    "SELECT 1 UNION ALL SELECT content FROM read_text('{canary}')",
    "SELECT * FROM query('SELECT * FROM read_text(''{canary}'')')",
    "SELECT * FROM query_table('{canary}')",
    "SELECT * FROM query_table(['snapshot'])",
    "SELECT json_serialize_plan('SELECT * FROM read_csv(''{canary}'')')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{canary}'')'))",
    "SELECT * FROM (PIVOT (FROM '{canary}') ON a)",
    "SELECT * FROM (FROM '{canary}') UNPIVOT (a FOR b IN (c))",
    "SELECT sum(a) OVER (ORDER BY (SELECT content FROM read_text('{canary}'))) FROM snapshot",
    "SELECT list_transform([1], lambda x: (SELECT content FROM read_text('{canary}')))",
    "VALUES ((SELECT content FROM read_text('{canary}')))",
    "SELECT * FROM snapshot TABLESAMPLE 10% (bernoulli), '{canary}'",
    # writing
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY snapshot FROM '{canary}'",
    "COPY snapshot TO '{folder}/out.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/out.db' AS other",
    "ATTACH '{canary}' (TYPE sqlite)",
    "DETACH memory",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT * FROM '{canary}'",
    "CREATE MACRO m() AS TABLE SELECT * FROM '{canary}'",
    "CREATE SECRET s (TYPE s3)",
    "CREATE SEQUENCE s",
    "CREATE TYPE e AS ENUM (SELECT content FROM read_text('{canary}'))",
    "INSERT INTO snapshot VALUES (1)",
    "WITH x AS (INSERT INTO snapshot VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM snapshot RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE snapshot SET a = 1 RETURNING *) SELECT * FROM x",
    "UPDATE snapshot SET a = 1",
    "DELETE FROM snapshot",
    "MERGE INTO snapshot USING snapshot AS s ON TRUE WHEN MATCHED THEN DELETE",
    "DROP VIEW snapshot",
    "TRUNCATE snapshot",
    "ALTER TABLE snapshot ADD COLUMN z INT",
    "COMMENT ON TABLE snapshot IS 'x'",
    "VACUUM",
    "CHECKPOINT",
    "ANALYZE",
    # the engine
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET VARIABLE x = (SELECT content FROM read_text('{canary}'))",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial",
    "USE memory",
    "BEGIN",
    "PREPARE q AS SELECT 1",
    "EXECUTE q",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM '{canary}'",
    "DESCRIBE SELECT * FROM '{canary}'",
    "DESCRIBE snapshot",
    "SUMMARIZE '{canary}'",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT * FROM (DESCRIBE snapshot)",
    "SELECT * FROM (SHOW TABLES)",
    "PIVOT snapshot ON b USING sum(a)",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM pragma_table_info('snapshot')",
    "SELECT * FROM which_secret('x', 's3')",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM seq_scan('snapshot')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM python_map_function(1)",
    "SELECT * FROM pandas_scan(140000000000000)",
    "SELECT * FROM repeat(1, 1000000000000)",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM system.information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM memory.main.snapshot",
    "SELECT * FROM main.snapshot",
    "SELECT * FROM temp.snapshot",
    "SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1), sqlite_master",
    "SELECT * FROM snapshot AT (VERSION => 1)",
    "SELECT current_setting('secret_directory')",
    "SELECT getvariable('x')",
    "SELECT nextval('s')",
    "SELECT write_log('x')",
    "SELECT sleep_ms(100000)",
    "SELECT pg_sleep(100)",
    "SELECT get_block_size('memory')",
    "SELECT system.main.current_setting('threads')",
    "SELECT ?",
    "SELECT $1",
    "SELECT $x",
    "SELECT 1; COPY (SELECT 1) TO '{folder}/out.csv'",
    # too large
    "SELECT repeat('a', 2000000000)",
    "SELECT repeat('a', a * 1000000000) FROM snapshot",
    "SELECT len(range(1000000000))",
    "SELECT len(generate_series(1, 1000000000))",
    "SELECT printf('%1000000000d', 1)",
    "SELECT format('{{:1000000000}}', 1)",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_query_refuses_all_but_the_given_tables(attack: str, tmp_path: Path) -> None:
    """At least 60 ways out; the canary's content never shows and nothing is written beside it."""
    canary = tmp_path / "canary.csv"
    canary.write_text("bird\nsecret\n")
    before = canary.stat()
    with pytest.raises(InvalidInput) as error:
        rows(attack.format(canary=canary, folder=tmp_path))
    assert "secret" not in str(error.value).replace("secret_directory", "").replace("duckdb_secrets", "").replace(
        "which_secret", ""
    ).replace("SECRET", "")
    assert list(tmp_path.iterdir()) == [canary]
    assert canary.stat().st_mtime_ns == before.st_mtime_ns


def test_query_engine_itself_refuses_files(tmp_path: Path) -> None:
    """The second wall: even SQL that passed the walk could read no file on this connection."""
    import duckdb

    from headrace.datasets.sql_connection import open_locked_connection

    canary = tmp_path / "canary.csv"
    canary.write_text("bird\nsecret\n")
    connection = open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=10)
    hidden = TABLE
    try:
        for sql in (
            f"SELECT * FROM read_text('{canary}')",
            f"FROM '{canary}'",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/out.db'",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SELECT * FROM hidden",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql).fetchall()
    finally:
        connection.close()
    assert list(tmp_path.iterdir()) == [canary]
    assert hidden.num_rows == 10


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM a JOIN b USING (id)", {"a", "b"}),
        ("WITH c AS (SELECT * FROM A) SELECT count(*) > 1 FROM c", {"a"}),
        ("SELECT nosuchcolumn FROM b WHERE x IN (SELECT y FROM b)", {"b"}),
        ("SELECT 1", set()),
    ],
)
def test_query_is_checked_before_its_tables_are_known(sql: str, tables: set[str]) -> None:
    with open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=10) as connection:
        assert check_query(sql, ["a", "b"], subject="sql", connection=connection) == tables


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM c", ["a"]), ("SELECT * FROM 'x.parquet'", ["a"]), ("DROP TABLE a", ["a"]), ("SELECT", ["a"]),
        ("SELECT 1; SELECT 2", ["a"]), ("SELECT * FROM read_csv('x')", ["a"]), ("SELECT getenv('A') FROM a", ["a"]),
        ("SELECT 1", ["a-b"]), ("SELECT 1", ["a", "A"]), ("SUMMARIZE a", ["a"]),
    ],
)  # fmt: skip
def test_query_that_no_tables_could_save_is_refused(sql: str, names: list[str]) -> None:
    with (
        open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=10) as connection,
        pytest.raises(InvalidInput, match=r"^sql"),
    ):
        check_query(sql, names, subject="sql", connection=connection)
