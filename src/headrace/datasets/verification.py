"""Reads a whole lake again and compares everything with what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import media_kind
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.manifests import CommitManifest, document_key, read_document
from headrace.datasets.reading import CommitReader
from headrace.datasets.row_digests import encode_media, encode_values, row_digests, rows_root
from headrace.datasets.state import CommitRecord
from headrace.errors import DataCorrupted, HeadraceError, NotFound
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.digests import digest_of, require_digest
from headrace.storage.parts import PartCache, part_key
from headrace.storage.shards import shard_key

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake

__all__ = ["Problem", "VerifyReport", "verify_lake"]

_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written."""

    dataset: str | None
    code: str
    message: str


@dataclass(slots=True)
class VerifyReport(HtmlTable):
    """What was read and what was wrong."""

    num_datasets: int = 0
    num_entries: int = 0
    num_objects: int = 0
    num_rows: int = 0
    num_bytes: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {"ok": self.ok, **asdict(self)}


def verify_lake(lake: Lake, *, progress: Progress = NO_PROGRESS) -> VerifyReport:
    """Replay the chain of each log, read each referenced object, recompute each row's digest and each commit's.

    Media is compared with its BLAKE3, adopted media too. A problem is reported and the rest is still read.
    """
    report = VerifyReport()
    try:
        progress.start("lake log")
        _guard(report, None, lambda: _count_entries(report, lake.log_of_entries.entries()))
        _guard(report, None, lake.log_of_entries.check_checkpoint)
        for dataset in _datasets(report, lake):
            report.num_datasets += 1
            progress.start(dataset.name)
            _verify_dataset(report, dataset, progress)
    finally:
        progress.finish()
    return report


def _datasets(report: VerifyReport, lake: Lake) -> list[Dataset]:
    found: list[Dataset] = []
    _guard(report, None, lambda: found.extend(lake.datasets()))
    return found


def _verify_dataset(report: VerifyReport, dataset: Dataset, progress: Progress) -> None:
    name = dataset.name
    _guard(report, name, lambda: _count_entries(report, dataset.log_of_entries.entries()))
    _guard(report, name, dataset.log_of_entries.check_checkpoint)
    records: list[CommitRecord] = []
    if not _guard(report, name, lambda: records.extend(dataset.state().commits)):
        return
    cache = PartCache()
    seen: set[str] = set()
    for record in records:
        _guard(report, name, lambda record=record: _verify_commit(report, dataset, record, cache, seen, progress))  # type: ignore[misc]
    state = dataset.state()
    for snapshot in state.snapshots.values():
        _guard(report, name, lambda snapshot=snapshot: _document(report, dataset, snapshot.manifest))  # type: ignore[misc]
    for run in state.runs:
        _guard(report, name, lambda run=run: _document(report, dataset, run.document))  # type: ignore[misc]


def _verify_commit(
    report: VerifyReport, dataset: Dataset, record: CommitRecord, cache: PartCache, seen: set[str], progress: Progress
) -> None:
    manifest = CommitManifest.from_json(_document(report, dataset, record.manifest))
    _document(report, dataset, record.statistics)
    if manifest.logical.digest != record.digest:
        raise DataCorrupted(f"commit {record.commit_id} of {dataset.name!r}: manifest and log name different digests")
    store = dataset.lake.store
    keys = [(part_key(part.digest), part.digest) for part in manifest.parts]
    keys += [(shard_key(shard.digest), shard.digest) for shard in manifest.shards]
    intact = True
    for key, digest in keys:
        if key not in seen:
            seen.add(key)
            intact &= _guard(report, dataset.name, lambda key=key, digest=digest: _object(report, dataset, key, digest))  # type: ignore[misc]
    if not intact:
        return
    reader = CommitReader(store, dataset.base, manifest=manifest, cache=cache)
    digests: list[bytes] = []
    for start in range(0, reader.num_rows, _ROWS):
        ordinals = np.arange(start, min(start + _ROWS, reader.num_rows))
        digests.extend(_rows(dataset, reader, ordinals, record))
        report.num_rows += len(ordinals)
        progress.advance(len(ordinals))
    if rows_root(digests) != manifest.logical.rows_root:
        raise DataCorrupted(f"commit {record.commit_id} of {dataset.name!r}: its rows do not add up to its digest")


