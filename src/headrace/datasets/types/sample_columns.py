"""The columns of a table that a media type reads: path or content, text, id, and what is carried along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from headrace.datasets.types.carried_columns import CarriedColumns
from headrace.datasets.types.sample_rules import SampleRules
from headrace.datasets.types.table_columns import find_column, has_column, string_values
from headrace.errors import InvalidInput

__all__ = ["INVENTORY_COLUMN", "SampleColumns"]


INVENTORY_COLUMN: Final = "uri"
"""The media column of an inventory: a table that lists objects with what they were when it was made."""

INVENTORY_PINS: Final = ("size", "etag", "version", "last_modified")
"""Columns of an inventory that say which content is meant; they are no part of the sample."""


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """One batch of a table, split into its columns."""

    media_name: str
    media: pa.Array
    value_name: str | None
    values: Sequence[str | None]  # "" for each row where the type has no text column
    ids: Sequence[str | None] | None  # None where the table has no ids
    further: dict[str, pa.Array]
    pins: Sequence[tuple[int | None, str | None]] | None = None  # size and etag of each row, of an inventory

    @classmethod
    def of(
        cls,
        table: pa.RecordBatch,
        rules: SampleRules,
        *,
        media_names: Sequence[str],
        expected: str,
        carried: CarriedColumns,
        place: str,
    ) -> SampleColumns:
        """Find and read the columns.

        Raises:
            InvalidInput: One is missing or of a type that cannot be read.
        """
        media_name = find_column(table.schema, media_names, expected=expected, place=place)
        used = [media_name]
        value_name: str | None = None
        values: Sequence[str | None] = [""] * table.num_rows
        if rules.value_names:
            value_name = find_column(table.schema, rules.value_names, expected=expected, place=place)
            used.append(value_name)
            values = string_values(table.column(value_name), column=value_name, place=place).to_pylist()
        ids: Sequence[str | None] | None = None
        if has_column(table.schema, ("id",)) is not None:
            used.append("id")
            ids = string_values(table.column("id"), column="id", place=place).to_pylist()
        pins: list[tuple[int | None, str | None]] | None = None
        if media_name == INVENTORY_COLUMN:
            pinning = [name for name in INVENTORY_PINS if name in table.schema.names]
            used += pinning
            pins = _pins(table, pinning, place=place)
        further = carried.select(table, used=used, place=place)
        return cls(media_name, table.column(media_name), value_name, values, ids, further, pins)

    def problem(self, row_idx: int, rules: SampleRules) -> tuple[str, str] | None:
        """(reason, column) why text or id of a row cannot be taken."""
        reason = rules.check_value(self.values[row_idx])
        if reason is not None:
            return reason, str(self.value_name)
        if self.ids is not None and not self.ids[row_idx]:
            return "the id is null or empty; expected text", "id"
        return None


def _pins(table: pa.RecordBatch, names: Sequence[str], *, place: str) -> list[tuple[int | None, str | None]]:
    """Size and etag of each row, None where the inventory says none."""
    sizes: list[int | None] = [None] * table.num_rows
    if "size" in names:
        try:
            sizes = table.column("size").cast(pa.int64()).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InvalidInput("is no whole number of bytes in every row", file=place, column="size") from None
    etag = next((name for name in ("etag", "version") if name in names), None)
    etags: list[str | None] = [None] * table.num_rows
    if etag is not None:
        etags = string_values(table.column(etag), column=etag, place=place).to_pylist()
    return [(size, text or None) for size, text in zip(sizes, etags, strict=True)]
