"""Added columns on disk: sidecar parts over ranges of row addresses, and the document that lists them.

    (commit number, ordinal) ─▶ slice of a part ─▶ value; whatever no slice covers is null

The parts and media of the rows themselves are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import blake3
import numpy as np
import pyarrow as pa

from headrace.datasets.columns import type_from_json, type_to_json
from headrace.datasets.manifests import document_key
from headrace.datasets.row_digests import encode_values
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.digests import digest_hex
from headrace.storage.parts import PartCache, PartRecord, part_key, write_part
from headrace.storage.store import ObjectStore

if TYPE_CHECKING:
    from headrace.datasets.reading import CommitReader

__all__ = [
    "BLOCK_ROWS",
    "ColumnManifest",
    "ColumnReader",
    "ColumnSource",
    "ColumnWriter",
    "CommitValues",
    "Ordinals",
    "ReaderWithColumns",
    "ValueSlice",
    "ValuesDigest",
    "chunks_prefix",
    "column_keys",
]

Ordinals = np.ndarray
"""Row numbers within a commit, int64, [num_rows]."""

BLOCK_ROWS = 65_536
"""Rows of a commit that are read and written together."""

_PART_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """What the values came from."""

    uri: str  # of a table, or "function:" with the function's name
    size: int | None = None  # bytes
    digest: str | None = None  # BLAKE3 hex of the file
    version: str | None = None  # of a function, as its caller said


@dataclass(frozen=True, slots=True)
class ValueSlice:
    """Values of neighbouring rows of a commit, in one part."""

    part: int  # index into the manifest's parts
    part_row: int  # where they start in it
    row_start: int  # ordinal of the first row
    num_rows: int


@dataclass(frozen=True, slots=True)
class CommitValues:
    """A column's values for one commit."""

    digest: str  # BLAKE3 hex of the values as they were added; names them in snapshots
    num_values: int  # rows that have one
    slices: tuple[ValueSlice, ...]  # ascending, without overlap
    stored: str | None = None  # BLAKE3 hex of what is left since rows were purged; None: nothing was


@dataclass(frozen=True, slots=True)
class ColumnManifest:
    """One version of an added column."""

    name: str
    data_type: pa.DataType
    parts: tuple[PartRecord, ...]
    commits: Mapping[int, CommitValues]  # by number; others have no value
    sources: tuple[ColumnSource, ...] = ()

    @property
    def num_values(self) -> int:
        """Rows that have a value."""
        return sum(commit.num_values for commit in self.commits.values())

    @property
    def num_rows(self) -> int:
        """Rows that slices cover."""
        return sum(piece.num_rows for commit in self.commits.values() for piece in commit.slices)

    def digest_of(self, numbers: Iterable[int]) -> str:
        """BLAKE3 hex that names the column's content in these commits, whatever parts it lies in."""
        found = [self.commits.get(number) for number in numbers]
        return digest_hex(canonical_json([None if commit is None else commit.digest for commit in found]))

    def to_json(self) -> JsonValue:
        """The stored document."""
        return {
            "format": 1,
            "name": self.name,
            "type": type_to_json(self.data_type, column=self.name),
            "sources": [[item.uri, item.size, item.digest, item.version] for item in self.sources],
            "parts": [[item.digest, item.size, item.num_rows] for item in self.parts],
            "commits": [
                [
                    number,
                    commit.digest,
                    commit.stored,
                    commit.num_values,
                    [[item.part, item.part_row, item.row_start, item.num_rows] for item in commit.slices],
                ]
                for number, commit in sorted(self.commits.items())
            ],
        }

    @classmethod
    def from_json(cls, document: JsonValue) -> Self:
        """Read a stored document."""
        return cls(
            document["name"],
            type_from_json(document["type"]),
            tuple(PartRecord(*item) for item in document["parts"]),
            {
                number: CommitValues(digest, count, tuple(ValueSlice(*item) for item in slices), stored)
                for number, digest, stored, count, slices in document["commits"]
            },
            tuple(ColumnSource(*item) for item in document["sources"]),
        )


def column_keys(digest: str, manifest: ColumnManifest) -> list[str]:
    """Keys below the dataset of a manifest and its parts."""
    return [document_key(digest), *(part_key(part.digest) for part in manifest.parts)]


def chunks_prefix(base: str) -> str:
    """Where finished chunks of interrupted functions wait; may be deleted at any time."""
    return f"derived/columns/{base.split('/')[1]}/"


