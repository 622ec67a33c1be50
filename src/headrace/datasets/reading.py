"""Reads rows of commits by address: columns from parts, media by locator, every byte verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from headrace.datasets.columns import media_kind
from headrace.datasets.kept_values import KeptValues
from headrace.datasets.layouts import CommitLayout, LayoutDocument
from headrace.datasets.manifests import CommitManifest, read_document
from headrace.datasets.media_reading import MediaReader
from headrace.datasets.narrow import media_view
from headrace.datasets.records import CommitRecord
from headrace.datasets.sidecars import ColumnManifest, ColumnReader, Ordinals
from headrace.storage.locations import Locations
from headrace.storage.parts import PartCache, PartRecord, read_part
from headrace.storage.store import ObjectStore

__all__ = ["CommitReader", "DatasetReader", "Ordinals", "RowReader"]

_KEPT_MANIFESTS = 1_024
_KEPT_LAYOUTS = 16


class RowReader(Protocol):
    """Rows of one commit, by ordinal."""

    def columns(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """The named columns, media as locators; None gives all rows."""
        ...

    def narrow(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """The same with media as structs without a place."""
        ...


class DatasetReader:
    """Everything that reads a dataset's objects; shared by all its snapshots. Thread-safe."""

    def __init__(self, store: ObjectStore, base: str, *, cache: PartCache, locations: Locations) -> None:
        self.store = store
        self.base = base
        self.media = MediaReader(store, base, locations=locations)
        self._cache = cache
        self._manifests: KeptValues[str, CommitManifest] = KeptValues(_KEPT_MANIFESTS)
        self._layouts: KeptValues[str, LayoutDocument] = KeptValues(_KEPT_LAYOUTS)
        self._columns: KeptValues[str, ColumnManifest] = KeptValues(_KEPT_MANIFESTS)

    def commit(self, record: CommitRecord, *, layout: CommitLayout | None = None) -> CommitReader:
        """The reader of one commit, where its rows lie as the record knows it, or as the caller does."""
        if layout is None:
            layout = self.layout_of(record)
        return CommitReader(self.store, self.base, layout=layout, cache=self._cache)

    def layout_of(self, record: CommitRecord) -> CommitLayout:
        """Where the rows of a commit lie, as the record knows it."""
        if record.layout is None:
            return self.manifest(record).layout
        return self.layout(record.layout).of(int(record.commit_id), record.schema)

    def manifest(self, record: CommitRecord) -> CommitManifest:
        """What was written with the commit; read and verified once."""
        return self._manifests.get(
            record.manifest,
            lambda digest: CommitManifest.from_json(read_document(self.store, self.base, digest=digest)),
        )

    def packed(self, record: CommitRecord, *, layout: str) -> CommitReader:
        """The reader of those rows of a commit that a packed snapshot holds."""
        lies = self.layout(layout).of(int(record.commit_id), record.schema)
        return CommitReader(self.store, self.base, layout=lies, cache=self._cache)

    def part(self, part: PartRecord, names: Sequence[str] | None = None) -> pa.Table:
        """Columns of a part as they are stored, None for all, verified and not kept; for rewriting it."""
        return read_part(self.store, self.base, part=part, names=names)

    def column(self, digest: str) -> ColumnReader:
        """The reader of one version of an added column, by the digest of its manifest; read and verified once."""
        manifest = self._columns.get(
            digest, lambda digest: ColumnManifest.from_json(read_document(self.store, self.base, digest=digest))
        )
        return ColumnReader(self.store, self.base, manifest=manifest, cache=self._cache)

    def layout(self, digest: str) -> LayoutDocument:
        """A document of layouts; read and verified once."""
        return self._layouts.get(
            digest, lambda digest: LayoutDocument.from_json(read_document(self.store, self.base, digest=digest))
        )


class CommitReader:
    """The rows of one commit, by ordinal."""

    def __init__(self, store: ObjectStore, base: str, *, layout: CommitLayout, cache: PartCache) -> None:
        self._store = store
        self._base = base
        self._cache = cache
        self.layout = layout
        self._starts = np.cumsum([0, *(item.num_rows for item in layout.slices)])  # [num_slices + 1]

    @property
    def num_rows(self) -> int:
        """Rows that were committed."""
        return int(self._starts[-1])

    def columns(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """The named stored columns, one chunk each, media as locators; unknown names are left out.

        `ordinals` may be in any order and repeat; None gives all rows.
        """
        if ordinals is not None and len(ordinals) == 0:
            return self._part(0, names).slice(0, 0)
        if ordinals is None:
            tables = [self._part(idx, names) for idx in range(len(self.layout.slices))]
            return _one_chunk(tables)
        parts = np.searchsorted(self._starts, ordinals, side="right") - 1  # [num_rows]
        used = np.unique(parts)
        if len(used) == 1:
            idx = int(used[0])
            return _take(self._part(idx, names), ordinals - self._starts[idx])
        tables = []
        rows = []
        for idx in used.tolist():
            mine = np.flatnonzero(parts == idx)
            rows.append(mine)
            tables.append(_take(self._part(idx, names), ordinals[mine] - self._starts[idx]))
        merged = _one_chunk(tables)
        return _take(merged, np.argsort(np.concatenate(rows), kind="stable")) if rows else merged

    def narrow(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """Like `columns`, with media columns as structs without a place."""
        table = self.columns(names, ordinals=ordinals)
        for idx, name in enumerate(table.column_names):
            field_idx = self.layout.schema.get_field_index(name)
            if field_idx >= 0 and media_kind(self.layout.schema.field(field_idx)) is not None:
                table = table.set_column(idx, name, media_view(table.column(name)))
        return table

    def _part(self, idx: int, names: Sequence[str]) -> pa.Table:
        piece = self.layout.slices[idx]
        table = self._cache.columns(self._store, self._base, part=piece.part, names=names)
        return table if piece.num_rows == piece.part.num_rows else table.slice(piece.row_start, piece.num_rows)


def _take(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Rows of a table whose columns have one chunk each; consecutive rows are a view."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (len(rows) == 1 or bool(np.all(np.diff(rows) == 1))):
        return table.slice(int(rows[0]), len(rows))
    indices = pa.array(rows)
    columns = [
        pa.chunked_array([column.chunk(0).take(indices)]) if column.num_chunks else column for column in table.columns
    ]
    return pa.table(columns, schema=table.schema)


def _one_chunk(tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
