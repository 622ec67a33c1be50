"""Filters: what may be said in them, what they keep, and how they refuse."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.datasets.columns import media_field
from headrace.datasets.filters import Filter, check_expression
from headrace.datasets.sql_connection import open_locked_connection
from headrace.errors import InvalidInput

MEDIA = pa.struct([("size", pa.int64()), ("format", pa.string()), ("width", pa.int32()), ("digest", pa.binary(32))])
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("label", pa.string()),
        ("n", pa.int64()),
        ("half", pa.float16()),
        ("image", MEDIA),
        ("time", pa.timestamp("us", tz="UTC")),
        ("document", pa.string()),
        ("vector", pa.list_(pa.float32(), 2)),
        ("counts", pa.map_(pa.string(), pa.int32())),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("Größe", pa.int32()),
    ]
)


def narrow_rows(num_rows: int = 10) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "text": f"abc{idx}" if idx % 3 else None,
                "labels": ["a", "oos"] if idx % 2 else [],
                "label": "cat" if idx % 2 else None,
                "n": idx,
                "half": np.float16(idx / 2),
                "image": None
                if idx % 5 == 0
                else {"size": 1, "format": "jpeg", "width": idx * 50, "digest": b"0" * 32},
                "time": None,
                "document": '{"a": "x"}',
                "vector": [1.0, 2.0],
                "counts": [("a", 1)],
                "kind": "x",
                "Größe": idx,
            }
            for idx in range(num_rows)
        ],
        schema=SCHEMA,
    )


def kept(expression: str, table: pa.Table | None = None) -> list[int]:
    rows = narrow_rows() if table is None else table
    mask = Filter.parse(expression, rows.schema).mask(rows)
    assert mask.dtype == np.bool_
    assert mask.shape == (rows.num_rows,)
    return [int(idx) for idx in np.flatnonzero(mask)]


@pytest.mark.parametrize(
    ("expression", "expected", "columns"),
    [
        ("label = 'cat'", [1, 3, 5, 7, 9], ("label",)),
        ("LABEL = 'cat'", [1, 3, 5, 7, 9], ("label",)),
        ('"label" IS NOT NULL', [1, 3, 5, 7, 9], ("label",)),
        ("label <> 'cat'", [], ("label",)),
        ("label IS DISTINCT FROM 'cat'", [0, 2, 4, 6, 8], ("label",)),
        ("image.width >= 256", [6, 7, 8, 9], ("image",)),
        ("(image).width >= 256 AND image['format'] = 'jpeg'", [6, 7, 8, 9], ("image",)),
        ("image IS NULL", [0, 5], ("image",)),
        ("list_contains(labels, 'oos')", [1, 3, 5, 7, 9], ("labels",)),
        ("'oos' IN labels AND n > 4", [5, 7, 9], ("labels", "n")),
        ("labels[1] = 'a'", [1, 3, 5, 7, 9], ("labels",)),
        ("len(list_filter(labels, lambda x: x <> 'a')) = 1", [1, 3, 5, 7, 9], ("labels",)),
        ("list_contains([x || '!' FOR x IN labels IF x <> 'a'], 'oos!')", [1, 3, 5, 7, 9], ("labels",)),
        ("list_sum([n, 1]) = 3", [2], ("n",)),
        ("len(text) > 3", [1, 2, 4, 5, 7, 8], ("text",)),
        ("text ~ '.*[12]'", [1, 2], ("text",)),
        ("regexp_matches(text, '[12]$')", [1, 2], ("text",)),
        ("text LIKE 'abc%' AND text NOT LIKE '%1'", [2, 4, 5, 7, 8], ("text",)),
        ("text = 'a;b' OR text = 'x--y' OR text = '/* z */' OR n = 2", [2], ("n", "text")),
        ("n BETWEEN 2 AND 3 OR n IN (5, 6)", [2, 3, 5, 6], ("n",)),
        ("NOT (n % 2 = 0)", [1, 3, 5, 7, 9], ("n",)),
        ("CASE WHEN n > 7 THEN TRUE END", [8, 9], ("n",)),
        ("half > 3.9", [8, 9], ("half",)),
        ("time > TIMESTAMPTZ '2020-01-01'", [], ("time",)),
        ("document->>'$.a' = 'x' AND n = 1", [1], ("document", "n")),
        ("vector[2] = 2 AND counts['a'] = 1 AND kind = 'x' AND n < 1", [0], ("counts", "kind", "n", "vector")),
        ("TRY_CAST(text AS INT) IS NULL AND n = 0", [0], ("n", "text")),
        ("Größe = 3", [3], ("Größe",)),
        ("TRUE", list(range(10)), ()),
        ("1 > 2", [], ()),
        ("label COLLATE NOCASE = 'CAT'", [1, 3, 5, 7, 9], ("label",)),
        ("n = 4\n", [4], ("n",)),
    ],
)
def test_filter_keeps_the_rows_where_the_expression_is_true(
    expression: str, expected: list[int], columns: tuple[str, ...]
) -> None:
    table = narrow_rows()
    condition = Filter.parse(expression, SCHEMA)
    assert condition.expression == expression
    assert condition.columns == columns
    assert np.flatnonzero(condition.mask(table)).tolist() == expected


def test_filter_needs_only_its_columns_and_accepts_no_rows() -> None:
    condition = Filter.parse("n > 2", SCHEMA)
    assert condition.mask(narrow_rows(4).select(["n"])).tolist() == [False, False, False, True]
    assert condition.mask(narrow_rows(0)).shape == (0,)
    with pytest.raises(InvalidInput, match='no column "n"'):
        condition.mask(narrow_rows().drop_columns(["n"]))


def test_filter_keeps_row_order_over_many_chunks() -> None:
    numbers = np.random.default_rng(3).integers(0, 1000, 300_000)
    table = pa.concat_tables([pa.table({"n": part}) for part in np.array_split(numbers, 37)])
    mask = Filter.parse("n % 7 = 3 AND n > 100", table.schema).mask(table)
    np.testing.assert_array_equal(mask, (numbers % 7 == 3) & (numbers > 100))


def test_filter_sees_media_columns_as_structs() -> None:
    schema = pa.schema([media_field("image", "image")])
    assert Filter.parse("image.width > 3 AND image.duration IS NULL", schema).columns == ("image",)


def test_filter_survives_pickling_and_threads() -> None:
    condition = pickle.loads(pickle.dumps(Filter.parse("n % 2 = 0", SCHEMA)))
    wrong: list[int] = []

    def look(start: int) -> None:
        for step in range(5):
            numbers = np.arange(start + step, start + step + 1000)
            if not np.array_equal(condition.mask(pa.table({"n": numbers})), numbers % 2 == 0):
                wrong.append(start)

    threads = [threading.Thread(target=look, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert condition == Filter.parse("n % 2 = 0", SCHEMA)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("lable = 'cat'", "at character 1: unknown column \"lable\". Did you mean 'label'?"),
        ("'ü' = label AND lable = 'a'", "at character 17: unknown column \"lable\". Did you mean 'label'?"),
        ("n > 1 AND image.widht > 3", 'at character 11: "image" has no field "widht". Did you mean \'width\'?'),
        ("label.x = 1", '"label" is of type string and has no field "x"'),
        ("zzz = 1", 'unknown column "zzz". There are'),
        ("n", "gives BIGINT, and BOOLEAN is needed"),
        ("NULL", "BOOLEAN is needed"),
        ("label = ", "at character 9: the expression ends too early"),
        ("(label = 'a'", "at character 1: this parenthesis is never closed"),
        ("label = 'a')", "at character 12: this parenthesis closes nothing"),
        ("label = 'a", "unterminated"),
        ("n > 'x'", "Could not convert"),
        ("text::INT > 3", "use TRY_CAST"),
        ("lenn(text) > 1", "lenn() does not exist. Did you mean 'len'?"),
        ("len(n) > 1", "No function matches"),
        ("text ~ '('", "missing )"),
        ("list_filter(labels, x -> x = 'a') = []", "write lambda x: ... instead"),
        ("label = 'a' COLLATE de", "collation 'de' is not allowed"),
        ("label = 'a'::nosuchtype", "nosuchtype"),
        ("", "empty"),
        (" \n ", "empty"),
        ("n = 1\x00", "control character U+0000"),
        ("n = 1\x1b", "control character"),
        ("label = '\ud800'", "not valid Unicode at character 10"),
        ("n = " + "1" * 70_000, "70,004 bytes and at most 65,536"),
        ("(" * 300 + "TRUE" + ")" * 300, "nested more than 200 deep"),
        ("NOT " * 500 + "TRUE", "nested more than 200 deep"),
    ],
)
def test_filter_says_what_is_wrong_and_where(expression: str, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        kept(expression)
    assert str(error.value).startswith("where")
    assert message in str(error.value)


ATTACKS = [
    # leaving the place of the expression
    "TRUE; DROP TABLE _headrace_rows",
    "TRUE;",
    "TRUE) FROM read_text('{canary}') WHERE (TRUE",
    "TRUE), (FALSE",
    "n = 1 -- ",
    "n = 1 /* ",
    "n /* x */ = 1",
    "n = 1 UNION SELECT TRUE",
    "n = 1 LIMIT 3",
    "n = 1 ORDER BY 1",
    "n = 1 AS x",
    "TRUE FROM _headrace_rows",
    "TRUE WHERE TRUE",
    "DISTINCT n = 1",
    "n = 1 INTO x",
    # reading more than the row
    "label = (SELECT content FROM read_text('{canary}'))",
    "EXISTS (SELECT 1 FROM read_csv('{canary}'))",
    "EXISTS (FROM _headrace_rows)",
    "n = ANY (SELECT 1)",
    "n IN (SELECT n FROM _headrace_rows)",
    "label = ANY(labels)",
    "read_text('{canary}') = ''",
    "read_blob('{canary}') IS NULL",
    "glob('{canary}') IS NULL",
    "sniff_csv('{canary}') IS NULL",
    "_headrace_rows IS NULL",
    "_headrace_rows.n = 1",
    "rowid = 1",
    "* = 1",
    "COLUMNS('n') = 1",
    "COLUMNS(*) = 1",
    "#1 = 1",
    "$1",
    "?",
    "$name",
    "n = $1",
    "DEFAULT",
    "count(*) > 1",
    "sum(n) > 1",
    "max(n) FILTER (n > 1) > 0",
    "row_number() OVER () > 1",
    "sum(n) OVER (ORDER BY n) > 1",
    "GROUPING(n) = 1",
    "unnest(labels) = 'a'",
    "regexp_split_to_table(text, 'a') = 'b'",
    # not the same each time
    "random() > 0.5",
    "uuid()::VARCHAR > 'a'",
    "gen_random_uuid() IS NULL",
    "now() > time",
    "today() > DATE '2020-01-01'",
    "current_timestamp > time",
    "current_date > DATE '2020-01-01'",
    "localtimestamp > time",
    "current_localtimestamp() > TIMESTAMP '2020-01-01'",
    "get_current_timestamp() > time",
    "age(time) > INTERVAL 1 DAY",
    "ago(INTERVAL 1 DAY) > time",
    "transaction_timestamp() > time",
    "nextval('s') = 1",
    "currval('s') = 1",
    "setseed(0.5) IS NULL",
    "list_aggregate(labels, 'reservoir_quantile') = 'a'",
    "list_aggregate(labels, text) = 'a'",
    "list_transform([1], lambda x: random())[1] > 0.5",
    "hash(n) = 1",
    "version() = 'x'",
    "txid_current() = 1",
    # the engine's state
    "getvariable('a') = 1",
    "setval('s', 1) = 1",
    "current_setting('threads') = '1'",
    "current_user = 'x'",
    "current_schema() = 'main'",
    "current_database() = 'memory'",
    "in_search_path('a', 'b')",
    "pg_typeof(n) = 'x'",
    "json_serialize_sql('SELECT 1') IS NULL",
    "json_serialize_plan('SELECT * FROM read_csv(''{canary}'')') IS NULL",
    "json_execute_serialized_sql('x') IS NULL",
    "write_log('x') IS NULL",
    "sleep_ms(100000) IS NULL",
    "pg_sleep(100) IS NULL",
    "error('x')",
    "system.main.abs(n) = 1",
    "main.abs(n) = 1",
    "text.len() = 1",
    # too large
    "repeat('a', 2000000000) = ''",
    "repeat(repeat('a', 100000), 100000) = ''",
    "repeat('a', n) = ''",
    "len(range(1000000000)) = 1",
    "lpad('a', 1000000000, 'b') = 'a'",
    "len(list_resize([1], 1000000000)) = 1",
    "format('{{:1000000000}}', n) = 'a'",
    "printf('%1000000000d', n) = 'a'",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_filter_refuses_what_reaches_beyond_its_row(attack: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary.csv"
    canary.write_text("tweet\nsecret\n")
    with pytest.raises(InvalidInput) as error:
        Filter.parse(attack.format(canary=canary) if "{" in attack else attack, SCHEMA)
    assert "secret" not in str(error.value)
    assert str(error.value).startswith("where")


def test_filter_takes_only_text() -> None:
    with pytest.raises(InvalidInput, match="expected SQL text, got int"):
        Filter.parse(5, SCHEMA)  # type: ignore[arg-type]


def test_filter_names_a_column_whose_name_differs_in_case_only() -> None:
    schema = pa.schema([("a", pa.int64()), ("A", pa.int64()), ("b", pa.int64())])
    table = pa.table({"a": [1], "A": [2], "b": [3]})
    assert Filter.parse("A = 2", schema).mask(table).tolist() == [True]
    assert Filter.parse("a = 1 AND b = 3", schema).mask(table).tolist() == [True]
    with pytest.raises(InvalidInput, match="ambiguous"):
        Filter.parse("a = 1 AND A = 2", schema)


def test_filter_refuses_a_column_it_cannot_read() -> None:
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    with pytest.raises(InvalidInput, match="cannot be filtered on"):
        Filter.parse("u IS NULL", pa.schema([("u", union.type)]))
    assert Filter.parse("n = 1", pa.schema([("u", union.type), ("n", pa.int64())])).columns == ("n",)


def test_filter_accepts_a_long_list_of_values() -> None:
    values = ", ".join(f"'{idx:07d}'" for idx in range(4000))
    assert kept(f"label IN ({values}) OR n = 3") == [3]


@pytest.mark.parametrize("name", ["headrace_rows", "headrace_keep", "HEADRACE_ROWS_filler", "duckdb_tables"])
def test_column_with_a_name_like_our_own_can_be_filtered_on(name: str) -> None:
    table = pa.table({name: [1, 2, 3]})
    condition = Filter.parse(f"{name} > 1", table.schema)
    assert condition.mask(table).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("blur >= 30.0", ("blur",)),
        ("image.width > 3 AND lower(label) = 'a'", ("image", "label")),
        ("len(list_filter(labels, lambda x: x = y)) > 0", ("labels", "y")),
        ("document -> 'a' = 'b'", ("document",)),
        ("TRUE", ()),
    ],
)
def test_expression_is_checked_before_its_columns_are_known(expression: str, columns: tuple[str, ...]) -> None:
    with open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=10) as connection:
        assert check_expression(expression, subject="filter", connection=connection) == columns


@pytest.mark.parametrize(
    "expression",
    ["blur >=", "random() < 0.5", "x IN (SELECT 1)", "sum(x) > 1", "x > 1; y", "read_text('a') = 'b'", "", "x > ?",
     "row_number() OVER () = 1", "x) OR (y", "nosuch(x)", "age(x) > INTERVAL 1 DAY", "x -- y"],
)  # fmt: skip
def test_expression_that_no_columns_could_save_is_refused(expression: str) -> None:
    with (
        open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=10) as connection,
        pytest.raises(InvalidInput, match=r"^filter"),
    ):
        check_expression(expression, subject="filter", connection=connection)
