"""Rows of a recipe's output as a source of a commit that knows which sample each row was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa

from headrace.curation.sources import OpenSource
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.datasets.batches import Origin, RowBatch, SampleBatch
from headrace.datasets.lake import Lake
from headrace.datasets.recipe_origins import RecipeOrigin
from headrace.datasets.sources.derived_rows import DerivedRows

__all__ = ["CuratedRows", "recipe_origins"]


def recipe_origins(
    lake: Lake, sources: Mapping[str, OpenSource], *, recipe: str, plan_hash: str, run_id: str
) -> list[RecipeOrigin]:
    """One for each source, in their order."""
    return [
        RecipeOrigin(
            recipe,
            plan_hash,
            run_id,
            source=name,
            lake=None if source.lake.uri == lake.uri else source.lake.uri,
            dataset=source.snapshot.dataset.id,
            snapshot=source.snapshot.id,
        )
        for name, source in sources.items()
    ]


class CuratedRows(DerivedRows):
    """A source for the ingest of any type that reads tables; it can be read more than once."""

    kind: Literal["table"]

    def __init__(
        self,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        rows: StageRows,
        *,
        stage_store: StageStore,
        origins: Sequence[RecipeOrigin],
    ) -> None:
        """`batches` gives the rows as they are committed, in the order of `rows`; `origins` are of `recipe_origins`."""
        self.kind = "table"
        self.origins: list[Origin] = [origin.origin for origin in origins]
        self.num_rows: int | None = rows.num_rows
        self.num_bytes: int | None = None
        self.is_csv = False
        self._batches = batches
        self._rows = rows
        self._stage_store = stage_store
        self._sources = [origin.source for origin in origins]
        self._unknown = replace(origins[0], source=None, lake=None, dataset=None, snapshot=None).origin
        self._ends = np.cumsum([part.num_rows for part in rows.parts])  # [num_parts]
        self._held: tuple[int, list[str | None], list[int]] | None = None  # part, its ids, their origins

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`; a line is the row's number, from 1."""
        start = 0
        for batch in self._batches():
            lines = range(start + 1, start + batch.num_rows + 1)
            yield RowBatch(batch, 0, lines=lines, row_start=start)
            start += batch.num_rows

    def named(self, batches: Iterator[SampleBatch]) -> Iterator[SampleBatch]:
        """As `DerivedRows.named`; a row of no known sample has none."""
        for batch in batches:
            if batch.lines is not None:
                made_from = [self._sample(line) for line in batch.lines]
                batch.members = [sample for sample, _ in made_from]
                batch.origin_idx = [origin for _, origin in made_from]
                batch.lines = None
            batch.rejected = [
                row if row.line is None else replace(row, member=self._sample(row.line)[0], line=None)
                for row in batch.rejected
            ]
            yield batch

    def _sample(self, line: int | None) -> tuple[str | None, int]:
        """Id of the sample that a row was made from, and the number of its origin."""
        if line is None:
            return None, self._unknown_idx()
        part = int(np.searchsorted(self._ends, line - 1, side="right"))
        if self._held is None or self._held[0] != part:
            self._held = (part, *self._samples(part))
        row = line - 1 - (int(self._ends[part - 1]) if part else 0)
        return self._held[1][row], self._held[2][row]

    def _samples(self, part: int) -> tuple[list[str | None], list[int]]:
        rows = StageRows(self._rows.schema, self._rows.parts[part : part + 1])
        names = [name for name in ("_id", "_source") if name in rows.schema.names]
        num_rows = rows.num_rows
        table = self._stage_store.table(rows, columns=names)
        ids = table.column("_id").to_pylist() if "_id" in names else [None] * num_rows
        sources = table.column("_source").to_pylist() if "_source" in names else [None] * num_rows
        # Of one source alone an id can only be from there, whatever SQL did with `_source`.
        only = 0 if len(self._sources) == 1 else None
        numbers = {name: number for number, name in enumerate(self._sources)}
        origins = [
            None if name is None else numbers.get(source, only) for name, source in zip(ids, sources, strict=True)
        ]
        return ids, [self._unknown_idx() if origin is None else origin for origin in origins]

    def _unknown_idx(self) -> int:
        """The origin of rows whose source the run does not know; noted once there is such a row."""
        if len(self.origins) == len(self._sources):
            self.origins.append(self._unknown)
        return len(self._sources)
