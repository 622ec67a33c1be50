"""Why rows left, in few groups."""

from __future__ import annotations

import pyarrow as pa

from headrace.curation.drop_groups import group_drops, group_failures
from headrace.curation.stage_result import DROPPED_SCHEMA, FAILED_SCHEMA

Row = tuple[str, str | None, str | None, str | None]


def parts(rows: list[Row], *, cut: int = 2) -> list[pa.Table]:
    table = pa.table(
        [[str(idx) for idx in range(len(rows))], *(list(column) for column in zip(*rows, strict=True))],
        schema=DROPPED_SCHEMA,
    )
    return [table.slice(start, cut) for start in range(0, len(rows), cut)]


def shown(rows: list[Row], *, cut: int = 2) -> list[tuple[str, str | None, int]]:
    return [(group.reason, group.threshold, group.num_rows) for group in group_drops(parts(rows, cut=cut))[0]]


def test_rows_are_grouped_by_reason_and_threshold() -> None:
    small: Row = ("verify", "too small", "3", "64")
    rows: list[Row] = [small, small, small, ("verify", "too small", "9", "70")]
    assert shown(rows) == [("too small", "64", 3), ("too small", "70", 1)]
    assert shown([("f", "x2 is null", None, "1")] * 3) == [("x2 is null", "1", 3)]


def test_ids_in_reasons_make_no_groups() -> None:
    rows: list[Row] = [("exact", f"duplicate of 1:größe/{idx}.jpg", None, None) for idx in range(5)]
    assert shown(rows) == [("duplicate of …", None, 5)]
    words: list[Row] = [
        ("exact", f"duplicate of {chr(97 + idx % 26)}{chr(97 + idx // 26)}", None, None) for idx in range(600)
    ]
    assert shown(words, cut=100) == [("duplicate of …", None, 600)]


def test_thresholds_that_differ_from_row_to_row_are_left_out() -> None:
    rows: list[Row] = [("op", "too long", "9", str(idx)) for idx in range(700)]
    assert shown(rows, cut=300) == [("too long", None, 700)]


def test_measured_numbers_know_their_side() -> None:
    rows: list[Row] = [
        ("verify", "too small", "3", "64"),
        ("verify", "too small", "1e1", "64"),
        ("verify", "more pixels than max", "1,234,567", "1,000,000"),
        ("verify", "odd", "word", "64"),
        ("verify", "none", None, None),
    ]
    _, measured = group_drops(parts(rows))
    assert [(drops.reason, drops.threshold, drops.is_below) for drops in measured] == [
        ("too small", 64.0, True),
        ("more pixels than max", 1e6, False),
    ]


def test_failures_by_class_and_nothing() -> None:
    failed = pa.table([["a", "b", "c"], ["op"] * 3, ["E", "F", "E"], ["m"] * 3, [1, 1, 2]], schema=FAILED_SCHEMA)
    assert [(group.error_class, group.num_rows) for group in group_failures([failed, failed])] == [("E", 4), ("F", 2)]
    assert group_drops([DROPPED_SCHEMA.empty_table()]) == ((), ())
    assert group_failures([FAILED_SCHEMA.empty_table()]) == ()
