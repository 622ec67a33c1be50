"""Moving the values of an added column to other parts: for compaction, and for purge, which leaves some out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.datasets.addresses import EMPTY, AddressSet
from headrace.datasets.leases import Lease
from headrace.datasets.manifests import write_document
from headrace.datasets.sidecars import (
    BLOCK_ROWS,
    ColumnManifest,
    ColumnReader,
    ColumnWriter,
    ValuesDigest,
    column_keys,
)
from headrace.errors import DataCorrupted, Unavailable
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.parts import PartCache

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState

__all__ = ["compact_columns", "erased_column", "parts_with_rows", "prove_column"]

_MAX_ATTEMPTS = 5


def erased_column(dataset: Dataset, manifest: ColumnManifest, rows: AddressSet) -> ColumnManifest:
    """The column without the values of some rows (commit number, ordinal), in no part that still holds one.

    What names the values in snapshots stays.
    """
    rewritten = parts_with_rows(manifest, rows)
    return _rewritten(dataset, manifest, kept=set(range(len(manifest.parts))) - rewritten, erased=rows)


def parts_with_rows(manifest: ColumnManifest, rows: AddressSet) -> set[int]:
    """Parts that hold values of commits with such rows, or, from an earlier version, values that nothing refers to."""
    used = np.zeros(len(manifest.parts), dtype=np.int64)
    found: set[int] = set()
    for number, values in manifest.commits.items():
        for piece in values.slices:
            used[piece.part] += piece.num_rows
            if rows.of(number) is not None:
                found.add(piece.part)
    return found | {idx for idx, part in enumerate(manifest.parts) if used[idx] < part.num_rows}


def prove_column(dataset: Dataset, manifest: ColumnManifest) -> None:
    """Read all values and compare them with the digests that name them.

    Raises:
        DataCorrupted: They differ.
    """
    reader = ColumnReader(dataset.lake.store, dataset.base, manifest=manifest, cache=PartCache())
    for number, values in manifest.commits.items():
        digest = ValuesDigest(manifest.name)
        for piece in values.slices:
            digest.add(piece.row_start, reader.part(piece.part).slice(piece.part_row, piece.num_rows))
        if (digest.hexdigest(), digest.num_values) != (values.stored or values.digest, values.num_values):
            raise DataCorrupted(
                f"the added column {manifest.name!r} of dataset {dataset.name!r} has other values for commit {number} "
                "than were added"
            )


def compact_columns(dataset: Dataset, *, part_rows: int = BLOCK_ROWS) -> tuple[int, int]:
    """Merge small parts of added columns; how many parts they had and have.

    Raises:
        DataCorrupted: The values that were moved are not what was added; nothing was changed.
        Unavailable: Others changed the columns again and again meanwhile; nothing was changed.
    """
    for _ in range(_MAX_ATTEMPTS):
        state = dataset.state()
        since = dataset.log_of_entries.number
        old = {digest: dataset.column_reader(digest).manifest for digest in sorted(state.column_manifests)}
        before = {part.digest for manifest in old.values() for part in manifest.parts}
        fragmented = {digest: item for digest, item in old.items() if _gains(item, part_rows)}
        if not fragmented:
            return len(before), len(before)
        with Lease(dataset.lake.store, dataset.base):
            moved = _moved(dataset, state, since, fragmented, part_rows)
        if moved is not None:
            after = {part.digest for manifest in {**old, **moved}.values() for part in manifest.parts}
            return len(before), len(after)
    raise Unavailable(f"columns of dataset {dataset.name!r} were changed by others {_MAX_ATTEMPTS} times meanwhile")


def _gains(manifest: ColumnManifest, part_rows: int) -> bool:
    small = _small_parts(manifest, part_rows)
    num_rows = sum(manifest.parts[idx].num_rows for idx in small)
    return len(small) > max(1, -(-num_rows // part_rows))


def _small_parts(manifest: ColumnManifest, part_rows: int) -> set[int]:
    partly = parts_with_rows(manifest, EMPTY)
    return {idx for idx, part in enumerate(manifest.parts) if part.num_rows < part_rows // 2 or idx in partly}


def _moved(
    dataset: Dataset, state: DatasetState, since: int, fragmented: Mapping[str, ColumnManifest], part_rows: int
) -> dict[str, ColumnManifest] | None:
    """The new manifests by the digests of the old ones; None if somebody changed the columns meanwhile."""
    moved: dict[str, ColumnManifest] = {}
    changes: dict[str, JsonValue] = {}
    keys: list[str] = []
    for digest, manifest in fragmented.items():
        kept = set(range(len(manifest.parts))) - _small_parts(manifest, part_rows)
        new = _rewritten(dataset, manifest, kept=kept, erased=EMPTY, part_rows=part_rows)
        prove_column(dataset, new)
        name = write_document(dataset.lake.store, dataset.base, data=canonical_json(new.to_json()))
        if name != digest:
            moved[digest] = new
            changes[digest] = {"manifest": name, "num_values": new.num_values}
            keys += column_keys(name, new)
    is_current = True

    def plan(newest: DatasetState) -> Mapping[str, JsonValue] | None:
        nonlocal is_current
        is_current = newest.redacted_rows == state.redacted_rows and newest.column_manifests == state.column_manifests
        return {"columns": changes} if is_current and changes else None

    dataset.append("compact-columns", plan, refers_to=lambda: keys, since=since)
    return moved if is_current else None


def _rewritten(
    dataset: Dataset,
    manifest: ColumnManifest,
    *,
    kept: Collection[int],
    erased: AddressSet,
    part_rows: int = BLOCK_ROWS,
) -> ColumnManifest:
    """The same values, those of kept parts where they are and all others in new parts."""
    reader = ColumnReader(dataset.lake.store, dataset.base, manifest=manifest, cache=PartCache())
    writer = ColumnWriter(
        dataset.lake.store, dataset.base, name=manifest.name, data_type=manifest.data_type, part_rows=part_rows
    )
    for number, values in sorted(manifest.commits.items()):
        gone = erased.of(number)
        digest = ValuesDigest(manifest.name)
        for piece in values.slices:
            if piece.part in kept:
                writer.keep(number, piece, manifest.parts[piece.part])
                continue
            array = reader.part(piece.part).slice(piece.part_row, piece.num_rows)
            if gone is not None:
                is_gone = np.isin(np.arange(piece.row_start, piece.row_start + piece.num_rows), gone)
                array = array.take(pa.array(np.arange(piece.num_rows), mask=is_gone))
                digest.add(piece.row_start, array)
            writer.add_unnamed(number, piece.row_start, array)
        if gone is not None:
            values = replace(values, stored=digest.hexdigest(), num_values=digest.num_values)
        writer.name_commit(number, values)
    return writer.finish(sources=manifest.sources)
