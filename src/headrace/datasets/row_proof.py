"""Proves that the rows of a commit, as they lie somewhere, are the rows that were committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import media_kind
from headrace.datasets.manifests import LogicalCommit
from headrace.datasets.reading import CommitReader, Ordinals
from headrace.datasets.row_digests import encode_media, encode_values, row_digests, rows_root
from headrace.datasets.state import CommitRecord
from headrace.errors import DataCorrupted
from headrace.storage.digests import digest_of

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["REDACTED_DIGEST", "prove_rows", "prove_same_rows", "slices_of_bytes"]

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
    digests: list[bytes] = []
    for start in range(0, reader.num_rows, _ROWS):
        ordinals = np.arange(start, min(start + _ROWS, reader.num_rows))
        digests.extend(_digests(dataset, record, reader, ordinals, redacted))
        done(len(ordinals))
    if reader.num_rows != record.num_rows or rows_root(digests) != (record.redacted_root or logical.rows_root):
        raise DataCorrupted(f"commit {record.commit_id} of {dataset.name!r}: its rows do not add up to its digest")


def prove_same_rows(dataset: Dataset, record: CommitRecord, kept: Ordinals | None, reader: CommitReader) -> None:
    """Raise `DataCorrupted` unless a reader gives these rows of a commit, ascending, and nothing else."""
    stored = dataset.reader.commit(record).columns(["_digest"], ordinals=kept).column("_digest").to_pylist()
    for start in range(0, max(reader.num_rows, len(stored)), _ROWS):
        ordinals = np.arange(start, min(start + _ROWS, reader.num_rows))
        if _digests(dataset, record, reader, ordinals, None) != stored[start : start + _ROWS]:
            raise DataCorrupted(f"rows of commit {record.commit_id} of {dataset.name!r} were not copied as they are")


def _digests(
    dataset: Dataset, record: CommitRecord, reader: CommitReader, ordinals: Ordinals, redacted: Ordinals | None
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
        _compare_media(dataset, reader, values, expected, column.name, record)
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
                f"row {ordinal} of commit {record.commit_id} of {dataset.name!r} has the digest {digest.hex()[:16]}…, "
                f"{wanted.hex()[:16]}… was written"
            )
    return found


_EMPTY_ROW = row_digests({}, num_rows=1)[0]


def _compare_media(
    dataset: Dataset,
    reader: CommitReader,
    locators: pa.StructArray,
    expected: list[bytes | None],
    column: str,
    record: CommitRecord,
) -> None:
    """Compare media with BLAKE3 in slices of bounded size."""
    sizes = pc.struct_field(locators, "size").fill_null(0).to_numpy(zero_copy_only=False)
    for start, end in slices_of_bytes(sizes):
        values = dataset.reader.media.read([locators.slice(start, end - start)], [reader.layout])
        for row, value in enumerate(values, start):
            wanted = expected[row]
            if wanted is not None and digest_of(value.as_buffer()) != wanted:
                raise DataCorrupted(
                    f"the {column!r} of a row of commit {record.commit_id} of {dataset.name!r} has another BLAKE3 "
                    "than was written"
                )


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
