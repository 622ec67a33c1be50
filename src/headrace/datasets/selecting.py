"""From tags, a commit, a time and a filter to the rows that a snapshot chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.datasets.addresses import AddressSet
from headrace.datasets.column_choice import asked_columns, with_added
from headrace.datasets.columns import merge_schemas
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.records import CommitRecord
from headrace.datasets.selection import Selection
from headrace.datasets.snapshot import Snapshot
from headrace.datasets.version_hash import version_hash
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss
from headrace.schema.tags import TagsLike, has_tags, normalise_tags

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["commit_number", "places_of", "select", "selection_of"]


def select(
    dataset: Dataset,
    *,
    tags: TagsLike | None,
    upto: str | int | None,
    until: int | None,
    where: str | None,
    columns: Sequence[str] | None,
) -> Snapshot:
    """As `Dataset.select` says."""
    state = dataset.state()
    wanted = normalise_tags(tags)
    last = commit_number(dataset, state, upto)
    visibility = state.visibility if until is None else state.visibility_at(until)
    chosen = [
        record
        for number, record in enumerate(state.commits, 1)
        if number <= last
        and record.commit_id not in visibility.hidden_commits
        and has_tags(record.tags, wanted)
        and (until is None or record.time <= until)
    ]
    name = version_hash(int(record.commit_id) for record in chosen) if where is None and columns is None else None
    return _selected(
        dataset,
        state,
        chosen,
        deleted=dataset.addresses(visibility.deleted_rows),
        where=where,
        columns=columns,
        version_hash=name,
    )


def selection_of(
    dataset: Dataset,
    commits: Sequence[CommitRecord],
    *,
    left_out: AddressSet,
    where: str | None,
    columns: Sequence[str] | None,
    every_version: bool,
) -> Snapshot:
    """As `Dataset.selection_of` says."""
    return _selected(
        dataset,
        dataset.state(),
        list(commits),
        deleted=left_out,
        where=where,
        columns=columns,
        version_hash=None,
        every_version=every_version,
    )


def _selected(
    dataset: Dataset,
    state: DatasetState,
    chosen: list[CommitRecord],
    *,
    deleted: AddressSet,
    where: str | None,
    columns: Sequence[str] | None,
    version_hash: str | None,
    every_version: bool = False,
) -> Snapshot:
    # By identity, because most commits share one object; a schema that comes again adds nothing.
    schemas = list({id(record.schema): record.schema for record in chosen}.values())
    schema = merge_schemas(schemas) if chosen else state.schema
    if chosen and state.declared is not None:
        schema = _declared_first(schema, state.declared)
    places = places_of(chosen)
    redacted = dataset.addresses(state.redacted_rows).renumbered(places)
    asked = asked_columns(state, schema, columns=columns, where=where)
    if columns is not None:
        columns = _columns(dataset, columns, with_added(schema, state.columns.values()))
    schema = with_added(schema, asked)
    selection = Selection(
        type_name=state.type_name,
        type_version=state.type_version,
        schema=schema,
        key=state.key,
        on_duplicate_key="replace" if state.on_duplicate_key == "replace" and not every_version else "keep",
        commits=tuple(record.digest for record in chosen),
        columns=None if columns is None else tuple(columns),
        where=_filter(where, schema),
        deleted=deleted.renumbered(places),
        added=tuple((item.name, dataset.column_reader(item.manifest).manifest.digest_of(places)) for item in asked),
    )
    return Snapshot(
        dataset,
        selection,
        commits=chosen,
        version_hash=version_hash,
        redacted=redacted,
        redacted_rows=state.redacted_rows,
        added={item.name: item.manifest for item in asked},
    )


def commit_number(dataset: Dataset, state: DatasetState, upto: str | int | None) -> int:
    """The number of the commit with this id, of the last one for None.

    Raises:
        NotFound: There is none.
    """
    if upto is None:
        return len(state.commits)
    text = str(upto)
    if not (text.isascii() and text.isdigit() and text[0] != "0" and int(text) <= len(state.commits)):
        known = f"the commits 1 to {len(state.commits)}" if state.commits else "no commits yet"
        raise NotFound(
            f"there is no commit {text!r} in dataset {dataset.name!r}; it has {known}. "
            f"To see them: headrace dataset log {dataset.reference}"
        )
    return int(text)


def places_of(commits: Sequence[CommitRecord]) -> dict[int, int]:
    """Number of a commit to its place in a selection."""
    return {int(record.commit_id): idx for idx, record in enumerate(commits)}


def _columns(dataset: Dataset, columns: Sequence[str], schema: pa.Schema) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise InvalidInput(f"columns={columns!r}: expected a list of names")
    for name in columns:
        if name not in schema.names:
            raise InvalidInput(
                f"dataset {dataset.name!r} has no column {name!r}.{near_miss(name, schema.names)} Columns: "
                f"{', '.join(schema.names)}",
                column=name,
            )
    if not columns or len(set(columns)) != len(columns):
        raise InvalidInput(f"columns={list(columns)}: expected at least one column, each once")
    return tuple(columns)


def _filter(where: str | None, schema: pa.Schema) -> str | None:
    if where is None:
        return None
    from headrace.datasets.filters import Filter

    return Filter.parse(where, schema).expression


def _declared_first(schema: pa.Schema, declared: pa.Schema) -> pa.Schema:
    names = [name for name in declared.names if name in schema.names]
    rest = [name for name in schema.names if name not in names]
    return pa.schema([schema.field(name) for name in [*names, *rest]])
