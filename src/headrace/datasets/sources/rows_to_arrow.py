"""Rows as dicts to Arrow columns, with the row named that does not fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace.datasets.columns import media_kind
from headrace.errors import InvalidInput

__all__ = ["RowPlace", "rows_to_batch"]

RowPlace = tuple[str, int | None, str]
"""(file or source, 1-based line if there is one, "" or the row in words)."""

_CONVERSION_ERRORS = (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError)


def rows_to_batch(
    rows: Sequence[Mapping[str, Any]],
    *,
    schema: pa.Schema | None,
    place: Callable[[int], RowPlace],
) -> pa.RecordBatch:
    """One column for each key in order of first appearance; a missing key is null.

    Columns that `schema` names get its type, the others the type that fits their values. Paths become strings.

    Raises:
        InvalidInput: A value does not fit its column; with the place of its row.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = []
    for name in names:
        if not isinstance(name, str) or not name:
            idx = next(idx for idx, row in enumerate(rows) if name in row)
            file, line, words = place(idx)
            raise InvalidInput(f"{words}the key {name!r} is no column name; expected a text", file=file, line=line)
        values = [row.get(name) for row in rows]
        columns.append(_array(name, values, _declared_type(schema, name), place))
    if not columns:
        file, line, words = place(0)
        raise InvalidInput(f"{words}has no columns; expected at least one key", file=file, line=line)
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def _array(name: str, values: list[Any], wanted: pa.DataType | None, place: Callable[[int], RowPlace]) -> pa.Array:
    try:
        return _converted(values, wanted)
    except _CONVERSION_ERRORS:
        pass
    values = [os.fspath(value) if isinstance(value, os.PathLike) else value for value in values]
    try:
        return _converted(values, wanted)
    except _CONVERSION_ERRORS as error:
        failure = error
    # The longest prefix that converts ends before the first value that does not fit.
    good, bad = 0, len(values)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            _converted(values[:middle], wanted)
            good = middle
        except _CONVERSION_ERRORS:
            bad = middle
    value = values[bad - 1]
    file, line, words = place(bad - 1)
    if wanted is not None:
        expected = f"expected {wanted}"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        expected = "expected a whole number of at most 64 bits, or declare a schema"
    elif good and _converted(values[:good], None).type != pa.null():
        expected = f"the rows before have {_converted(values[:good], None).type}; expected one type a column"
    else:
        expected = f"which is none that can be stored ({failure})"
    raise InvalidInput(
        f"{words}column {name!r} holds {_shown(value)} of type {type(value).__name__}; {expected}",
        file=file,
        line=line,
        column=name,
    ) from failure


def _converted(values: list[Any], wanted: pa.DataType | None) -> pa.Array:
    if wanted is not None and pa.types.is_integer(wanted):
        for value in values:
            if isinstance(value, float) and not value.is_integer():
                raise pa.ArrowInvalid(f"{value!r} is no whole number")  # Arrow would cut the fraction off
    array = pa.array(values, wanted)
    if isinstance(array, pa.ChunkedArray):
        raise InvalidInput("more than 2 GiB in one batch of a column; hand in smaller rows")
    return array


def _declared_type(schema: pa.Schema | None, name: str) -> pa.DataType | None:
    """None for media columns too: they hold bytes, paths or URIs."""
    if schema is None:
        return None
    idx = schema.get_field_index(name)
    return None if idx < 0 or media_kind(schema.field(idx)) is not None else schema.field(idx).type


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
