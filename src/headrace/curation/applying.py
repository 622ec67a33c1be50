"""One operator on one row, one batch or one table, with what it gave checked against what it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headrace.curation.media import Media
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.results import Drop, OperatorUnusable, Replace
from headrace.errors import InvalidInput, MissingExtra
from headrace.schema.near_misses import near_miss_or_known

__all__ = [
    "DROPPED",
    "DROPPED_THRESHOLD",
    "DROPPED_VALUE",
    "FAILED_ROWS",
    "BatchResult",
    "RowResult",
    "apply_to_batch",
    "apply_to_row",
    "apply_to_table",
    "output_array",
]

DROPPED = "_dropped"
"""Column of a table operator's result: why a row leaves, null where it stays."""

DROPPED_VALUE = "_dropped_value"
"""What was measured of a row that leaves; a table operator may give it, as it may the next one."""

DROPPED_THRESHOLD = "_dropped_threshold"
"""What it was held against."""

FAILED_ROWS = "_failed"
"""What a batch operator may give: why a row cannot be worked on, null where it can."""

_RECORD = (DROPPED, DROPPED_VALUE, DROPPED_THRESHOLD)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row: values and new media, or one of the two others."""

    values: Mapping[str, object] = field(default_factory=dict)
    replaced: Mapping[str, bytes] = field(default_factory=dict)
    dropped: Drop | None = None
    failed: InvalidInput | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: each [num_rows]; `failed` is None where all rows were worked on."""

    values: Mapping[str, pa.Array]
    failed: list[str | None] | None = None


def apply_to_row(spec: OperatorSpec, arguments: Mapping[str, object], settings: Mapping[str, object]) -> RowResult:
    """Call a sample operator. Where an input is null nothing is measured: all outputs are null.

    Args:
        arguments: A value for each name in `spec.inputs`; `Media` for media.
        settings: From `spec.bind`.

    Raises:
        MissingExtra: A library is not installed, which is no fault of the row.
        OperatorUnusable: The operator can work on no row.
        TypeError: The operator gave something that it does not declare.
    """
    values = [arguments[name] for name in spec.inputs]
    if any(value is None for value in values):
        return RowResult(dict.fromkeys(spec.outputs))
    try:
        found = spec.function(*values, **settings)
    except (MissingExtra, OperatorUnusable):
        raise
    except InvalidInput as error:
        return RowResult(failed=error)
    if isinstance(found, Drop):
        return RowResult(dropped=found)
    return _split(spec, found)


def apply_to_batch(
    spec: OperatorSpec,
    columns: Mapping[str, pa.Array | list[Media | None]],  # each [num_rows]
    settings: Mapping[str, object],
) -> BatchResult:
    """Call a batch operator: one array for each output.

    Raises:
        InvalidInput: A row cannot be worked on; which one is found by halving.
        OperatorUnusable: The operator can work on no row.
        TypeError: The operator gave something that it does not declare.
    """
    arrays = [columns[name] for name in spec.inputs]
    num_rows = len(arrays[0])
    found = spec.function(*arrays, **settings)
    failed: list[str | None] | None = None
    if isinstance(found, Mapping) and FAILED_ROWS in found:
        failed = pa.array(found[FAILED_ROWS], pa.string()).to_pylist()
        if len(failed) != num_rows:
            raise TypeError(f"operator {spec.name} gave {len(failed):,} values of {FAILED_ROWS} for {num_rows:,} rows")
        found = {name: value for name, value in found.items() if name != FAILED_ROWS}
    values = _named(spec, found)
    return BatchResult(
        {name: output_array(spec, name, values[name], num_rows=num_rows) for name in spec.outputs}, failed
    )


def apply_to_table(spec: OperatorSpec, table: pa.Table, settings: Mapping[str, object]) -> pa.Table:
    """Call a table operator: its outputs, `_dropped` and what else it says of rows that leave, as many as came in.

    Raises:
        InvalidInput: A column is missing, or the rows cannot be worked on.
        TypeError: The operator gave something that it does not declare.
    """
    spec.columns_read(settings, table.schema)
    found = spec.function(table, **settings)
    if not isinstance(found, pa.Table):
        raise TypeError(f"operator {spec.name} gave {type(found).__name__}; expected a pyarrow.Table")
    given = {name: found.column(name) for name in found.column_names if name not in _RECORD}
    _check_names(spec, given)
    arrays = {name: output_array(spec, name, given[name], num_rows=table.num_rows) for name in spec.outputs}
    record = {name: found.column(name).cast(pa.string()) for name in _RECORD[1:] if name in found.column_names}
    dropped = found.column(DROPPED) if DROPPED in found.column_names else pa.nulls(table.num_rows, pa.string())
    return pa.table({**arrays, DROPPED: dropped, **record})


def output_array(spec: OperatorSpec, name: str, values: Any, *, num_rows: int) -> pa.Array | pa.ChunkedArray:
    """Values of one output in its declared type, [num_rows].

    Raises:
        TypeError: They do not fit it, or are too few or many.
    """
    wanted = spec.outputs[name]
    try:
        array = values.cast(wanted) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, wanted)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise TypeError(f"operator {spec.name} declares {name} as {wanted} and gave something else: {error}") from error
    if len(array) != num_rows:
        raise TypeError(f"operator {spec.name} gave {len(array):,} values of {name} for {num_rows:,} rows")
    return array


def _split(spec: OperatorSpec, found: object) -> RowResult:
    """Values apart from new media."""
    if isinstance(found, Replace):
        found = {found.column: found}
    if not spec.replaces:
        return RowResult(_named(spec, found))
    if not isinstance(found, Mapping):
        raise TypeError(f"operator {spec.name} gave {type(found).__name__}; expected a dict with Replace")
    replaced = {value.column: value.data for value in found.values() if isinstance(value, Replace)}
    values = {name: value for name, value in found.items() if not isinstance(value, Replace)}
    if set(replaced) - set(spec.replaces):
        raise TypeError(f"operator {spec.name} replaces {sorted(replaced)}, and declares {sorted(spec.replaces)}")
    _check_names(spec, values)
    return RowResult(values, replaced)


def _named(spec: OperatorSpec, found: object) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        if len(spec.outputs) == 1:
            return {next(iter(spec.outputs)): found}
        if found is None and not spec.outputs:
            return {}
        wanted = ", ".join(spec.outputs) or "nothing"
        raise TypeError(f"operator {spec.name} gave {type(found).__name__}; expected a dict with {wanted}")
    _check_names(spec, found)
    return found


def _check_names(spec: OperatorSpec, found: Mapping[str, object]) -> None:
    unknown = [name for name in found if name not in spec.outputs]
    if unknown:
        hint = near_miss_or_known(unknown[0], spec.outputs)
        raise TypeError(f"operator {spec.name} gave {unknown[0]!r}, which it does not declare.{hint}")
    missing = [name for name in spec.outputs if name not in found]
    if missing:
        raise TypeError(f"operator {spec.name} declares {missing[0]!r} and did not give it")
