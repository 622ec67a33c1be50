"""Media columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.column_statistics.base import ColumnStatistics
from headrace.datasets.column_statistics.plain_arrays import plain_array
from headrace.datasets.column_statistics.summaries import (
    digest_hashes,
    numbers_of,
    size_summary,
    text_value,
    value_counts,
)
from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.value_counts import HashCounts, NumberCounts, TextCounts
from headrace.storage.canonical import JsonValue

__all__ = ["MediaStatistics"]

_NUM_FORMATS = 1000


class MediaStatistics(ColumnStatistics):
    """A media column as structs (size, format, width, height, duration, digest) without bytes."""

    def __init__(self, field: pa.Field, *, limit: int) -> None:
        super().__init__(media_kind(field) or "")
        self._num_values = 0
        self._formats = TextCounts(limit, num_top=_NUM_FORMATS)
        self._digests = HashCounts(limit)
        self._numbers = {name: NumberCounts(limit) for name in ("size", "width", "height", "duration")}

    @property
    def is_approximate(self) -> bool:
        return self._digests.is_approximate

    @property
    def num_bytes(self) -> int:
        """Bytes of all media values, duplicates counted each time."""
        return self._numbers["size"].total()

    def finish(self) -> dict[str, JsonValue]:
        """A document of its own: a kind instead of a type."""
        return {"kind": self._shown, "null_count": self._null_count, **self._describe()}

    def _add(self, values: pa.Array) -> None:
        self._num_values += len(values)
        for name, counts in self._numbers.items():
            numbers = numbers_of(_field(values, name))  # [num_known]
            counts.add(numbers[np.isfinite(numbers)])
        self._formats.add(*value_counts(plain_array(_field(values, "format"))))
        self._digests.add(digest_hashes(_field(values, "digest")))

    def _describe(self) -> dict[str, JsonValue]:
        num_distinct = self._digests.num_distinct()
        return {
            "num_bytes": self.num_bytes,
            "num_distinct": num_distinct,
            "num_duplicates": max(self._num_values - num_distinct, 0),
            "formats": {text_value(name): count for name, count in self._formats.top(_NUM_FORMATS)},
            "bytes": size_summary(self._numbers["size"], with_histogram=True),
            "width": size_summary(self._numbers["width"], with_histogram=True),
            "height": size_summary(self._numbers["height"], with_histogram=True),
            "duration": size_summary(self._numbers["duration"], with_histogram=True),
        }


def _field(values: pa.StructArray, name: str) -> pa.Array:
    """One field without nulls; an empty array where the struct lacks it."""
    idx = values.type.get_field_index(name)
    if idx < 0:
        return pa.nulls(0, MEDIA_VIEW_TYPE.field(name).type)
    return pc.struct_field(values, [idx]).drop_null()
