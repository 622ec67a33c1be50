"""Writes the rows of one commit: media into shards, columns into parts, everything hashed on the way.

Nothing here touches the log: until the caller claims an entry, what was written is unreferenced and invisible.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from headrace.datasets.batches import Origin, RejectedRow, SampleBatch
from headrace.datasets.columns import (
    check_columns,
    check_key_column,
    media_kind,
    merge_schemas,
    normal_type,
)
from headrace.datasets.manifests import CommitManifest, LogicalCommit, write_document
from headrace.datasets.media import MediaInput
from headrace.datasets.media_loading import LoadedMedia, MediaLoader
from headrace.datasets.media_placing import Locator, MediaPlacer, locator_array
from headrace.datasets.narrow import narrow_table
from headrace.datasets.row_digests import RowsRoot, encode_media, encode_values, row_digests
from headrace.datasets.row_keys import OccurrenceKeys, RepeatedKey, RowKeys
from headrace.datasets.statistics import StatisticsAccumulator
from headrace.datasets.types.base import DatasetType, OnInvalid
from headrace.datasets.types.row_failures import place_of, reason_of
from headrace.errors import InvalidInput
from headrace.progress import Progress
from headrace.schema.tags import Tag
from headrace.storage.canonical import canonical_json, plain_json
from headrace.storage.locations import Locations
from headrace.storage.parts import ROW_GROUP_ROWS, PartCache, PartRecord, write_part
from headrace.storage.shards import SHARD_BYTES, ShardWriter
from headrace.storage.store import ObjectStore

__all__ = ["IngestLayout", "MediaMode", "PreparedCommit", "write_commit"]

MediaMode = Literal["copy", "reference"]

_PART_ROWS = 65_536
_PART_BYTES = 32 * 1024 * 1024
_MAX_REJECTED = 10_000


@dataclass(frozen=True, slots=True)
class IngestLayout:
    """How rows are laid out; changes no digest."""

    part_rows: int = _PART_ROWS
    row_group_rows: int = ROW_GROUP_ROWS
    shard_bytes: int = SHARD_BYTES

    def __post_init__(self) -> None:
        for name in ("part_rows", "row_group_rows", "shard_bytes"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"layout: {name} is {getattr(self, name)}; expected a whole number from 1")


@dataclass(frozen=True, slots=True)
class PreparedCommit:
    """Durable objects that only need a log entry."""

    manifest: CommitManifest
    manifest_digest: str
    statistics_digest: str
    num_media_bytes: int


def write_commit(
    store: ObjectStore,
    base: str,
    *,
    batches: Iterable[SampleBatch],
    origins: Sequence[Origin],
    dataset_type: DatasetType,
    schema: pa.Schema,
    key: str | None,
    tags: tuple[Tag, ...],
    media: MediaMode,
    on_invalid: OnInvalid,
    progress: Progress,
    locations: Locations,
    layout: IngestLayout = IngestLayout(),
    raises_repeated_keys: bool = False,
) -> PreparedCommit:
    """Write all rows durably below `base` and return what a log entry needs.

    `origins` is read after the last batch, because streams learn their digests at the end.

    Args:
        raises_repeated_keys: A key that comes twice is raised as `RepeatedKey`, also where invalid rows are left out.

    Raises:
        InvalidInput: A row breaks a rule; nothing that was written is visible.
    """
    writer = _CommitWriter(
        store,
        base,
        dataset_type=dataset_type,
        schema=schema,
        key=key,
        media=media,
        on_invalid=on_invalid,
        progress=progress,
        locations=locations,
        layout=layout,
        raises_repeated_keys=raises_repeated_keys,
        origins=origins,
    )
    try:
        for batch in batches:
            writer.add(batch)
        return writer.finish(tags)
    finally:
        writer.close()


class _CommitWriter:
    def __init__(
        self,
        store: ObjectStore,
        base: str,
        *,
        dataset_type: DatasetType,
        schema: pa.Schema,
        key: str | None,
        media: MediaMode,
        on_invalid: OnInvalid,
        progress: Progress,
        locations: Locations,
        layout: IngestLayout,
        raises_repeated_keys: bool,
        origins: Sequence[Origin],
    ) -> None:
        self._store = store
        self._base = base
        self._type = dataset_type
        self._declared = schema
        self._key = key
        self._media: MediaMode = media
        self._on_invalid = on_invalid
        self._progress = progress
        self._layout = layout
        self._raises_repeated_keys = raises_repeated_keys
        self._origins = origins
        self._probes = dataset_type.probes(schema)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="headrace-ingest")
        self._loader = MediaLoader(self._pool)
        self._placer = MediaPlacer(ShardWriter(store, base, shard_bytes=layout.shard_bytes), locations=locations)
        self._schemas: list[pa.Schema] = []
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._statistics: StatisticsAccumulator | None = None
        # Parquet and statistics need the interpreter's lock little, so the next rows are read meanwhile.
        self._part_pool = ThreadPoolExecutor(2, thread_name_prefix="headrace-part")
        self._part: Future[PartRecord] | None = None
        self._counting: Future[None] | None = None
        self._parts: list[PartRecord] = []
        self._rows_root = RowsRoot()
        self._keys_of_rows = RowKeys(self._earlier_keys)
        self._occurrence_keys = OccurrenceKeys()
        self._read_parts = PartCache(limit_bytes=_PART_BYTES)
        self._rejected: list[RejectedRow] = []
        self._num_rejected = 0
        self._num_rows = 0
        self._reported_bytes = 0

    def close(self) -> None:
        """Stop the threads; call it on every path."""
        self._pool.shutdown(cancel_futures=True)
        self._part_pool.shutdown(cancel_futures=True)
        self._placer.abandon()

    def add(self, batch: SampleBatch) -> None:
        self._reject(batch.rejected)
        if batch.num_rows == 0:
            return
        arrays = {
            name: self._normal(name, values) for name, values in batch.columns.items() if not isinstance(values, list)
        }
        starts = self._starts_of_runs(arrays)
        if len(starts) == 1:
            self._add(batch, arrays)
            return
        for start, end in zip(starts, [*starts[1:], batch.num_rows], strict=True):
            piece = _slice(batch, start, end)
            self._add(piece, {name: values.slice(start, end - start) for name, values in arrays.items()})

    def _starts_of_runs(self, arrays: Mapping[str, pa.Array]) -> list[int]:
        """Where to cut a batch so that no key comes twice in a piece, if invalid rows are left out.

        A row may have the key of an earlier one that is left out for its media, which shows only when that one is read.
        """
        column = None if self._key is None or self._on_invalid == "raise" else arrays.get(self._key)
        if column is None or len(column.unique()) == len(column):
            return [0]
        starts = [0]
        seen: set[object] = set()
        for idx, key in enumerate(column.to_pylist()):
            if key is not None and key in seen:
                starts.append(idx)
                seen.clear()
            seen.add(key)
        return starts

    def _add(self, batch: SampleBatch, arrays: dict[str, pa.Array]) -> None:
        keep = np.ones(batch.num_rows, dtype=bool)  # [num_rows]
        # Keys first: a row that is refused for its key leaves no media bytes in a shard.
        keys = self._keys(batch, arrays, keep)
        media = {name: values for name, values in batch.columns.items() if isinstance(values, list)}
        locators = {name: self._place(batch, name, keep, is_only_media=len(media) == 1) for name in media}
        self._progress.advance(batch.num_rows, self._placer.num_bytes - self._reported_bytes)
        self._reported_bytes = self._placer.num_bytes
        positions = np.flatnonzero(keep)  # [num_kept]
        if len(positions) < batch.num_rows:
            keys = None if keys is None else [keys[idx] for idx in positions]
            indices = pa.array(positions)
            arrays = {name: values.take(indices) for name, values in arrays.items()}
            locators = {name: [values[idx] for idx in positions] for name, values in locators.items()}
        if keys is not None:
            self._keys_of_rows.add(keys)  # not before: the key of a row whose media was refused is free
        if len(positions):
            self._append(batch, arrays, locators, keys, positions)

    def finish(self, tags: tuple[Tag, ...]) -> PreparedCommit:
        if self._num_rows == 0:
            raise InvalidInput(
                f"no rows left to commit: all {self._num_rejected} were left out as invalid, the first because "
                f"{self._rejected[0].reason}"
                if self._num_rejected
                else "the source has no rows; a commit needs at least one"
            )
        schema = self._schema()
        self._progress.start("writing")
        # The last shard and the last part are hashed and synced while this thread counts.
        self._placer.flush()
        self._flush(schema)
        self._progress.start("statistics")
        self._settle_counting()
        statistics = self._accumulator(schema).finish(num_rejected=self._num_rejected)
        self._settle_part()
        shards = self._placer.finish()
        logical = LogicalCommit(
            self._type.name, self._type.version, schema, tags, self._num_rows, self._rows_root.hexdigest()
        )
        manifest = CommitManifest(
            logical=logical,
            schema=schema,
            origins=tuple(self._origins),
            parts=tuple(self._parts),
            shards=tuple(shards),
            rejected=tuple(self._rejected),
            num_rejected=self._num_rejected,
        )
        return PreparedCommit(
            manifest=manifest,
            manifest_digest=write_document(self._store, self._base, data=canonical_json(manifest.to_json())),
            statistics_digest=write_document(self._store, self._base, data=plain_json(statistics)),
            num_media_bytes=self._placer.num_bytes,
        )

    def _place(self, batch: SampleBatch, name: str, keep: np.ndarray, *, is_only_media: bool) -> list[Locator | None]:
        """One media column, [num_rows], with the rows of invalid values refused."""
        inputs: list[MediaInput | None] = [
            value if is_kept else None for value, is_kept in zip(batch.columns[name], keep.tolist(), strict=True)
        ]
        placed: list[Locator | None] = []
        column = None if is_only_media else name
        for idx, value in enumerate(self._loader.load(inputs, probe=self._probes.get(name))):
            if isinstance(value, LoadedMedia):
                if self._media == "copy":
                    placed.append(self._placer.pack(value, column=column))
                    continue
                if value.source.uri is None:
                    raise InvalidInput(
                        f"{_place(batch, idx, self._origins)} cannot be adopted in place: its bytes are compressed, "
                        "come from memory, or lie in a zip in a bucket or in a table other than Parquet. Commit with "
                        "media='copy' (the command without --reference)"
                    )
                placed.append(self._placer.adopt(value))
                continue
            if value is not None:
                self._refuse(batch, idx, str(value), error=value)
                keep[idx] = False
            placed.append(None)
        return placed

    def _normal(self, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        target = pa.string() if pa.types.is_null(array.type) else normal_type(array.type, column=name)
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if array.type == target:
            return array
        try:
            return array.cast(target)
        except pa.ArrowInvalid as error:
            raise InvalidInput(f"its values do not fit {target}: {error}", column=name) from error

    def _keys(self, batch: SampleBatch, arrays: Mapping[str, pa.Array], keep: np.ndarray) -> list[str] | None:
        """The key of each row as text, None for keyless datasets; rows that break the rule are refused."""
        if self._key is None:
            return None
        column = arrays.get(self._key)
        if column is None:
            raise InvalidInput(f"the key column {self._key!r} is missing in the source", column=self._key)
        check_key_column(pa.field(self._key, column.type))
        keys: list[str | None] = column.cast(pa.string()).to_pylist()
        present = [key or "" for key in keys]
        earlier = self._keys_of_rows.find(present)  # [num_rows]
        if (earlier < 0).all() and "" not in present and len(set(present)) == len(present):
            return present
        in_batch: dict[str, int] = {}
        for idx, key in enumerate(keys):
            is_repeat = False
            if key is None or key == "":
                reason = f"the key column {self._key!r} is {'null' if key is None else 'empty'}; every row needs a key"
            elif earlier[idx] >= 0 or key in in_batch:
                is_repeat = True
                first = int(earlier[idx]) if earlier[idx] >= 0 else self._num_rows + in_batch[key]
                reason = (
                    f"the key {key!r} appears twice in this commit, first at {self._place_of(first, batch)}; "
                    "a key must be unique within one commit"
                )
            else:
                in_batch[key] = idx
                continue
            self._refuse(batch, idx, reason, is_repeat=is_repeat)
            keep[idx] = False
        return present

    def _earlier_keys(
        self,
        ordinals: np.ndarray,  # [num_rows], of rows appended before
    ) -> list[str]:
        """The keys of rows that are waiting or already in a part."""
        self._settle_part()
        bounds = np.cumsum([0, *(part.num_rows for part in self._parts), *(rows.num_rows for rows in self._pending)])
        found: dict[int, str] = {}
        table_idxs = np.searchsorted(bounds, ordinals, side="right") - 1  # [num_rows]
        for table_idx in np.unique(table_idxs).tolist():
            if table_idx < len(self._parts):
                part = self._parts[table_idx]
                table = self._read_parts.columns(self._store, self._base, part=part, names=["_key"])
            else:
                table = self._pending[table_idx - len(self._parts)]
            chosen = ordinals[table_idxs == table_idx]
            keys = table.column("_key").take(pa.array(chosen - bounds[table_idx])).to_pylist()
            found.update(zip(chosen.tolist(), keys, strict=True))
        return [found[ordinal] for ordinal in ordinals.tolist()]

    def _place_of(self, ordinal: int, batch: SampleBatch) -> str:
        """Where an earlier row came from, as `_place` says it; its number from 1 when it is already in a part."""
        in_batch = ordinal - self._num_rows
        if in_batch >= 0:
            return _place(batch, in_batch, self._origins)
        row = in_batch + self._pending_rows
        for table in self._pending if row >= 0 else ():
            if row < table.num_rows:
                origin, member, line = (table.column(name)[row].as_py() for name in ("_origin", "_member", "_line"))
                place = place_of(self._origins[origin], member)
                return place if line is None else f"{place}:{line}"
            row -= table.num_rows
        return f"row {ordinal + 1:,} of the commit"

    def _append(
        self,
        batch: SampleBatch,
        arrays: dict[str, pa.Array],
        locators: Mapping[str, list[Locator | None]],
        keys: list[str] | None,
        positions: np.ndarray,  # [num_kept], rows of the batch
    ) -> None:
        num_rows = len(positions)
        fields: list[pa.Field] = []
        encoded: dict[str, list[bytes]] = {}
        columns: list[pa.Array] = []
        for name in batch.columns:
            if name in arrays:
                declared = _field_of(self._declared, name)
                values = arrays[name]
                nullable = declared.nullable if declared is not None else True
                fields.append(pa.field(name, values.type, nullable))
                encoded[name] = encode_values(name, values=values)
                columns.append(values)
            else:
                declared = _field_of(self._declared, name)
                if declared is None or media_kind(declared) is None:
                    raise TypeError(f"type {self._type.name} gave media for {name!r}, which is no media column")
                fields.append(declared)
                places = locators[name]
                encoded[name] = encode_media(name, digests=[None if item is None else item[3] for item in places])
                columns.append(locator_array(places))
        for field, values in zip(fields, columns, strict=True):
            if not field.nullable and values.null_count:
                idx = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
                raise InvalidInput(
                    f"{_place(batch, int(positions[idx]), self._origins)}: column {field.name!r} is null, it must "
                    "have a value",
                    column=field.name,
                )
        schema = pa.schema(fields)
        if not self._schemas or self._schemas[-1] != schema:
            self._schemas.append(schema)
        digests = b"".join(row_digests(encoded, num_rows=num_rows))
        if keys is None:
            keys = self._occurrence_keys.add(digests)
        self._rows_root.add(digests)
        digest_array = pa.Array.from_buffers(pa.binary(32), num_rows, [None, pa.py_buffer(digests)])
        table = pa.table(
            [
                *columns,
                pa.array(keys, pa.string()),
                digest_array,
                _origin_array(batch.origin_idx, positions),
                _picked(batch.members, positions, pa.string()),
                _picked(batch.lines, positions, pa.int64()),
            ],
            names=[*schema.names, "_key", "_digest", "_origin", "_member", "_line"],
        )
        self._pending.append(table)
        self._pending_rows += num_rows
        self._pending_bytes += table.nbytes
        self._num_rows += num_rows
        if self._pending_rows >= self._layout.part_rows or self._pending_bytes >= _PART_BYTES:
            self._flush(self._schema())

    def _flush(self, schema: pa.Schema) -> None:
        if not self._pending:
            return
        table = pa.concat_tables(self._pending, promote_options="permissive").combine_chunks()
        names = [name for name in schema.names if name in table.column_names]
        table = table.select([*names, "_key", "_digest", "_origin", "_member", "_line"])
        self._settle_part()  # one at a time, which bounds memory
        self._settle_counting()
        self._part = self._part_pool.submit(self._write_part, table, schema)
        self._counting = self._part_pool.submit(self._count, table, schema)
        self._pending = []
        self._pending_rows = 0
        self._pending_bytes = 0

    def _write_part(self, table: pa.Table, schema: pa.Schema) -> PartRecord:
        return write_part(
            self._store,
            self._base,
            table=table,
            row_group_rows=self._layout.row_group_rows,
            distinct=_distinct_columns(schema),
        )

    def _count(self, table: pa.Table, schema: pa.Schema) -> None:
        self._accumulator(schema).add(narrow_table(table, schema))

    def _settle_part(self) -> None:
        """Wait for the part that is being written."""
        if self._part is not None:
            part, self._part = self._part, None
            self._parts.append(part.result())

    def _settle_counting(self) -> None:
        """Wait until the rows of that part are in the statistics."""
        if self._counting is not None:
            counting, self._counting = self._counting, None
            counting.result()

    def _schema(self) -> pa.Schema:
        """All columns so far, the declared ones first; further columns are always nullable."""
        merged = merge_schemas(self._schemas)
        declared = [field for field in merged if _field_of(self._declared, field.name) is not None]
        names = {field.name for field in declared}
        schema = pa.schema([*declared, *(field for field in merged if field.name not in names)])
        check_columns(schema)
        return schema

    def _accumulator(self, schema: pa.Schema) -> StatisticsAccumulator:
        """Statistics of the rows in parts so far, for all columns so far."""
        if self._statistics is None:
            self._statistics = StatisticsAccumulator(schema, label_column=self._type.label_column)
        self._statistics.extend(schema)
        return self._statistics

    def _refuse(
        self,
        batch: SampleBatch,
        idx: int,
        reason: str,
        *,
        error: InvalidInput | None = None,
        is_repeat: bool = False,
    ) -> None:
        origin = self._origins[_origin_of(batch, idx)]
        member = batch.members[idx] if batch.members is not None else None
        line = batch.lines[idx] if batch.lines is not None else None
        if is_repeat and self._raises_repeated_keys:
            raise RepeatedKey(reason, file=place_of(origin, member), line=line)
        if self._on_invalid == "raise":
            if error is not None and line is None:
                raise error
            raise InvalidInput(reason, file=place_of(origin, member), line=line) from error
        self._reject([RejectedRow(origin.uri, member, line, reason if error is None else reason_of(error, member))])

    def _reject(self, rows: Sequence[RejectedRow]) -> None:
        self._num_rejected += len(rows)
        self._rejected.extend(rows[: _MAX_REJECTED - len(self._rejected)])


def _distinct_columns(schema: pa.Schema) -> set[str]:
    """Columns of a part whose values hardly repeat."""
    media = (field.name for field in schema if media_kind(field) is not None)
    return {"_key", "_digest", "_member"}.union(
        f"{name}.{leaf}" for name in media for leaf in ("offset", "digest", "check")
    )


def _slice(batch: SampleBatch, start: int, end: int) -> SampleBatch:
    """Some rows of a batch, without those that were rejected before."""
    return SampleBatch(
        {name: values[start:end] for name, values in batch.columns.items()},
        num_rows=end - start,
        origin_idx=batch.origin_idx if isinstance(batch.origin_idx, int) else batch.origin_idx[start:end],
        members=None if batch.members is None else batch.members[start:end],
        lines=None if batch.lines is None else batch.lines[start:end],
    )


def _origin_of(batch: SampleBatch, idx: int) -> int:
    return batch.origin_idx if isinstance(batch.origin_idx, int) else batch.origin_idx[idx]


def _place(batch: SampleBatch, idx: int, origins: Sequence[Origin]) -> str:
    place = place_of(origins[_origin_of(batch, idx)], batch.members[idx] if batch.members is not None else None)
    if batch.lines is not None and batch.lines[idx] is not None:
        place += f":{batch.lines[idx]}"
    return place


def _origin_array(origin_idx: Sequence[int] | int, positions: np.ndarray) -> pa.Array:
    if isinstance(origin_idx, int):
        return pa.array(np.full(len(positions), origin_idx, dtype=np.int32))
    return pa.array(np.asarray(origin_idx, dtype=np.int32)[positions])


def _picked(values: Sequence[object] | None, positions: np.ndarray, kind: pa.DataType) -> pa.Array:
    if values is None:
        return pa.nulls(len(positions), kind)
    if len(positions) == len(values):
        return pa.array(list(values), kind)
    return pa.array([values[idx] for idx in positions], kind)


def _field_of(schema: pa.Schema, name: str) -> pa.Field | None:
    idx = schema.get_field_index(name)
    return None if idx < 0 else schema.field(idx)
