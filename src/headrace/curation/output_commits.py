"""Rows of a last stage as a commit of a dataset, media included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.curated_rows import CuratedRows
from headrace.curation.media_access import MediaAccess
from headrace.curation.sources import OpenSource
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.static_plan import StaticOutput
from headrace.datasets.columns import media_kind
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.recipe_origins import RecipeOrigin
from headrace.datasets.snapshot import Snapshot
from headrace.errors import AlreadyExists, Conflict, DataCorrupted, HeadraceError, InvalidInput, NotFound
from headrace.progress import Progress
from headrace.schema.tags import Tag, has_tags, normalise_tags

__all__ = ["CONTENT_TAG", "commit_output", "committed_output"]

CONTENT_TAG = "curated"
"""Tag of a commit whose value says which rows it holds, so that a run that gives them again finds it."""

_BATCH_ROWS = 512


def committed_output(lake: Lake, output: StaticOutput, rows: StageRows) -> Snapshot | None:
    """The snapshot of the first commit that holds exactly these rows; two runs may have raced to make one."""
    try:
        dataset = lake.dataset(output.dataset)
    except NotFound:
        return None
    wanted = _tags(output, rows)
    for commit in dataset.log():
        if commit.num_rows == rows.num_rows and has_tags(normalise_tags(commit.tags), wanted):
            snapshot = dataset.snapshot(tags=wanted, upto=commit.id)
            if snapshot.num_rows == rows.num_rows:  # nobody has deleted it, or some of its rows
                return snapshot
    return None


def commit_output(
    lake: Lake,
    output: StaticOutput,
    rows: StageRows,
    *,
    stage_store: StageStore,
    sources: Mapping[str, OpenSource],
    origins: Sequence[RecipeOrigin],
    message: str,
    progress: Progress,
) -> Snapshot:
    """Commit the rows, and take the snapshot of this commit alone.

    The dataset is made if there is none: of the sources' type where they have one and the columns that it needs came
    through, else a TABLE. Keys that come twice, from several commits or sources, give way to the rows' ids. The commit
    says which snapshots, plan and run made it, and of each row which sample it was.

    Args:
        origins: From `recipe_origins`.

    Raises:
        InvalidInput: No rows came through, or the dataset there has other columns.
        DataCorrupted: Media of a source is not what was written.
    """
    if not rows.num_rows:
        raise InvalidInput(
            f"output {output.name!r}: no row came through stage {output.stage!r}, so there is nothing to commit. To "
            "see where they were dropped: headrace recipe show last"
        )
    tags = _tags(output, rows)
    schema = _output_schema(rows)
    dataset: Dataset | None
    try:
        dataset = lake.dataset(output.dataset)
        kind, key = dataset.type, dataset.key
    except NotFound:
        dataset = None
        kind, key = _dataset_type(rows, sources)
    renamed = key if key is not None and key in schema.names and not _is_unique(rows, key, stage_store) else None
    batches = partial(_batches, rows, schema, stage_store=stage_store, sources=sources, renamed=renamed)
    source = CuratedRows(batches, rows, stage_store=stage_store, origins=origins)
    if dataset is None:
        options = {"type": kind, "key": key} if kind == "TABLE" else {"type": kind}
        try:
            lake.create_dataset(output.dataset, source=source, tags=tags, message=message, progress=progress, **options)
        except AlreadyExists:  # another run was first; it may have committed the same rows
            made = committed_output(lake, output, rows)
            if made is not None:
                return made
            lake.dataset(output.dataset).commit(source, tags=tags, message=message, progress=progress)
    else:
        dataset.commit(source, tags=tags, message=message, progress=progress)
    found = committed_output(lake, output, rows)
    if found is None:
        raise Conflict(f"output {output.name!r}: its commit was deleted as soon as it was made; run the recipe again")
    return found


def _tags(output: StaticOutput, rows: StageRows) -> tuple[Tag, ...]:
    return (*output.tags, (CONTENT_TAG, rows.content_id[:32]))


def _output_schema(rows: StageRows) -> pa.Schema:
    """Columns that are committed: media as bytes, none of those that belong to the run."""
    fields = [field for field in rows.schema if not field.name.startswith("_")]
    return pa.schema([field if media_kind(field) is None else field.with_type(pa.large_binary()) for field in fields])


def _batches(
    rows: StageRows,
    schema: pa.Schema,
    *,
    stage_store: StageStore,
    sources: Mapping[str, OpenSource],
    renamed: str | None,
) -> Iterator[pa.RecordBatch]:
    """`renamed`: the key column, whose values give way to the rows' ids."""
    snapshots = {name: source.snapshot for name, source in sources.items()}
    access = MediaAccess(snapshots, stage_store.store, stage_store.base)
    media = [field.name for field in schema if media_kind(field) is not None]
    for part in stage_store.tables(rows):
        for start in range(0, part.num_rows, _BATCH_ROWS):
            table = part.slice(start, _BATCH_ROWS)
            columns = {name: table.column(name) for name in schema.names if name not in media}
            if renamed is not None:
                parts = [table.column("_source"), table.column("_id")] if len(sources) > 1 else [table.column("_id")]
                columns[renamed] = pc.binary_join_element_wise(*parts, ":").cast(schema.field(renamed).type)
            if media:
                columns |= {name: pa.chunked_array([_bytes_of(table, name, access)]) for name in media}
            yield from pa.table([columns[name] for name in schema.names], schema=schema).combine_chunks().to_batches()


def _bytes_of(table: pa.Table, name: str, access: MediaAccess) -> pa.Array:
    values: list[bytes | None] = [None] * table.num_rows
    for places, contents in access.runs(table, [name]):
        for place, content in zip(places.tolist(), contents[name], strict=True):
            if isinstance(content, HeadraceError):
                raise DataCorrupted(f"row {table.column('_id')[place]}: {content.message}") from content
            values[place] = content
    return pa.array(values, pa.large_binary())


def _dataset_type(rows: StageRows, sources: Mapping[str, OpenSource]) -> tuple[str, str | None]:
    """The type that a new dataset gets, and its key column."""
    names = set(_output_schema(rows).names)
    kinds = {source.snapshot.dataset.dataset_type for source in sources.values()}
    if len(kinds) == 1:
        kind = next(iter(kinds))
        if kind.name not in ("TABLE", "GENERIC") and {field.name for field in kind.ingest_schema(None)} <= names:
            return kind.name, kind.key
    keys = {source.snapshot.dataset.key for source in sources.values()}
    key = next(iter(keys)) if len(keys) == 1 else None
    return "TABLE", key if key in names and "_id" in rows.schema.names else None


def _is_unique(rows: StageRows, key: str, stage_store: StageStore) -> bool:
    values = stage_store.table(rows, columns=[key]).column(key)
    return values.null_count == 0 and int(pc.count_distinct(values).as_py()) == len(values)
