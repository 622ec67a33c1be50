"""Columns of CSV files that hold nothing but numbers, found over the whole file: text says nothing of types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["NumberColumns"]

_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"  # "007" is a name
_FLOAT = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$|^[+-]?(nan|NaN|NAN|inf|Inf|INF)$"


class NumberColumns:
    """What the text columns seen so far could be. For one thread."""

    def __init__(self, names: list[str]) -> None:
        """`names`: of columns that may become numbers."""
        self._types: dict[str, pa.DataType | None] = dict.fromkeys(names)  # None until a value was seen
        self._is_text: set[str] = set()

    def look(self, batch: pa.RecordBatch) -> None:
        """Take note of a batch's values; empty ones say nothing."""
        for name, known in self._types.items():
            if name in self._is_text or name not in batch.schema.names:
                continue
            values = batch.column(name)
            if not pa.types.is_string(values.type):
                self._is_text.add(name)
                continue
            values = values.filter(pc.not_equal(values, ""))
            if not len(values):
                continue
            if known != pa.float64() and _all_match(values, _INTEGER):
                self._types[name] = pa.int64()
            elif _all_match(values, _FLOAT):
                self._types[name] = pa.float64()
            else:
                self._is_text.add(name)

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with numbers where a column holds nothing else; empty values of those are null."""
        for name, kind in self._types.items():
            if kind is None or name in self._is_text or name not in batch.schema.names:
                continue
            values = batch.column(name)
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
            idx = batch.schema.get_field_index(name)
            batch = batch.set_column(idx, pa.field(name, kind), values.cast(kind))
        return batch


def _all_match(values: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())
