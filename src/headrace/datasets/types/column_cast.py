"""Casting a column to its declared type and finding the rows where that fails."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.types.carried_columns import array_of

__all__ = ["cast_column"]

_ARROW_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)
_SHOWN_CHARACTERS = 60


def cast_column(
    values: pa.Array | pa.ChunkedArray, target: pa.DataType, *, empty_is_null: bool
) -> tuple[pa.Array, dict[int, str]]:
    """The column in its type, null where a value does not fit, and the reasons by row.

    Only casts that lose nothing are made: 2.0 becomes 2, 2.5 is refused.

    Args:
        empty_is_null: "" counts as null unless the target is text or binary; for CSV, which has no other null.
    """
    values = array_of(values)
    if values.type == target:
        return values, {}
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if is_text and empty_is_null and not (pa.types.is_string(target) or pa.types.is_large_binary(target)):
        values = pc.if_else(pc.equal(values, pa.scalar("", values.type)), pa.scalar(None, values.type), values)
    reason = _refusal(values.type, target)
    if reason is None:
        try:
            return values.cast(target), {}
        except _ARROW_ERRORS:
            pass
    return _cast_rows(values, target, reason=reason)


def _refusal(source: pa.DataType, target: pa.DataType) -> str | None:
    """Casts that Arrow makes by taking the bits for something else."""
    types = pa.types
    if types.is_temporal(target) and (types.is_integer(source) or types.is_floating(source)):
        return f"is a number, and nothing says in which unit; expected {target}, or text in ISO 8601"
    if types.is_boolean(target) and (types.is_integer(source) or types.is_floating(source)):
        return f"is a number; expected {target}"
    return None


def _cast_rows(values: pa.Array, target: pa.DataType, *, reason: str | None) -> tuple[pa.Array, dict[int, str]]:
    reasons: dict[int, str] = {}
    pieces: list[pa.Array] = []
    for row_idx in range(len(values)):
        value = values.slice(row_idx, 1)
        try:
            if reason is not None and value.null_count == 0:
                raise pa.ArrowInvalid(reason)
            pieces.append(pa.nulls(1, target) if value.null_count else value.cast(target))
        except _ARROW_ERRORS as error:
            shown = repr(value[0].as_py())
            shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "..."
            reasons[row_idx] = f"{shown} {reason}" if reason else f"{shown} is no {target}: {error}"
            pieces.append(pa.nulls(1, target))
    return (pa.concat_arrays(pieces) if pieces else pa.nulls(0, target)), reasons
