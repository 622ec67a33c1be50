"""Proves that the rows of a commit, as they lie somewhere, are the rows that were committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import media_kind
from headrace.datasets.layouts import CommitLayout, PartSlice
from headrace.datasets.manifests import LogicalCommit
from headrace.datasets.reading import CommitReader, Ordinals
from headrace.datasets.records import CommitRecord
from headrace.datasets.row_digests import encode_media, encode_values, row_digests, rows_root
from headrace.errors import DataCorrupted
from headrace.storage.digests import digest_of
from headrace.storage.parts import PartCache

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["REDACTED_DIGEST", "ClaimedRows", "prove_many", "prove_rows", "prove_same_rows", "slices_of_bytes"]

REDACTED_DIGEST = bytes(32)
"""Stands for a purged row, because a digest of little content can be guessed."""

_ROWS = 8_192


def prove_rows(
    dataset: Dataset,
    record: CommitRecord,
    reader: CommitReader,
    *,
    logical: LogicalCommit,
    done: Callable[[int], None] = lambda num_rows: None,
) -> None:
    """Read every value, compute each row's digest from it, and compare them and their root with what was committed.

    Raises:
        DataCorrupted: Something differs; the message names the row or the commit.
    """
    redacted = dataset.addresses(dataset.state().redacted_rows).of(int(record.commit_id))
    _prove(
        dataset, [ClaimedRows(record, reader.layout, record.redacted_root or logical.rows_root)], reader, redacted, done
    )


@dataclass(frozen=True, slots=True)
class ClaimedRows:
    """Rows of a commit: where they are said to lie, and what they add up to."""

    record: CommitRecord
    layout: CommitLayout
    rows_root: str

    @property
    def num_rows(self) -> int:
        """Rows that lie there."""
        return sum(piece.num_rows for piece in self.layout.slices)


def prove_many(
    dataset: Dataset, commits: Iterable[ClaimedRows], *, done: Callable[[int], None] = lambda num_rows: None
) -> None:
    """`prove_rows` for commits in the order in which their rows share parts: those of several commits at once.

    Raises:
        DataCorrupted: As there.
    """
    cache = PartCache()
    redacted = dataset.addresses(dataset.state().redacted_rows)
    for group in _groups(commits):
        slices = [piece for item in group for piece in item.layout.slices]
        merged = replace(group[0].layout, slices=tuple(_joined(slices)))
        gone = [redacted.of(int(item.record.commit_id)) for item in group]
        starts = np.cumsum([0, *(item.num_rows for item in group)])  # [num_commits + 1]
        shifted = [rows + start for rows, start in zip(gone, starts.tolist(), strict=False) if rows is not None]
        reader = CommitReader(dataset.lake.store, dataset.base, layout=merged, cache=cache)
        _prove(dataset, group, reader, np.concatenate(shifted) if shifted else None, done)


def _groups(commits: Iterable[ClaimedRows]) -> Iterator[list[ClaimedRows]]:
    """Neighbours of one schema in one document of layouts, up to some thousand rows."""
    group: list[ClaimedRows] = []
    num_rows = 0
    for item in commits:
        if group and not (
            item.layout.shards is group[0].layout.shards
            and item.layout.schema.equals(group[0].layout.schema, check_metadata=True)
            and num_rows + item.num_rows <= _ROWS
        ):
            yield group
            group, num_rows = [], 0
        group.append(item)
        num_rows += item.num_rows
    if group:
        yield group


def _joined(slices: Iterable[PartSlice]) -> Iterator[PartSlice]:
    """The same rows, those that lie side by side in a part as one slice."""
    last: PartSlice | None = None
    for piece in slices:
        if last is not None and piece.part == last.part and piece.row_start == last.row_start + last.num_rows:
            last = replace(last, num_rows=last.num_rows + piece.num_rows)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last


def _prove(
    dataset: Dataset,
    commits: Sequence[ClaimedRows],
    reader: CommitReader,  # of the rows of all of them, one commit after the other
    redacted: Ordinals | None,
    done: Callable[[int], None],
) -> None:
    ends = np.cumsum([item.num_rows for item in commits])  # [num_commits]

    def name(ordinal: int) -> str:
        idx = int(np.searchsorted(ends, ordinal, side="right"))
        row = ordinal - (int(ends[idx - 1]) if idx else 0)
        return _name(dataset, commits[idx].record, row)

    digests: list[bytes] = []
    for start in range(0, reader.num_rows, _ROWS):
        ordinals = np.arange(start, min(start + _ROWS, reader.num_rows))
        digests.extend(_digests(dataset, reader, ordinals, redacted, name=name))
        done(len(ordinals))
    for item, end in zip(commits, ends.tolist(), strict=True):
        found = digests[end - item.num_rows : end]
        if len(found) != item.record.num_rows or rows_root(found) != item.rows_root:
            raise DataCorrupted(
                f"commit {item.record.commit_id} of {dataset.name!r}: its rows do not add up to its digest"
            )


def prove_same_rows(dataset: Dataset, record: CommitRecord, kept: Ordinals | None, reader: CommitReader) -> None:
    """Raise `DataCorrupted` unless a reader gives these rows of a commit, ascending, and nothing else."""
    stored = dataset.reader.commit(record).columns(["_digest"], ordinals=kept).column("_digest").to_pylist()
    for start in range(0, max(reader.num_rows, len(stored)), _ROWS):
        ordinals = np.arange(start, min(start + _ROWS, reader.num_rows))
        found = _digests(dataset, reader, ordinals, None, name=lambda ordinal: _name(dataset, record, ordinal))
        if found != stored[start : start + _ROWS]:
            raise DataCorrupted(f"rows of commit {record.commit_id} of {dataset.name!r} were not copied as they are")


def _name(dataset: Dataset, record: CommitRecord, ordinal: int) -> str:
    return f"row {ordinal} of commit {record.commit_id} of {dataset.name!r}"


def _digests(
    dataset: Dataset,
    reader: CommitReader,
    ordinals: Ordinals,
    redacted: Ordinals | None,
    *,
    name: Callable[[int], str],
) -> list[bytes]:
    schema = reader.layout.schema
    table = reader.columns([*schema.names, "_digest"], ordinals=ordinals)
    encoded: dict[str, list[bytes]] = {}
    for column in schema:
        if column.name not in table.column_names:
            continue
        values = _chunk(table.column(column.name))
        if values.type != column.type and media_kind(column) is None:
            values = values.cast(column.type)  # a part that it shares with commits of a wider type
        if media_kind(column) is None:
            encoded[column.name] = encode_values(column.name, values=values)
            continue
        expected = pc.struct_field(values, "digest").to_pylist()
        _compare_media(
            dataset,
            reader,
            values,
            expected,
            name=lambda row, column=column.name: f"the {column!r} of {name(int(ordinals[row]))}",  # type: ignore[misc]
        )
        encoded[column.name] = encode_media(column.name, digests=expected)
    found = row_digests(encoded, num_rows=len(ordinals))
    if redacted is not None:
        for place in np.flatnonzero(np.isin(ordinals, redacted)).tolist():
            if found[place] == _EMPTY_ROW:
                found[place] = REDACTED_DIGEST
    stored = table.column("_digest").to_pylist()
    for ordinal, digest, wanted in zip(ordinals.tolist(), found, stored, strict=True):
        if digest != wanted:
            raise DataCorrupted(
                f"{name(ordinal)} has the digest {digest.hex()[:16]}…, {wanted.hex()[:16]}… was written"
            )
    return found


_EMPTY_ROW = row_digests({}, num_rows=1)[0]


def _compare_media(
    dataset: Dataset,
    reader: CommitReader,
    locators: pa.StructArray,
    expected: list[bytes | None],
    *,
    name: Callable[[int], str],
) -> None:
    """Compare media with BLAKE3 in slices of bounded size."""
    sizes = pc.struct_field(locators, "size").fill_null(0).to_numpy(zero_copy_only=False)
    for start, end in slices_of_bytes(sizes):
        values = dataset.reader.media.read([locators.slice(start, end - start)], [reader.layout])
        for row, value in enumerate(values, start):
            wanted = expected[row]
            if wanted is not None and digest_of(value.as_buffer()) != wanted:
                raise DataCorrupted(f"{name(row)} has another BLAKE3 than was written")


def slices_of_bytes(sizes: np.ndarray, *, limit_bytes: int = 64 * 1024 * 1024) -> Iterator[tuple[int, int]]:
    """Runs [start, end) of values that together stay below the limit, or are one value."""
    start = 0
    total = 0
    for idx, size in enumerate(sizes.tolist()):
        if total and total + size > limit_bytes:
            yield start, idx
            start, total = idx, 0
        total += size
    if start < len(sizes):
        yield start, len(sizes)


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
