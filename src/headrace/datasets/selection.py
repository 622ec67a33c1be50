"""What a snapshot selects, as a document that names it, and as row addresses once somebody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.datasets.addresses import AddressSet
from headrace.datasets.columns import media_kind, schema_from_json, schema_to_json
from headrace.datasets.reading import Ordinals, RowReader
from headrace.datasets.records import OnDuplicateKey
from headrace.datasets.splitting import assign_splits
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.digests import digest_hex

if TYPE_CHECKING:
    from headrace.datasets.filters import Filter

__all__ = ["Selection", "SplitStep", "select_rows"]


@dataclass(frozen=True, slots=True)
class SplitStep:
    """One side of a split."""

    name: str
    fractions: tuple[tuple[str, str], ...]  # name and fraction as decimal text, in order
    seed: int
    stratify: str | None
    group: str | None

    def to_json(self) -> JsonValue:
        """The part of the selection's document."""
        return {
            "name": self.name,
            "fractions": [list(item) for item in self.fractions],
            "seed": self.seed,
            "stratify": self.stratify,
            "group": self.group,
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """Digests and rules only, so that the same choice of the same content has the same id anywhere."""

    type_name: str
    type_version: int
    schema: pa.Schema  # added columns stand in it only if the snapshot asks for them
    key: str | None
    on_duplicate_key: OnDuplicateKey
    commits: tuple[str, ...]  # digests of logical commits, in commit order
    columns: tuple[str, ...] | None = None
    where: str | None = None
    splits: tuple[SplitStep, ...] = field(default=())
    deleted: AddressSet = field(default_factory=AddressSet)  # rows left out; groups are places in `commits`
    added: tuple[tuple[str, str], ...] = ()  # added columns by name, with digests of their content in `commits`

    def to_json(self) -> JsonValue:
        """The canonical document; `deleted` and `added` stand in it only if there is something."""
        document = {
            "format": 1,
            "type": self.type_name,
            "type_version": self.type_version,
            "schema": sorted(schema_to_json(self.schema), key=lambda column: str(column["name"])),
            "key": self.key,
            "on_duplicate_key": self.on_duplicate_key,
            "commits": list(self.commits),
            "columns": None if self.columns is None else list(self.columns),
            "where": self.where,
            "splits": [step.to_json() for step in self.splits],
        }
        if self.deleted:
            document["deleted"] = self.deleted.digest
        if self.added:
            document["added"] = dict(self.added)
        return document

    @classmethod
    def from_json(cls, document: JsonValue, *, column_order: Sequence[str], deleted: AddressSet) -> Selection:
        """Read a stored document; the order of columns is kept beside it, because it does not name the snapshot.

        `deleted` is the set whose digest the document names.
        """
        by_name = schema_from_json(document["schema"])
        return cls(
            document["type"],
            document["type_version"],
            pa.schema([by_name.field(name) for name in column_order]),
            document["key"],
            document["on_duplicate_key"],
            tuple(document["commits"]),
            None if document["columns"] is None else tuple(document["columns"]),
            document["where"],
            tuple(
                SplitStep(
                    step["name"],
                    tuple((name, fraction) for name, fraction in step["fractions"]),
                    step["seed"],
                    step["stratify"],
                    step["group"],
                )
                for step in document["splits"]
            ),
            deleted,
            tuple(sorted(document.get("added", {}).items())),
        )

    @property
    def id(self) -> str:
        """BLAKE3 hex of the canonical document."""
        return digest_hex(canonical_json(self.to_json()))

    @property
    def selects_all_rows(self) -> bool:
        """Whether every row of the chosen commits belongs."""
        return not self.needs_columns and not self.deleted

    @property
    def needs_columns(self) -> bool:
        """Whether columns must be read to know which rows belong."""
        replaces = self.on_duplicate_key == "replace" and len(self.commits) > 1
        return replaces or self.where is not None or bool(self.splits)

    @property
    def visible_schema(self) -> pa.Schema:
        """The chosen columns in their chosen order; added ones only if they were chosen by name."""
        if self.columns is None:
            added = dict(self.added)
            return pa.schema([field for field in self.schema if field.name not in added]) if added else self.schema
        return pa.schema([self.schema.field(name) for name in self.columns])


def select_rows(
    selection: Selection,
    *,
    num_rows: Sequence[int],
    readers: Callable[[], Sequence[RowReader]],
    redacted: AddressSet,
) -> list[Ordinals | None]:
    """For each commit the ordinals of its rows that belong, ascending; None where all do.

    Args:
        num_rows: Rows of each chosen commit.
        readers: Called only if columns must be read to decide.
        redacted: Rows whose content was purged since; groups are places among the commits.
    """
    left_out = selection.deleted | redacted
    rows = [_complement(left_out.of(idx), count) for idx, count in enumerate(num_rows)]
    if not selection.needs_columns:
        return rows
    commits = readers()
    if selection.on_duplicate_key == "replace" and len(commits) > 1:
        rows = _last_of_each_key(commits, rows)
    if selection.where is not None:
        from headrace.datasets.filters import Filter  # brings DuckDB, which worker processes do without

        condition = Filter.parse(selection.where, selection.schema)
        rows = [
            _filtered(condition, reader, kept, selection.schema) for reader, kept in zip(commits, rows, strict=True)
        ]
    for level, step in enumerate(selection.splits):
        rows = _split(step, commits, rows, level=level, is_keyed=selection.key is not None)
    return rows


def _complement(left_out: Ordinals | None, num_rows: int) -> Ordinals | None:
    if left_out is None:
        return None
    is_kept = np.ones(num_rows, dtype=bool)
    is_kept[left_out] = False
    return np.flatnonzero(is_kept)


def _last_of_each_key(readers: Sequence[RowReader], rows: Sequence[Ordinals | None]) -> list[Ordinals | None]:
    """Among several commits the later row of a key wins."""
    columns = [
        reader.columns(["_key"], ordinals=kept).column("_key") for reader, kept in zip(readers, rows, strict=True)
    ]
    keys = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    if len(keys) == 0:
        return list(rows)
    codes = keys.combine_chunks()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.chunk(0)
    indices = codes.dictionary_encode().indices.to_numpy(zero_copy_only=False)  # [num_rows]
    winner = np.zeros(int(indices.max()) + 1, dtype=np.int64)
    winner[indices] = np.arange(len(indices))  # the last assignment to a key stays
    winners = np.sort(winner)
    found: list[Ordinals | None] = []
    start = 0
    for column, kept in zip(columns, rows, strict=True):
        end = start + len(column)
        mine = winners[np.searchsorted(winners, start) : np.searchsorted(winners, end)] - start
        found.append(kept if len(mine) == len(column) else mine if kept is None else kept[mine])
        start = end
    return found


def _filtered(condition: Filter, reader: RowReader, kept: Ordinals | None, schema: pa.Schema) -> Ordinals | None:
    table = reader.narrow([*condition.columns, "_digest"], ordinals=kept)
    for name in condition.columns:
        field = schema.field(name)
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, field.type))
        elif media_kind(field) is None and table.schema.field(name).type != field.type:
            # Numbers that a later commit widened: the filter means the same for all rows.
            table = table.set_column(table.column_names.index(name), name, table.column(name).cast(field.type))
    mask = condition.mask(table)
    if mask.all():
        return kept
    positions = np.flatnonzero(mask)
    return positions if kept is None else kept[positions]


