"""One operator over a few rows, for notebooks and tests; no recipe, no lake, no pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.applying import (
    DROPPED,
    RowResult,
    apply_to_batch,
    apply_to_row,
    apply_to_table,
    output_array,
)
from headrace.curation.media import Media
from headrace.curation.operator import Operator
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.results import OperatorUnusable
from headrace.errors import InvalidInput, MissingExtra
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["FAILED", "run_operator"]

FAILED = "_failed"
"""Column of the result: why a row could not be worked on, null where it could."""


def run_operator(
    op: Operator[..., Any],
    rows: pa.Table | Iterable[Mapping[str, object]],
    *,
    columns: Mapping[str, str] | None = None,
    **settings: object,
) -> pa.Table:  # [num_rows]
    """What an operator gives for these rows, one row for each, in the same order.

    The result has the operator's outputs, the media columns that it replaces (as bytes), `_dropped` and `_failed`: the
    reasons, null where the row stays. Outputs of such rows are null. Rows given as dicts to a table operator get an
    `_id` from their position where they have none. Errors of the operator's own code are raised.

    Args:
        op: A function decorated with `@operator`, or one of `headrace.curation.find_operator`.
        rows: A table, or dicts. Media may be bytes, `Media`, or the path of a file.
        columns: For each input that is called otherwise in the rows: `{"image": "photo"}`.
        settings: The operator's settings.

    Raises:
        InvalidInput: An unknown setting, or one of another type; a column is missing.
        TypeError: The operator gave something that it does not declare.
    """
    bound = op.spec.bind(settings)
    spec = op.spec.with_settings(bound)
    names = {name: name for name in spec.inputs} | dict(columns or {})
    if spec.kind == "table":
        return _run_on_table(spec, rows, bound)
    given = rows.to_pylist() if isinstance(rows, pa.Table) else list(rows)
    if spec.kind == "batch":
        found = _run_on_batch(spec, rows, given, names, bound)
        called = spec.output_columns(bound)
        return found.rename_columns([called.get(name, name) for name in found.column_names])
    return _run_on_rows(spec, given, names, bound)


def _run_on_rows(
    spec: OperatorSpec, rows: Sequence[Mapping[str, object]], names: Mapping[str, str], settings: Mapping[str, object]
) -> pa.Table:
    results: list[RowResult] = []
    for row_idx, row in enumerate(rows):
        arguments = {
            name: _media(_value(row, names[name]), row_idx) if kind == "media" else _value(row, names[name])
            for name, kind in spec.inputs.items()
        }
        results.append(apply_to_row(spec, arguments, settings))
    columns = {
        name: output_array(spec, name, [result.values.get(name) for result in results], num_rows=len(results))
        for name in spec.outputs
    }
    for column in spec.replaces:
        columns[names[column]] = pa.array([result.replaced.get(column) for result in results], pa.binary())
    dropped = [None if result.dropped is None else str(result.dropped) for result in results]
    failed = [None if result.failed is None else result.failed.message for result in results]
    return pa.table({**columns, DROPPED: pa.array(dropped, pa.string()), FAILED: pa.array(failed, pa.string())})


def _run_on_batch(
    spec: OperatorSpec,
    rows: object,
    given: Sequence[Mapping[str, object]],
    names: Mapping[str, str],
    settings: Mapping[str, object],
) -> pa.Table:
    arrays: dict[str, pa.Array | list[Media | None]] = {}
    for name, kind in spec.inputs.items():
        if kind == "media":
            arrays[name] = [_media(_value(row, names[name]), row_idx) for row_idx, row in enumerate(given)]
        elif isinstance(rows, pa.Table) and names[name] in rows.column_names:
            arrays[name] = rows.column(names[name]).combine_chunks()
        else:
            arrays[name] = pa.array([_value(row, names[name]) for row in given])
    most = max(1, len(given) if spec.batch_rows is None else int(str(settings[spec.batch_rows])))
    parts = [
        _halve(spec, {name: values[start : start + most] for name, values in arrays.items()}, settings, num_rows=count)
        for start in range(0, max(len(given), 1), most)
        for count in [min(most, len(given) - start)]
    ]
    columns = {name: pa.concat_arrays([part[0][name] for part in parts]) for name in spec.outputs}
    failed = [reason for part in parts for reason in part[1]]
    return pa.table({**columns, DROPPED: pa.nulls(len(given), pa.string()), FAILED: pa.array(failed, pa.string())})


def _halve(
    spec: OperatorSpec,
    arrays: Mapping[str, pa.Array | list[Media | None]],
    settings: Mapping[str, object],
    *,
    num_rows: int,
) -> tuple[dict[str, pa.Array], list[str | None]]:
    """Outputs and reasons; a batch that fails is cut in halves until the row that did it is alone."""
    try:
        found = apply_to_batch(spec, arrays, settings)
        return dict(found.values), found.failed or [None] * num_rows
    except (MissingExtra, OperatorUnusable):
        raise
    except InvalidInput as error:
        if num_rows == 1:
            return {name: pa.nulls(1, kind) for name, kind in spec.outputs.items()}, [error.message]
        if not num_rows:
            raise
    middle = num_rows // 2
    parts = [
        _halve(spec, {name: array[start:end] for name, array in arrays.items()}, settings, num_rows=end - start)
        for start, end in ((0, middle), (middle, num_rows))
    ]
    columns = {name: pa.concat_arrays([part[0][name] for part in parts]) for name in spec.outputs}
    return columns, [reason for part in parts for reason in part[1]]


def _run_on_table(
    spec: OperatorSpec, rows: pa.Table | Iterable[Mapping[str, object]], settings: Mapping[str, object]
) -> pa.Table:
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    if not isinstance(rows, pa.Table) and "_id" not in table.column_names:
        ids = [f"{row_idx:09d}" for row_idx in range(table.num_rows)]
        table = table.append_column("_id", pa.array(ids, pa.string()))
    found = apply_to_table(spec, table, settings)
    return found.append_column(FAILED, pa.nulls(table.num_rows, pa.string()))


def _value(row: Mapping[str, object], column: str) -> object:
    if column not in row:
        raise InvalidInput(f"the rows have no column {column!r}.{near_miss_or_known(column, row)}")
    return row[column]


def _media(value: object, row_idx: int) -> Media | None:
    if value is None or isinstance(value, Media):
        return value
    if isinstance(value, str | Path):
        return Media(Path(value).read_bytes(), str(value))
    if isinstance(value, bytes):
        return Media(value, f"row {row_idx}")
    raise InvalidInput(f"row {row_idx}: media is {type(value).__name__}; expected bytes, Media or a path")
