"""The snapshots that a recipe reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.connecting import connect
from headrace.curation.stage_rows import ROW_COLUMNS, StageRows, StageStore
from headrace.curation.static_plan import StaticSource
from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.filters import Filter
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["OpenSource", "lake_uri", "open_sources", "source_schema"]


def source_schema(snapshot: Snapshot) -> pa.Schema:
    """Columns that rows of the snapshot have: where they come from, then their own, media as structs."""
    fields = [
        pa.field(field.name, MEDIA_VIEW_TYPE, field.nullable, field.metadata)
        if media_kind(field) is not None
        else field
        for field in snapshot.schema
    ]
    return pa.schema([*ROW_COLUMNS, *fields])


@dataclass(frozen=True, slots=True)
class OpenSource:
    """One source with the snapshot that it is now."""

    name: str
    lake: Lake
    snapshot: Snapshot
    where: str | None = None
    columns: tuple[str, ...] | None = None
    num_rows: int | None = None  # only so many rows from the start; for previews

    @property
    def reference(self) -> str:
        """The snapshot in its lake, by id."""
        return f"{self.snapshot.dataset.name}@id:{self.snapshot.id}"

    @property
    def uid(self) -> str:
        """Of the dataset; never reused, unlike its name."""
        return self.snapshot.dataset.base.rstrip("/").rpartition("/")[2]

    @property
    def schema(self) -> pa.Schema:
        """Columns of its rows.

        Raises:
            InvalidInput: A column that is asked for is not there.
        """
        schema = source_schema(self.snapshot)
        if self.columns is None:
            return schema
        for name in self.columns:
            if name not in schema.names:
                raise InvalidInput(
                    f"source {self.name!r}: dataset {self.snapshot.dataset.name!r} has no column {name!r}."
                    f"{near_miss_or_known(name, self.snapshot.schema.names)}"
                )
        return pa.schema([field for field in schema if field.name.startswith("_") or field.name in self.columns])

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Its rows in the snapshot's order, without those that `where` leaves out; at least one table.

        Args:
            columns: Of `schema`, in any order; None: all.
        """
        wanted = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        chosen = None if self.where is None else Filter.parse(self.where, source_schema(self.snapshot))
        read = {*wanted.names, *(() if chosen is None else chosen.columns)}
        row_start = num_given = 0
        stored = ["_id", "_digest", *self.snapshot.schema.names]
        for table in self.snapshot.narrow([name for name in stored if name in read] or ["_id"]):
            found = {
                "_source": pa.array([self.name] * table.num_rows, pa.string()),
                "_row": pa.array(np.arange(row_start, row_start + table.num_rows), pa.int64()),
                **{column: table.column(column) for column in table.column_names},
            }
            row_start += table.num_rows
            rows = pa.table([found[field.name] for field in wanted], schema=wanted)
            if chosen is not None:
                keep: NDArray[np.bool_] = chosen.mask(table)
                rows = rows.filter(pa.array(keep))
            if self.num_rows is not None:
                rows = rows.slice(0, self.num_rows - num_given)
            yield rows
            num_given += rows.num_rows
            if num_given == self.num_rows:
                break

    def write_rows(self, stage_store: StageStore) -> StageRows:
        """Keep its rows."""
        writer = stage_store.writer(self.schema)
        for table in self.tables():
            writer.add(table)
        return writer.finish()


def lake_uri(place: str, *, folder: Path) -> str:
    """The lake that a recipe in this folder means."""
    return place if "://" in place else str(folder / place)


def open_sources(
    sources: Sequence[StaticSource], *, lake: Lake, folder: Path, pinned: Mapping[str, str] = MappingProxyType({})
) -> list[OpenSource]:
    """Open each source.

    Args:
        lake: Where references without a lake are looked up.
        folder: Where relative paths of lakes start: the recipe's.
        pinned: By source the id of the snapshot to read, whatever the reference selects now.

    Raises:
        NotFound: A lake, dataset or snapshot is not there.
    """
    lakes: dict[str, Lake] = {}
    found: list[OpenSource] = []
    for source in sources:
        place = source.reference.lake
        here = lake
        if place is not None:
            uri = lake_uri(place, folder=folder)
            here = lakes.setdefault(uri, connect(uri))
        selector = f"@id:{pinned[source.name]}" if source.name in pinned else source.reference.selector
        snapshot = here.snapshot(f"{source.reference.dataset}{selector}")
        found.append(OpenSource(source.name, here, snapshot, source.where, source.columns))
    return found
