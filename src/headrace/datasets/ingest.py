"""Writes the rows of one commit: media into shards, columns into parts, everything hashed on the way.

Nothing here touches the log: until the caller claims an entry, what was written is unreferenced and invisible.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from headrace.datasets.batches import Origin, SampleBatch
from headrace.datasets.columns import check_key_column, media_kind, normal_type
from headrace.datasets.manifests import CommitManifest, LogicalCommit, write_document
from headrace.datasets.media import MediaInput
from headrace.datasets.media_loading import LoadedMedia, MediaLoader
from headrace.datasets.media_placing import Locator, MediaPlacer, locator_array
from headrace.datasets.parts_writing import IDENTITY_COLUMNS, PartsWriter
from headrace.datasets.row_digests import RowsRoot, encode_media, encode_values, row_digests
from headrace.datasets.row_keys import OccurrenceKeys, RowKeys
from headrace.datasets.row_refusing import RowRefuser
from headrace.datasets.types.base import DatasetType, OnInvalid
from headrace.errors import InvalidInput
from headrace.progress import Progress
from headrace.schema.tags import Tag
from headrace.storage.canonical import canonical_json, plain_json
from headrace.storage.locations import Locations
from headrace.storage.parts import ROW_GROUP_ROWS
from headrace.storage.shards import SHARD_BYTES, ShardWriter
from headrace.storage.store import ObjectStore

__all__ = ["IngestLayout", "MediaMode", "PreparedCommit", "write_commit"]

MediaMode = Literal["copy", "reference"]

_PART_ROWS = 65_536


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
        self._origins = origins
        self._probes = dataset_type.probes(schema)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="headrace-ingest")
        self._loader = MediaLoader(self._pool)
        self._placer = MediaPlacer(ShardWriter(store, base, shard_bytes=layout.shard_bytes), locations=locations)
        self._parts = PartsWriter(
            store,
            base,
            part_rows=layout.part_rows,
            row_group_rows=layout.row_group_rows,
            declared=schema,
            label_column=dataset_type.label_column,
        )
        self._rows_root = RowsRoot()
        self._keys_of_rows = RowKeys(self._parts.keys_of)
        self._occurrence_keys = OccurrenceKeys()
        self._refuser = RowRefuser(origins, on_invalid=on_invalid, raises_repeated_keys=raises_repeated_keys)
        self._reported_bytes = 0

    def close(self) -> None:
        """Stop the threads; call it on every path."""
        self._pool.shutdown(cancel_futures=True)
        self._parts.close()
        self._placer.abandon()

    def add(self, batch: SampleBatch) -> None:
        self._refuser.add(batch.rejected)
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
            piece = {name: values.slice(start, end - start) for name, values in arrays.items()}
            self._add(batch.slice(start, end), piece)

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
        num_rows, num_rejected = self._parts.num_rows, self._refuser.num_rejected
        if num_rows == 0:
            raise InvalidInput(
                f"no rows left to commit: all {num_rejected} were left out as invalid, the first because "
                f"{self._refuser.rejected[0].reason}"
                if num_rejected
                else "the source has no rows; a commit needs at least one"
            )
        schema = self._parts.schema()
        self._progress.start("writing")
        # The last shard and the last part are hashed and synced while this thread counts.
        self._placer.flush()
        self._parts.flush()
        self._progress.start("statistics")
        statistics = self._parts.statistics(num_rejected=num_rejected)
        parts = self._parts.finish()
        shards = self._placer.finish()
        logical = LogicalCommit(
            self._type.name, self._type.version, schema, tags, num_rows, self._rows_root.hexdigest()
        )
        manifest = CommitManifest(
            logical=logical,
            schema=schema,
            origins=tuple(self._origins),
            parts=tuple(parts),
            shards=tuple(shards),
            rejected=tuple(self._refuser.rejected),
            num_rejected=num_rejected,
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
                        f"{self._refuser.place(batch, idx)} cannot be adopted in place: its bytes are compressed, "
                        "come from memory, or lie in a zip in a bucket or in a table other than Parquet. Commit with "
                        "media='copy' (the command without --reference)"
                    )
                placed.append(self._placer.adopt(value))
                continue
            if value is not None:
                self._refuser.refuse(batch, idx, str(value), error=value)
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
                first = int(earlier[idx]) if earlier[idx] >= 0 else self._parts.num_rows + in_batch[key]
                reason = (
                    f"the key {key!r} appears twice in this commit, first at {self._place_of(first, batch)}; "
                    "a key must be unique within one commit"
                )
            else:
                in_batch[key] = idx
                continue
            self._refuser.refuse(batch, idx, reason, is_repeat=is_repeat)
            keep[idx] = False
        return present

    def _place_of(self, ordinal: int, batch: SampleBatch) -> str:
        """Where a row of the batch or an earlier one came from; its number from 1 when it is already in a part."""
        in_batch = ordinal - self._parts.num_rows
        if in_batch >= 0:
            return self._refuser.place(batch, in_batch)
        origin = self._parts.waiting_origin(ordinal)
        return f"row {ordinal + 1:,} of the commit" if origin is None else self._refuser.place_of(*origin)

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
                    f"{self._refuser.place(batch, int(positions[idx]))}: column {field.name!r} is null, it must "
                    "have a value",
                    column=field.name,
                )
        schema = pa.schema(fields)
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
            names=[*schema.names, *IDENTITY_COLUMNS],
        )
        self._parts.add(table, schema)


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