def _split(
    step: SplitStep,
    readers: Sequence[RowReader],
    rows: Sequence[Ordinals | None],
    *,
    level: int,
    is_keyed: bool,
) -> list[Ordinals | None]:
    needed = [name for name in (step.stratify, step.group) if name is not None]
    name = "_key" if is_keyed else "_digest"
    tables = [reader.narrow([name, *needed], ordinals=kept) for reader, kept in zip(readers, rows, strict=True)]
    counts = [table.num_rows for table in tables]
    merged = pa.concat_tables(tables, promote_options="permissive").combine_chunks() if tables else None
    if merged is None or merged.num_rows == 0:
        return list(rows)

    def column(wanted: str | None) -> pa.Array | None:
        if wanted is None:
            return None
        if wanted not in merged.column_names:
            return pa.nulls(merged.num_rows, pa.string())
        return merged.column(wanted).combine_chunks()

    names = [item for item, _ in step.fractions]
    sides = assign_splits(
        {item: float(fraction) for item, fraction in step.fractions},
        keys=merged.column(name).combine_chunks(),
        seed=step.seed,
        level=level,
        strata=column(step.stratify),
        groups=column(step.group),
    )  # [num_rows]
    mine = sides == names.index(step.name)
    found: list[Ordinals | None] = []
    start = 0
    for count, kept in zip(counts, rows, strict=True):
        positions = np.flatnonzero(mine[start : start + count])
        found.append(positions if kept is None else kept[positions])
        start += count
    return found
