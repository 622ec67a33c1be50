"""A stage that keeps the rows for which one expression is true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.table_result import DROPPED_SCHEMA, TableResult
from headrace.datasets.filters import Filter
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["Comparison", "filter_rows", "read_comparison"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARISON = re.compile(
    rf"""\s*(?:(?P<name>[A-Za-z_]\w*)|"(?P<quoted>(?:[^"]|"")+)")\s*(?P<sign><=|>=|<>|!=|==|=|<|>)\s*"""
    rf"""(?P<threshold>{_NUMBER}|'(?:[^']|'')*'|true|false)\s*""",
    re.IGNORECASE,
)
_VALUE_LENGTH = 200  # characters of one value in a record: lists and texts may be long


@dataclass(frozen=True, slots=True)
class Comparison:
    """`blur >= 30` taken apart."""

    column: str
    sign: str
    threshold: str


def filter_rows(
    stage_store: StageStore, rows: StageRows, *, expression: str, progress: Progress = NO_PROGRESS
) -> TableResult:
    """Keep the rows for which the expression is true; null counts as false. Part by part, in bounded memory.

    A row that leaves says why: for a comparison with a constant the column's value and the constant, else the
    expression and the values of the columns that it reads.

    Raises:
        InvalidInput: Not one boolean expression over these columns, or a value that it cannot be computed of.
        DataCorrupted: A part is not what was written.
    """
    chosen = Filter.parse(expression, rows.schema)
    comparison = read_comparison(expression, chosen)
    kept = stage_store.writer(rows.schema)
    dropped = stage_store.writer(DROPPED_SCHEMA)
    progress.start("filtering", total_rows=rows.num_rows)
    for table in stage_store.tables(rows):
        mask = pa.array(chosen.mask(table))  # [num_rows]
        kept.add(table.filter(mask))
        dropped.add(_records(table.filter(pa.compute.invert(mask)), chosen, comparison))
        progress.advance(rows=table.num_rows)
    return TableResult(kept.finish(), dropped.finish(), rows.num_rows)


def read_comparison(expression: str, chosen: Filter) -> Comparison | None:
    """The parts of a comparison of one column with one constant; None for any other expression."""
    match = _COMPARISON.fullmatch(expression)
    if match is None or len(chosen.columns) != 1:
        return None
    threshold = match["threshold"]
    if threshold.startswith("'"):
        threshold = threshold[1:-1].replace("''", "'")
    return Comparison(chosen.columns[0], match["sign"], threshold)


def _records(table: pa.Table, chosen: Filter, comparison: Comparison | None) -> pa.Table:
    """One record for each row that leaves, [num_rows]."""
    if "_id" not in table.column_names:
        raise InvalidInput(
            "filter: the rows have no column _id, so it cannot be said which of them left; select it too"
        )
    num_rows = table.num_rows
    columns = {name: table.column(name).to_pylist() for name in chosen.columns}
    if comparison is not None:
        values = columns[comparison.column]
        reasons = [_comparison_reason(value, comparison) for value in values]
        shown = [_shown(value) for value in values]
        thresholds: list[str | None] = [comparison.threshold] * num_rows
    else:
        rows = [{name: values[idx] for name, values in columns.items()} for idx in range(num_rows)]
        reasons = [f"not ({chosen.expression.strip()})"] * num_rows
        shown = [_values(row) for row in rows]
        thresholds = [None] * num_rows
    arrays = [table.column("_id"), reasons, shown, thresholds]
    return pa.table(
        [each if isinstance(each, pa.ChunkedArray) else pa.array(each, pa.string()) for each in arrays],
        schema=DROPPED_SCHEMA,
    )


def _comparison_reason(value: object, comparison: Comparison) -> str:
    if value is None:
        return f"{comparison.column} is null"
    return f"{comparison.column} is not {comparison.sign} {comparison.threshold}"


def _values(row: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {_shown(value) if value is not None else 'null'}" for name, value in row.items())


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(value.get("digest"), bytes):  # media
        text = ", ".join(f"{name} {part}" for name, part in value.items() if part is not None and name != "digest")
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, bytes):
        text = value[:_VALUE_LENGTH].hex()
    else:
        text = str(value) if isinstance(value, str | int | float | Decimal) else repr(value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[: _VALUE_LENGTH - 1]}…"
