"""Everything in a SELECT that depends on the order of rows gets one."""

from __future__ import annotations

import json

import duckdb
import pytest

from headrace.curation.table_stages.total_order import append_order, order_everything
from headrace.datasets.sql_guard import SqlText
from headrace.errors import InvalidInput


def _ordered(sql: str, *, positions: list[int] | None = None) -> str:
    connection = duckdb.connect()
    tree = json.loads(connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0])
    order_everything(tree, SqlText("sql", sql), columns=["k", "v", "s", "i"])
    append_order(tree, positions or [])
    text = str(connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchall()[0][0])
    connection.execute("CREATE TABLE a (k BIGINT, v DOUBLE, s VARCHAR, i INTEGER)")
    connection.sql(text)  # it must bind
    return text


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT sum(v) FROM a", "sum(v ORDER BY v)"),
        ("SELECT count(*), min(v), max(v) FROM a", "SELECT count_star(), min(v), max(v) FROM a"),
        ("SELECT list(s ORDER BY v DESC) FROM a", "list(s ORDER BY v DESC, s)"),
        ("SELECT string_agg(s, ',') FROM a", "string_agg(s, ',' ORDER BY s)"),
        ("SELECT arg_max(s, v) FROM a", '"first"(s ORDER BY v DESC, s) FILTER'),
        ("SELECT min_by(s, v) FILTER (WHERE i > 1) FROM a", "(i > 1)"),
        ("SELECT row_number() OVER (PARTITION BY k ORDER BY v) FROM a", "ORDER BY v, a)"),
        ("SELECT rank() OVER (ORDER BY v) FROM a", "rank() OVER (ORDER BY v)"),
        ("SELECT sum(v) OVER (PARTITION BY k) FROM a", "sum(v ORDER BY v) OVER (PARTITION BY k)"),
        ("SELECT max(v) OVER (ORDER BY i ROWS 2 PRECEDING) FROM a", "ORDER BY i, a ROWS"),
        ("SELECT k, row_number() OVER (ORDER BY count(*)) FROM a GROUP BY 1", "count_star(), k)"),
        ("WITH t AS (SELECT * FROM a ORDER BY v LIMIT 3) SELECT * FROM t", "ORDER BY v, a LIMIT 3"),
        ("SELECT DISTINCT ON (k) k, s FROM a", "ORDER BY k, a"),
        ("SELECT DISTINCT k, i FROM a LIMIT 3", "ORDER BY 1, 2 LIMIT 3"),
        ("SELECT x.k FROM a AS x JOIN a AS y USING (k) LIMIT 1", "ORDER BY x, y LIMIT 1"),
    ],
)
def test_order_is_given(sql: str, wanted: str) -> None:
    assert wanted in _ordered(sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT k FROM (SELECT k FROM a) LIMIT 1", "table without a name"),
        ("SELECT k FROM a AS v LIMIT 1", "also a column's"),
        ("SELECT DISTINCT * FROM a LIMIT 1", "SELECT DISTINCT"),
        ("SELECT k, row_number() OVER () FROM a GROUP BY ALL", "GROUP BY ALL"),
        ("SELECT * FROM a USING SAMPLE 10%", "SAMPLE"),
        ("SELECT a.k FROM a ASOF JOIN a AS b ON a.k >= b.k", "ASOF"),
    ],
)
def test_what_cannot_be_ordered_is_refused(sql: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _ordered(sql)


def test_positions_go_behind_an_order_and_before_a_limit() -> None:
    assert _ordered("SELECT k, v FROM a ORDER BY v", positions=[1, 2]).endswith("ORDER BY v, 1, 2")
    assert _ordered("SELECT k, v FROM a LIMIT 2", positions=[1, 2]).endswith("ORDER BY a, 1, 2 LIMIT 2")
