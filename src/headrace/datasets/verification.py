"""Reads a whole lake again and compares everything with what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.datasets.addresses import read_addresses
from headrace.datasets.column_rewriting import prove_column
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.manifests import CommitManifest, document_key, read_document
from headrace.datasets.reading import CommitReader
from headrace.datasets.records import CommitRecord
from headrace.datasets.row_proof import prove_rows
from headrace.datasets.sidecars import ColumnManifest
from headrace.errors import DataCorrupted, HeadraceError, NotFound
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.digests import require_digest
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
    _guard(report, None, lambda: found.extend(lake.every_dataset()))
    return found


def _verify_dataset(report: VerifyReport, dataset: Dataset, progress: Progress) -> None:
    name = dataset.name
    _guard(report, name, lambda: _count_entries(report, dataset.log_of_entries.entries()))
    _guard(report, name, dataset.log_of_entries.check_checkpoint)
    if dataset.id in dataset.lake.state().purged:
        return
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
    sets = {item.deleted_rows for item in state.visibilities} | {item.deleted for item in state.snapshots.values()}
    sets |= {item.rows for item in state.redactions} | set(state.fixed_rows.values())
    for digest in sorted(digest for digest in sets if digest is not None):
        _guard(report, name, lambda digest=digest: _addresses(report, dataset, digest))  # type: ignore[misc]
    for digest in sorted(state.column_manifests):
        _guard(report, name, lambda digest=digest: _column(report, dataset, digest, seen))  # type: ignore[misc]
    waiting = [item.condemned for item in state.collections if not item.is_done]
    for digest in [*state.claims, *state.purged_keys, *waiting]:
        _guard(report, name, lambda digest=digest: _document(report, dataset, digest))  # type: ignore[misc]
    for digest in state.packs.values():
        _guard(report, name, lambda digest=digest: _pack(report, dataset, digest, seen))  # type: ignore[misc]
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
    layout = manifest.layout
    shards = layout.shards
    if record.layout is not None:
        layout = dataset.reader.layout(record.layout).of(int(record.commit_id), record.schema)
        shards = ()  # those of many commits: looked at with the first
        if record.layout not in seen:
            seen.add(record.layout)
            _document(report, dataset, record.layout)
            shards = layout.shards
    keys = [(part_key(piece.part.digest), piece.part.digest) for piece in layout.slices]
    keys += [(shard_key(shard.digest), shard.digest) for shard in shards]
    intact = True
    for key, digest in keys:
        if key not in seen:
            seen.add(key)
            intact &= _guard(report, dataset.name, lambda key=key, digest=digest: _object(report, dataset, key, digest))  # type: ignore[misc]
    if not intact:
        return
    reader = CommitReader(store, dataset.base, layout=layout, cache=cache)

    def count(num_rows: int) -> None:
        report.num_rows += num_rows
        progress.advance(num_rows)

    prove_rows(dataset, record, reader, logical=manifest.logical, done=count)


def _document(report: VerifyReport, dataset: Dataset, digest: str) -> Any:
    document = read_document(dataset.lake.store, dataset.base, digest=digest)
    stat = dataset.lake.store.stat(dataset.base + document_key(digest))
    report.num_objects += 1
    report.num_bytes += 0 if stat is None else stat.size
    return document


def _column(report: VerifyReport, dataset: Dataset, digest: str, seen: set[str]) -> None:
    manifest = ColumnManifest.from_json(_document(report, dataset, digest))
    for part in manifest.parts:
        if part_key(part.digest) not in seen:
            seen.add(part_key(part.digest))
            _object(report, dataset, part_key(part.digest), part.digest)
    prove_column(dataset, manifest)


def _pack(report: VerifyReport, dataset: Dataset, digest: str, seen: set[str]) -> None:
    _document(report, dataset, digest)
    layout = dataset.reader.layout(digest)
    keys = [(part_key(part.digest), part.digest) for part in layout.parts]
    keys += [(shard_key(shard.digest), shard.digest) for shard in layout.shards]
    for key, wanted in keys:
        if key not in seen:
            seen.add(key)
            _object(report, dataset, key, wanted)


def _addresses(report: VerifyReport, dataset: Dataset, digest: str) -> None:
    addresses = read_addresses(dataset.lake.store, dataset.base, digest=digest)
    report.num_objects += 1
    report.num_bytes += len(addresses.encoded)


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
