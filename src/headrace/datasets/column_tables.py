"""Values for added columns that come as a table: which rows they are for, and in which type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.batches import Origin
from headrace.datasets.columns import normal_type
from headrace.datasets.sidecars import ColumnSource
from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.system_columns import SYSTEM_COLUMNS
from headrace.datasets.types.carried_columns import array_of
from headrace.datasets.types.column_cast import cast_column
from headrace.datasets.types.row_failures import place_of, row_lines
from headrace.datasets.types.table_columns import string_values
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState

__all__ = ["ColumnTable", "RowMatches"]

RowMatches = dict[int, tuple[np.ndarray, np.ndarray]]
"""By commit number: ordinals, ascending, and the table's row for each; both [num_matches]."""

_GUESSES = (pa.int64(), pa.float64(), pa.bool_())


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """Values by `_id` or key, as they were handed in."""

    ids: pa.Array  # string
    is_by_key: bool
    values: Mapping[str, pa.Array]  # by the name that the column gets
    is_csv: bool
    origins: Sequence[Origin]
    places: Sequence[tuple[int, int, int]]  # first row, index of the origin, first line; ascending
    lines: np.ndarray  # of each row, [num_rows]

    @classmethod
    def read(cls, dataset: Dataset, value: object, *, name: str | Sequence[str] | None) -> ColumnTable:
        """All rows of a source.

        Raises:
            InvalidInput: No table, no column that says which rows are meant, no value column of that name, or a row
                that is named twice or not at all.
        """
        source = open_source(
            _without_digests(value), csv_has_header=True, opener=dataset.lake.locations, tables_are_files=False
        )
        if source.kind != "table":
            raise InvalidInput("values for rows come as a table (CSV, JSON, Parquet, Arrow, a data frame, dicts)")
        key = dataset.key
        tables: list[pa.Table] = []
        places: list[tuple[int, int, int]] = []
        lines: list[np.ndarray] = []
        picked: dict[str, str] = {}
        id_column = ""
        num_rows = 0
        for batch in source.batches():
            place = place_of(source.origins[batch.origin_idx])
            if not picked:
                id_column = _id_column(batch.table.schema, key, place=place)
                picked = _value_columns(batch.table.schema, id_column, key, name, place=place)
            ids = string_values(batch.table.column(id_column), column=id_column, place=place)
            columns = [array_of(batch.table.column(item)) for item in picked]
            tables.append(pa.table([ids, *columns], names=["_id", *picked.values()]))
            batch_lines = np.asarray(row_lines(batch), dtype=np.int64)  # [num_rows]
            places.append((num_rows, batch.origin_idx, 0))
            lines.append(batch_lines)
            num_rows += batch.table.num_rows
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
        found = cls(
            array_of(table.column("_id")),
            id_column != "_id",
            {column: array_of(table.column(column)) for column in picked.values()},
            bool(source.is_csv),
            source.origins,
            places,
            np.concatenate(lines),
        )
        found._check_ids(id_column)
        return found

    @property
    def sources(self) -> list[ColumnSource]:
        """Where the table came from."""
        return [ColumnSource(item.uri, item.size, item.digest) for item in self.origins]

    def refusal(self, row: int, message: str, *, column: str | None = None) -> InvalidInput:
        """An error that names the row's file and line."""
        idx = int(np.searchsorted([start for start, _, _ in self.places], row, side="right")) - 1
        origin = self.origins[self.places[idx][1]]
        return InvalidInput(message, file=place_of(origin), line=int(self.lines[row]), column=column)

    def typed(self, name: str, target: pa.DataType | None) -> pa.Array:
        """The values in a type that is stored: the one asked for, else their own, of CSV the narrowest that fits.

        Raises:
            InvalidInput: A value that does not fit, with file and line; or no value and no type.
        """
        values = self.values[name]
        if target is None and self.is_csv:
            for guess in _GUESSES:
                cast, reasons = cast_column(values, guess, empty_is_null=True)
                if not reasons and cast.null_count < len(cast):
                    return cast
        if target is None:
            if pa.types.is_null(values.type):
                raise InvalidInput("no row has a value, so its type is unknown; give it with type=", column=name)
            target = normal_type(values.type, column=name)
        cast, reasons = cast_column(values, target, empty_is_null=self.is_csv)
        for row, reason in reasons.items():
            raise self.refusal(row, reason, column=name)
        return cast

    def matches(self, dataset: Dataset, state: DatasetState) -> RowMatches:
        """The rows of the dataset that the table's rows are for; deleted ones too, because they can be restored.

        Where later rows replace earlier ones of the same key, a key means the newest row that is not deleted.

        Raises:
            InvalidInput: A row that the dataset has not.
        """
        replaces = state.on_duplicate_key == "replace"
        hidden = state.visibility.hidden_commits
        deleted = dataset.addresses(state.visibility.deleted_rows)
        is_used = np.zeros(len(self.ids), dtype=bool)  # [num_rows]
        found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for is_hidden_turn in (False, True):
            for record in reversed(state.commits):
                number = int(record.commit_id)
                names = dataset.reader.commit(record).columns(["_key"]).column("_key")
                if not self.is_by_key and not replaces:
                    names = pc.binary_join_element_wise(pa.scalar(record.commit_id), names, ":")
                rows = pc.index_in(names, value_set=self.ids).fill_null(-1)
                table_rows = np.asarray(rows.to_numpy(), dtype=np.int64)  # [num_rows of the commit]
                is_hidden = np.full(len(table_rows), record.commit_id in hidden)
                gone = deleted.of(number)
                if gone is not None:
                    is_hidden[gone] = True
                is_meant = (table_rows >= 0) & (is_hidden == is_hidden_turn)
                if replaces:
                    is_meant &= ~is_used[table_rows]
                ordinals = np.flatnonzero(is_meant)
                if len(ordinals):
                    is_used[table_rows[ordinals]] = True
                    found.setdefault(number, []).append((ordinals, table_rows[ordinals]))
        for row in np.flatnonzero(~is_used)[:1].tolist():
            unknown = int((~is_used).sum())
            more = f"; {unknown - 1:,} more rows are unknown" if unknown > 1 else ""
            raise self.refusal(row, f"dataset {dataset.name!r} has no row {self.ids[row].as_py()!r}{more}")
        return {number: _merged(pieces) for number, pieces in found.items()}

    def _check_ids(self, column: str) -> None:
        if self.ids.null_count:
            row = int(np.flatnonzero(self.ids.is_null().to_numpy(zero_copy_only=False))[0])
            raise self.refusal(row, "is null; expected the row that the value is for", column=column)
        codes = self.ids.dictionary_encode().indices.to_numpy(zero_copy_only=False)  # [num_rows]
        first_of_code, first_rows = np.unique(codes, return_index=True)
        if len(first_of_code) < len(codes):
            is_first = np.zeros(len(codes), dtype=bool)
            is_first[first_rows] = True
            row = int(np.flatnonzero(~is_first)[0])
            first = int(self.lines[first_rows[codes[row]]])
            raise self.refusal(
                row, f"{self.ids[row].as_py()!r} is named twice, first in line {first}; expected once", column=column
            )


