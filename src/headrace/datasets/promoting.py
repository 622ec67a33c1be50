"""Promotion: rows of one dataset, seen through expressions, become the first commit of a new one of another type.

    snapshot ─▶ expressions ─▶ PromotedRows (a source) ─▶ the new type's ingest ─▶ commit 1 of the new dataset

Objects belong to one dataset, so media bytes are copied. Each new row's `_member` is the old sample's `_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from headrace.datasets.batches import Origin, RejectedRow, RowBatch, SampleBatch
from headrace.datasets.columns import media_kind
from headrace.datasets.filters import Expression
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.sources.derived_rows import DerivedRows
from headrace.datasets.types.registry import dataset_type
from headrace.errors import AlreadyExists, InvalidInput
from headrace.progress import Progress
from headrace.schema.names import check_dataset_name

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.snapshot import Snapshot

__all__ = ["PROMOTED", "PromotedRows", "PromotionReport", "promote"]

PROMOTED = "headrace:"
"""Starts the origin of promoted rows; the old dataset's id, `@id:` and the snapshot's id follow."""

_BATCH_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class PromotionReport(HtmlTable):
    """What became of the rows."""

    dataset: Dataset  # the new one
    snapshot: str  # id of the logged snapshot of the old dataset that was read
    num_rows: int
    num_refused: int
    refused: tuple[RejectedRow, ...]  # `member` is the old sample's `_id`; at most 10,000

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "dataset": self.dataset.name,
            "dataset_id": self.dataset.id,
            "snapshot": self.snapshot,
            "num_rows": self.num_rows,
            "num_refused": self.num_refused,
            "refused": [{"id": row.member, "reason": row.reason} for row in self.refused],
        }


def promote(
    dataset: Dataset,
    name: str,
    *,
    type_name: str,
    mapping: Mapping[str, str],
    where: str | None,
    on_invalid: str,
    message: str | None,
    description: str,
    owner: str | None,
    progress: Progress,
) -> PromotionReport:
    """As `Dataset.promote` says: a promotion that fails leaves no dataset.

    Raises:
        AlreadyExists: The name is taken.
        InvalidInput: A bad expression, or a row that breaks a rule of the type (unless it is to be left out).
    """
    check_dataset_name(name)
    kind = dataset_type(type_name)
    if any(item.name == name for item in dataset.lake.datasets()):
        raise AlreadyExists(f"lake {dataset.lake.uri} has a dataset {name!r} already; choose another name")
    snapshot = dataset.select(where=where)
    source = PromotedRows(snapshot, mapping, key=kind.key)
    new = dataset.lake.create_dataset(
        name,
        type=kind.name,
        source=source,
        on_invalid=on_invalid,
        message=f"Promoted from {dataset.name}" if message is None else message,
        description=description,
        owner=owner,
        progress=progress,
    )
    dataset.log_snapshot(snapshot)  # the rows' origin names it
    commit = new.log()[0]
    return PromotionReport(new, snapshot.id, commit.num_rows, commit.num_rejected, tuple(commit.rejected))


class PromotedRows(DerivedRows):
    """Rows of a snapshot under new names: a source for the ingest of any type that reads tables."""

    kind: Literal["table"]

    def __init__(self, snapshot: Snapshot, mapping: Mapping[str, str], *, key: str | None) -> None:
        """`key`: key column of the new type; where no expression gives it, it is the old key or `_id`."""
        if not isinstance(mapping, Mapping) or not mapping:
            raise InvalidInput("mapping= says what each new column is made from, such as {'image': 'data'}")
        self.kind = "table"
        self.origins = [Origin(f"{PROMOTED}{snapshot.dataset.id}@id:{snapshot.id}", None, snapshot.id)]
        self.num_rows: int | None = snapshot.num_rows
        self.num_bytes: int | None = None
        self.is_csv = False
        self._snapshot = snapshot
        self._ids: list[str] = []
        schema = snapshot.schema
        self._whole: dict[str, str] = {}  # new columns that are old ones as they are
        self._made: dict[str, Expression] = {}
        for column, text in mapping.items():
            if not isinstance(text, str):
                raise InvalidInput(f"is made from {text!r}; expected an expression as text", column=str(column))
            if text in schema.names:
                self._whole[column] = text
            else:
                self._made[column] = Expression.parse(text, schema, subject=f"mapping of {column!r}")
        self._key = key if key is not None and key not in mapping else None
        self._order = [*([self._key] if self._key is not None else []), *mapping]

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`; a line is the row's number in the snapshot, from 1."""
        snapshot = self._snapshot
        self._ids = snapshot.to_arrow(["_id"]).column("_id").to_pylist()
        keys = self._keys()
        media = [name for name in self._whole.values() if media_kind(snapshot.schema.field(name)) is not None]
        plain = sorted({name for item in self._made.values() for name in item.columns})
        for start in range(0, snapshot.num_rows, _BATCH_ROWS):
            rows = np.arange(start, min(start + _BATCH_ROWS, snapshot.num_rows))
            for run in snapshot.bounded_runs(rows, media):
                columns: dict[str, pa.Array | pa.ChunkedArray] = {}
                whole = snapshot.take(run, columns=sorted(set(self._whole.values())))
                narrow = snapshot.take_narrow(run, columns=[*plain, "_digest"])
                for column in self._order:
                    if column == self._key:
                        columns[column] = pa.array([keys[row] for row in run.tolist()], pa.string())
                    elif column in self._whole:
                        columns[column] = whole.column(self._whole[column])
                    else:
                        columns[column] = self._made[column].values(narrow)
                table = pa.table(columns).combine_chunks()
                (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
                yield RowBatch(batch, 0, lines=(run + 1).tolist(), row_start=int(run[0]))

    def named(self, batches: Iterator[SampleBatch]) -> Iterator[SampleBatch]:
        """As `DerivedRows.named`; media goes by the old sample's id too."""
        for batch in batches:
            if batch.lines is not None:
                ids = [None if line is None else self._ids[line - 1] for line in batch.lines]
                for column, values in batch.columns.items():
                    if isinstance(values, list):
                        batch.columns[column] = [
                            value if value is None or name is None else replace(value, name=name)
                            for name, value in zip(ids, values, strict=True)
                        ]
                batch.members, batch.lines = ids, None
            batch.rejected = [
                row if row.line is None else replace(row, member=self._ids[row.line - 1], line=None)
                for row in batch.rejected
            ]
            yield batch

    def _keys(self) -> Sequence[str]:
        """The old keys where they tell the rows apart, else their ids."""
        keys = [self._snapshot.key_of(name) for name in self._ids]
        is_keyed = self._snapshot.dataset.key is not None
        return keys if is_keyed and len(set(keys)) == len(keys) else self._ids
