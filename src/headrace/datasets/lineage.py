"""The way back: from a snapshot to its sources and runs, from a sample to the file that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.batches import Origin
from headrace.datasets.columns import media_kind
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.manifests import read_document
from headrace.datasets.media import ParquetCell
from headrace.datasets.promoting import PROMOTED
from headrace.datasets.recipe_origins import RecipeOrigin
from headrace.datasets.records import CommitRecord, RunRecord
from headrace.datasets.sidecars import ColumnSource

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.snapshot import Snapshot

__all__ = [
    "ColumnLineage",
    "CommitLineage",
    "MediaLineage",
    "RunLineage",
    "SampleLineage",
    "SnapshotLineage",
    "find_samples",
    "snapshot_lineage",
]


@dataclass(frozen=True, slots=True)
class CommitLineage:
    """A commit with the sources that it was read from."""

    commit: str
    digest: str
    message: str
    tags: dict[str, str | list[str]]
    num_rows: int
    created_at: str
    actor: str
    sources: tuple[Origin, ...]
    inputs: tuple[RecipeOrigin, ...] = ()  # snapshots that a recipe made it from, with plan and run


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """An added column that a snapshot reads, with what its values came from."""

    column: str
    num_values: int  # in all commits
    sources: tuple[ColumnSource, ...]


@dataclass(frozen=True, slots=True)
class RunLineage:
    """Something that was made from a snapshot."""

    run: str
    name: str
    snapshot: str
    artefacts: tuple[str, ...]
    metrics: dict[str, float]
    created_at: str
    actor: str


@dataclass(frozen=True, slots=True)
class SnapshotLineage(HtmlTable):
    """Where a snapshot comes from and what was made of it."""

    snapshot: str
    dataset: str
    commits: tuple[CommitLineage, ...]
    runs: tuple[RunLineage, ...]
    columns: tuple[ColumnLineage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MediaLineage:
    """Where one media value of a sample lies today."""

    column: str
    digest: str  # BLAKE3 hex of the bytes
    size: int  # bytes
    container: str  # object in the lake, or the adopted object's URI
    offset: int | None  # bytes; None where there is a cell
    is_adopted: bool
    cell: ParquetCell | None = None  # of a value inside an adopted Parquet file


@dataclass(frozen=True, slots=True)
class SampleLineage(HtmlTable):
    """A sample with its way back."""

    id: str
    digest: str  # BLAKE3 hex of the row
    dataset: str
    commit: str
    commit_digest: str
    source: str  # URI of the file, folder or archive
    source_digest: str | None  # BLAKE3 hex of the source file, None for folders and memory
    member: str | None  # path in the folder or archive
    line: int | None  # 1-based
    media: tuple[MediaLineage, ...]
    snapshots: tuple[str, ...]  # ids of logged snapshots that hold it
    runs: tuple[RunLineage, ...]  # runs over those snapshots
    promoted_from: tuple[SampleLineage, ...] = ()  # the sample of another dataset that it was made from
    recipe: RecipeOrigin | None = None  # the run of a recipe that made it; `member` is then the sample that it read
    curated_from: tuple[SampleLineage, ...] = ()  # this sample, if its dataset is in the same lake and not purged

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def snapshot_lineage(snapshot: Snapshot) -> SnapshotLineage:
    """Commits with sources, and runs, of one snapshot."""
    commits = tuple(
        CommitLineage(
            commit=commit.id,
            digest=commit.digest,
            message=commit.message,
            tags=commit.tags,
            num_rows=commit.num_rows,
            created_at=commit.created_at,
            actor=commit.actor,
            sources=tuple(commit.sources),
            inputs=_inputs(commit.sources),
        )
        for commit in snapshot.commits
    )
    runs = tuple(_run(snapshot.dataset, run) for run in snapshot.dataset.runs if run.snapshot_id == snapshot.id)
    manifests = [snapshot.dataset.column_reader(digest).manifest for digest in snapshot.added_columns.values()]
    columns = tuple(ColumnLineage(item.name, item.num_values, item.sources) for item in manifests)
    return SnapshotLineage(snapshot.id, snapshot.dataset.name, commits, runs, columns)


def find_samples(dataset: Dataset, sample: str, *, commits: set[str] | None = None) -> list[SampleLineage]:
    """Every row of the dataset with this `_id` or key, oldest commit first; `commits` limits where to look."""
    prefix, separator, key = sample.partition(":")
    found: list[SampleLineage] = []
    for record in dataset.state().commits:
        if commits is not None and record.commit_id not in commits:
            continue
        keys = dataset.reader.commit(record).columns(["_key"]).column("_key")
        wanted = [sample]
        if separator and prefix == record.commit_id:
            wanted.append(key)
        rows = np.flatnonzero(pc.is_in(keys, pa.array(wanted)).to_numpy())
        found.extend(_sample(dataset, record, int(row)) for row in rows)
    exact = [item for item in found if item.id == sample]
    return exact or found


def _sample(dataset: Dataset, record: CommitRecord, ordinal: int) -> SampleLineage:
    reader = dataset.reader.commit(record)
    layout = reader.layout
    names = ["_key", "_digest", "_origin", "_member", "_line"]
    media_names = [field.name for field in layout.schema if media_kind(field) is not None]
    row = reader.columns([*names, *media_names], ordinals=np.array([ordinal])).to_pylist()[0]
    origin = dataset.reader.manifest(record).origins[row["_origin"]]
    media = []
    for name in media_names:
        locator = row[name]
        if locator is None:
            continue
        is_adopted = locator["shard"] is None
        container, cell = locator["uri"], locator.get("cell")
        if not is_adopted:
            shard = layout.shards[locator["shard"]]
            container = f"{dataset.lake.uri}/{dataset.base}objects/{shard.digest[:2]}/{shard.digest}.tar"
        media.append(
            MediaLineage(
                name,
                locator["digest"].hex(),
                locator["size"],
                container,
                locator["offset"],
                is_adopted,
                None if cell is None else ParquetCell(**cell),
            )
        )
    state = dataset.state()
    snapshots = [
        snapshot_id
        for snapshot_id in state.snapshots
        if dataset.logged_snapshot(snapshot_id).holds(
            record.commit_id, ordinal
        )  # reads rows only if it chose the commit
    ]
    runs = tuple(_run(dataset, run) for run in state.runs if run.snapshot_id in snapshots)
    identity = row["_key"] if state.on_duplicate_key == "replace" else f"{record.commit_id}:{row['_key']}"
    return SampleLineage(
        id=identity,
        digest=row["_digest"].hex(),
        dataset=dataset.name,
        commit=record.commit_id,
        commit_digest=record.digest,
        source=origin.uri,
        source_digest=origin.digest,
        member=row["_member"],
        line=row["_line"],
        media=tuple(media),
        snapshots=tuple(snapshots),
        runs=runs,
        promoted_from=_promoted_from(dataset, origin, row["_member"]),
        recipe=RecipeOrigin.of(origin),
        curated_from=_curated_from(dataset, origin, row["_member"]),
    )


def _promoted_from(dataset: Dataset, origin: Origin, member: str | None) -> tuple[SampleLineage, ...]:
    """The old sample of a row that came by promotion, deleted or not; nothing if it was purged."""
    if not origin.uri.startswith(PROMOTED) or member is None:
        return ()
    number = origin.uri.removeprefix(PROMOTED).partition("@")[0]
    return _samples_of(dataset, number, member)


def _curated_from(dataset: Dataset, origin: Origin, member: str | None) -> tuple[SampleLineage, ...]:
    """The sample that a recipe read, deleted or not; nothing if it was purged, or lies in another lake."""
    recipe = RecipeOrigin.of(origin)
    if recipe is None or recipe.lake is not None or recipe.dataset is None or member is None:
        return ()
    return _samples_of(dataset, recipe.dataset, member)


def _samples_of(dataset: Dataset, number: str, sample: str) -> tuple[SampleLineage, ...]:
    """The samples of this id in the dataset of this number, which lies in the same lake."""
    purged = dataset.lake.state().purged
    old = next((item for item in dataset.lake.every_dataset() if item.id == number and item.id not in purged), None)
    return () if old is None else tuple(item for item in find_samples(old, sample) if item.id == sample)


def _inputs(sources: Sequence[Origin]) -> tuple[RecipeOrigin, ...]:
    found = (RecipeOrigin.of(source) for source in sources)
    return tuple(recipe for recipe in found if recipe is not None and recipe.source is not None)


def _run(dataset: Dataset, record: RunRecord) -> RunLineage:
    document = read_document(dataset.lake.store, dataset.base, digest=record.document)
    return RunLineage(
        run=record.run_id,
        name=record.name,
        snapshot=record.snapshot_id,
        artefacts=tuple(document["artefacts"]),
        metrics={name: float(value) for name, value in document["metrics"].items()},
        created_at=record.created_at,
        actor=record.actor,
    )