def _merged(pieces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    ordinals = np.concatenate([item for item, _ in pieces])
    order = np.argsort(ordinals, kind="stable")
    return ordinals[order], np.concatenate([item for _, item in pieces])[order]


def _id_column(schema: pa.Schema, key: str | None, *, place: str) -> str:
    for name in ("_id", key):
        if name is not None and name in schema.names:
            return name
    expected = "_id" if key is None else f"_id or the key {key}"
    raise InvalidInput(
        f"there is no column that says which rows are meant; expected {expected}; found {', '.join(schema.names)}. "
        "(A file with both _id and _digest is taken for an export and read without them: leave out _digest)",
        file=place,
    )


def _value_columns(
    schema: pa.Schema, id_column: str, key: str | None, name: str | Sequence[str] | None, *, place: str
) -> dict[str, str]:
    """The columns to take, and what they are called in the dataset."""
    values = [item for item in schema.names if item not in (id_column, key) and item not in SYSTEM_COLUMNS]
    if name is None:
        picked = {item: item for item in values}
    elif isinstance(name, str):
        if name not in values and len(values) == 1:
            return {values[0]: name}
        picked = {name: name}
    else:
        picked = {item: item for item in name}
    for item in picked:
        if item not in values:
            raise InvalidInput(
                f"there is no value column {item!r}; found {', '.join(values) or 'none'}.{near_miss(item, values)}",
                file=place,
                column=item,
            )
    if not picked:
        raise InvalidInput(f"there is no value column beside {id_column}", file=place)
    return picked


def _without_digests(value: Any) -> Any:
    """A table of this process without `_digest`, because with it `_id` would be left out as an export's."""
    if isinstance(value, (pa.Table, pa.RecordBatch)):
        names = value.schema.names
        return value.drop_columns(["_digest"]) if "_id" in names and "_digest" in names else value
    columns = getattr(value, "columns", None)
    if columns is None or callable(columns) or not {"_id", "_digest"} <= {str(item) for item in columns}:
        return value
    is_pandas = type(value).__module__.startswith("pandas")
    return value.drop(columns=["_digest"]) if is_pandas else value.drop("_digest")