class ValuesDigest:
    """BLAKE3 over the values of one commit's rows, however they are cut."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hasher = blake3.blake3()
        self.num_values = 0

    def add(self, row_start: int, values: pa.Array) -> None:
        """Take the values of the next rows; nulls leave no trace."""
        present = values.is_valid().to_numpy(zero_copy_only=False)  # [num_rows]
        rows = np.flatnonzero(present)
        self.num_values += len(rows)
        if len(rows):
            encoded = encode_values(self._name, values=values.drop_null())
            ordinals = (rows + row_start).astype("<i8").tobytes()
            self._hasher.update(b"".join(ordinals[8 * i : 8 * i + 8] + item for i, item in enumerate(encoded)))

    def hexdigest(self) -> str:
        """Of the rows so far."""
        return self._hasher.hexdigest()


class ColumnReader:
    """Values of one version of a column by address. Thread-safe."""

    def __init__(self, store: ObjectStore, base: str, *, manifest: ColumnManifest, cache: PartCache) -> None:
        self._store = store
        self._base = base
        self._cache = cache
        self.manifest = manifest

    def values(self, number: int, ordinals: Ordinals) -> pa.Array:
        """The values of some rows of a commit in the order asked, [num_rows]."""
        commit = self.manifest.commits.get(number)
        chunks = [pa.nulls(1, self.manifest.data_type)]
        places = np.zeros(len(ordinals), dtype=np.int64)  # 0 is the null
        offset = 1
        for piece in commit.slices if commit is not None else ():
            mine = np.flatnonzero((ordinals >= piece.row_start) & (ordinals < piece.row_start + piece.num_rows))
            if not len(mine):
                continue
            part = self.part(piece.part).slice(piece.part_row, piece.num_rows)
            wanted = ordinals[mine] - piece.row_start
            if len(mine) == len(ordinals) and bool(np.all(np.diff(wanted) == 1)):
                return part.slice(int(wanted[0]), len(wanted))
            chunks.append(part)
            places[mine] = wanted + offset
            offset += piece.num_rows
        return pa.concat_arrays(chunks).take(pa.array(places))

    def blocks(self, number: int, num_rows: int) -> Iterator[tuple[int, pa.Array]]:
        """All values of a commit, block by block: first row, values."""
        for start in range(0, num_rows, BLOCK_ROWS):
            yield start, self.values(number, np.arange(start, min(start + BLOCK_ROWS, num_rows)))

    def part(self, idx: int) -> pa.Array:
        """All values of a part, verified."""
        part = self.manifest.parts[idx]
        column = self._cache.columns(self._store, self._base, part=part, names=[self.manifest.name]).column(0)
        values = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        return values if values.type == self.manifest.data_type else values.cast(self.manifest.data_type)


class ReaderWithColumns:
    """A commit's rows by ordinal with added columns beside the stored ones."""

    def __init__(self, reader: CommitReader, *, number: int, added: Mapping[str, ColumnReader]) -> None:
        self._reader = reader
        self._number = number
        self._added = added

    def columns(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """As `CommitReader.columns`."""
        return self._with_added(self._reader.columns(self._stored(names), ordinals=ordinals), names, ordinals)

    def narrow(self, names: Sequence[str], *, ordinals: Ordinals | None = None) -> pa.Table:
        """As `CommitReader.narrow`."""
        return self._with_added(self._reader.narrow(self._stored(names), ordinals=ordinals), names, ordinals)

    def _stored(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self._added]

    def _with_added(self, table: pa.Table, names: Sequence[str], ordinals: Ordinals | None) -> pa.Table:
        rows = np.arange(self._reader.num_rows) if ordinals is None else ordinals
        for name in names:
            if name in self._added:
                table = table.append_column(name, self._added[name].values(self._number, rows))
        return table


class ColumnWriter:
    """Writes one version of a column; rows of many commits share parts. Commits and rows come in ascending order."""

    def __init__(
        self, store: ObjectStore, base: str, *, name: str, data_type: pa.DataType, part_rows: int = BLOCK_ROWS
    ) -> None:
        self._store = store
        self._base = base
        self._name = name
        self.data_type = data_type
        self._part_rows = part_rows
        self._parts: list[PartRecord | None] = []  # None: the one at hand
        self._kept: dict[str, int] = {}  # digests of parts that were there before
        self._pending: list[pa.Array] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._slices: dict[int, list[ValueSlice]] = {}
        self._digests: dict[int, ValuesDigest] = {}
        self._named: dict[int, CommitValues] = {}
        self.num_bytes = 0  # written

    def add(self, number: int, row_start: int, values: pa.Array) -> None:
        """The values of neighbouring rows; a run of nulls takes no room."""
        self._digests.setdefault(number, ValuesDigest(self._name)).add(row_start, values)
        self.add_unnamed(number, row_start, values)

    def add_unnamed(self, number: int, row_start: int, values: pa.Array) -> None:
        """The same for a commit whose digest is given to `name_commit`."""
        if values.null_count == len(values):
            return
        while len(values):
            if not self._pending:
                self._parts.append(None)
            taken = values.slice(0, self._part_rows - self._pending_rows)
            slices = self._slices.setdefault(number, [])
            slices.append(ValueSlice(len(self._parts) - 1, self._pending_rows, row_start, len(taken)))
            self._pending.append(taken)
            self._pending_rows += len(taken)
            self._pending_bytes += taken.nbytes
            row_start += len(taken)
            values = values.slice(len(taken))
            if self._pending_rows >= self._part_rows or self._pending_bytes >= _PART_BYTES:
                self._flush()

    def keep(self, number: int, piece: ValueSlice, part: PartRecord) -> None:
        """Refer to values that lie in a part already."""
        idx = self._kept.get(part.digest)
        if idx is None:
            self._flush()  # so that the part at hand is always the last one
            idx = self._kept[part.digest] = len(self._parts)
            self._parts.append(part)
        self._slices.setdefault(number, []).append(replace(piece, part=idx))

    def name_commit(self, number: int, values: CommitValues) -> None:
        """Say what a commit's values are called, where they are known from before."""
        self._named[number] = values

    def finish(self, *, sources: Sequence[ColumnSource]) -> ColumnManifest:
        """Write what is left; the manifest itself is not written."""
        self._flush()
        commits: dict[int, CommitValues] = {}
        for number in sorted({*self._digests, *self._named}):
            slices = tuple(self._slices.get(number, ()))
            if number in self._named:
                commits[number] = replace(self._named[number], slices=slices)
            elif self._digests[number].num_values:
                digest = self._digests[number]
                commits[number] = CommitValues(digest.hexdigest(), digest.num_values, slices)
        parts = tuple(part for part in self._parts if part is not None)
        return ColumnManifest(self._name, self.data_type, parts, commits, tuple(sources))

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.table({self._name: pa.concat_arrays(self._pending)})
        part = write_part(self._store, self._base, table=table)
        self.num_bytes += part.size
        self._parts[-1] = part
        self._pending = []
        self._pending_rows = 0
        self._pending_bytes = 0
