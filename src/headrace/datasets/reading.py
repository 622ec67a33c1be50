"""Reads rows of commits by address: columns from parts, media by locator, every byte verified."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from headrace.datasets.columns import media_kind
from headrace.datasets.manifests import CommitManifest, read_document
from headrace.datasets.media_reading import MediaReader
from headrace.datasets.narrow import media_view
from headrace.datasets.state import CommitRecord
from headrace.storage.locations import Locations
from headrace.storage.parts import PartCache
from headrace.storage.store import ObjectStore

__all__ = ["CommitReader", "DatasetReader", "Ordinals"]

_KEPT_MANIFESTS = 1_024

Ordinals = np.ndarray
"""Row numbers within a commit, int64, [num_rows]."""


class DatasetReader:
    """Everything that reads a dataset's objects; shared by all its snapshots. Thread-safe."""

    def __init__(self, store: ObjectStore, base: str, *, cache: PartCache, locations: Locations) -> None:
        self.store = store
        self.base = base
        self.media = MediaReader(store, base, locations=locations)
        self._cache = cache
        self._lock = threading.Lock()
        self._commits: OrderedDict[str, CommitReader] = OrderedDict()

    def commit(self, record: CommitRecord) -> CommitReader:
        """The reader of one commit; its manifest is read and verified once."""
        with self._lock:
            reader = self._commits.get(record.manifest)
            if reader is not None:
                self._commits.move_to_end(record.manifest)
                return reader
        manifest = CommitManifest.from_json(read_document(self.store, self.base, digest=record.manifest))
        reader = CommitReader(self.store, self.base, manifest=manifest, cache=self._cache)
        with self._lock:
            reader = self._commits.setdefault(record.manifest, reader)
            while len(self._commits) > _KEPT_MANIFESTS:
                self._commits.popitem(last=False)
        return reader


class CommitReader:
    """The rows of one commit, by ordinal."""

    def __init__(self, store: ObjectStore, base: str, *, manifest: CommitManifest, cache: PartCache) -> None:
        self._store = store
        self._base = base
        self._cache = cache
        self.manifest = manifest
        self._starts = np.cumsum([0, *(part.num_rows for part in manifest.parts)])  # [num_parts + 1]

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
            tables = [self._part(idx, names) for idx in range(len(self.manifest.parts))]
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
            field_idx = self.manifest.schema.get_field_index(name)
            if field_idx >= 0 and media_kind(self.manifest.schema.field(field_idx)) is not None:
                table = table.set_column(idx, name, media_view(table.column(name)))
        return table

    def _part(self, idx: int, names: Sequence[str]) -> pa.Table:
        return self._cache.columns(self._store, self._base, part=self.manifest.parts[idx], names=names)


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
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