def _rows(dataset: Dataset, reader: CommitReader, ordinals: np.ndarray, record: CommitRecord) -> list[bytes]:
    schema = reader.manifest.schema
    table = reader.columns([*schema.names, "_digest"], ordinals=ordinals)
    encoded: dict[str, list[bytes]] = {}
    for column in schema:
        if column.name not in table.column_names:
            continue
        values = _chunk(table.column(column.name))
        if media_kind(column) is None:
            encoded[column.name] = encode_values(column.name, values=values)
            continue
        expected = pc.struct_field(values, "digest").to_pylist()
        _media(dataset, reader, values, expected, column.name, record)
        encoded[column.name] = encode_media(column.name, digests=expected)
    found = row_digests(encoded, num_rows=len(ordinals))
    stored = table.column("_digest").to_pylist()
    for ordinal, digest, wanted in zip(ordinals.tolist(), found, stored, strict=True):
        if digest != wanted:
            raise DataCorrupted(
                f"row {ordinal} of commit {record.commit_id} of {dataset.name!r} has the digest {digest.hex()[:16]}…, "
                f"{wanted.hex()[:16]}… was written"
            )
    return found


def _media(
    dataset: Dataset,
    reader: CommitReader,
    locators: pa.StructArray,
    expected: list[bytes | None],
    column: str,
    record: CommitRecord,
) -> None:
    """Compare media with BLAKE3 in slices of bounded size."""
    sizes = pc.struct_field(locators, "size").fill_null(0).to_numpy(zero_copy_only=False)
    for start, end in _slices(sizes):
        values = dataset.reader.media.read([locators.slice(start, end - start)], [reader.manifest])
        for row, value in enumerate(values, start):
            wanted = expected[row]
            if wanted is not None and digest_of(value.as_buffer()) != wanted:
                raise DataCorrupted(
                    f"the {column!r} of a row of commit {record.commit_id} of {dataset.name!r} has another BLAKE3 "
                    "than was written"
                )


def _slices(sizes: np.ndarray, *, limit_bytes: int = 64 * 1024 * 1024) -> Iterator[tuple[int, int]]:
    start = 0
    total = 0
    for idx, size in enumerate(sizes.tolist()):
        if total and total + size > limit_bytes:
            yield start, idx
            start, total = idx, 0
        total += size
    if start < len(sizes):
        yield start, len(sizes)


def _document(report: VerifyReport, dataset: Dataset, digest: str) -> Any:
    document = read_document(dataset.lake.store, dataset.base, digest=digest)
    stat = dataset.lake.store.stat(dataset.base + document_key(digest))
    report.num_objects += 1
    report.num_bytes += 0 if stat is None else stat.size
    return document


def _object(report: VerifyReport, dataset: Dataset, key: str, digest: str) -> None:
    store = dataset.lake.store
    data = store.get(dataset.base + key)
    require_digest(data, digest, name=f"{store.uri}/{dataset.base}{key}")
    report.num_objects += 1
    report.num_bytes += len(data)


def _count_entries(report: VerifyReport, entries: Iterator[Any]) -> None:
    for _ in entries:
        report.num_entries += 1


def _guard(report: VerifyReport, dataset: str | None, check: Callable[[], Any]) -> bool:
    """Run one check; what it finds wrong becomes a problem. True if nothing was."""
    try:
        check()
    except (DataCorrupted, NotFound) as error:
        report.problems.append(Problem(dataset, error.code, str(error)))
        return False
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        if isinstance(error, HeadraceError):
            raise
        report.problems.append(
            Problem(dataset, DataCorrupted.code, f"an object has another form than expected: {error!r}")
        )
        return False
    return True


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
