"""What a stage of a run did with its rows: counts, why rows left, histograms with the cut, and samples of both sides.

Nothing of it is computed by a run: it is read from the rows and records that every stage keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.drop_groups import DropGroup, FailureGroup, group_drops, group_failures
from headrace.curation.row_choice import choose_rows
from headrace.curation.run_records import RunRecord, StageRecord
from headrace.curation.stage_histogram import StageHistogram
from headrace.curation.stage_measures import stage_histograms
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore

__all__ = ["StageCounts", "StageSample", "StageSummary", "count_stage", "count_stages", "summarise_stage"]

NUM_SAMPLES = 20
_VALUE_LENGTH = 300  # characters of one value of a sample
_HIDDEN = ("_source", "_row", "_digest")


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Rows in and out of a stage, and why the others left.

    Attributes:
        what: The expression, SQL, command or operators.
        dropped: The largest group first; None where the stage's records are not kept any more.
        quarantined: As `dropped`.
    """

    stage: str
    kind: str
    what: str
    rows_in: int
    rows_out: int
    num_dropped: int
    num_quarantined: int
    dropped: tuple[DropGroup, ...] | None
    quarantined: tuple[FailureGroup, ...] | None

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "stage": self.stage,
            "kind": self.kind,
            "what": self.what,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "dropped": self.num_dropped,
            "quarantined": self.num_quarantined,
            "dropped_by": None
            if self.dropped is None
            else [
                {
                    "operator": group.operator,
                    "reason": group.reason,
                    "threshold": group.threshold,
                    "num_rows": group.num_rows,
                }
                for group in self.dropped
            ],
            "quarantined_by": None
            if self.quarantined is None
            else [
                {"operator": group.operator, "class": group.error_class, "num_rows": group.num_rows}
                for group in self.quarantined
            ],
        }


@dataclass(frozen=True, slots=True)
class StageSample:
    """A row that a stage kept or dropped.

    Attributes:
        id: None where SQL made rows without `_id`.
        values: Of a kept row as it came out, of a dropped one as it came in; empty where that is not kept. Long texts
            are cut to 300 characters, media is its size and format.
        operator: Which dropped it; None for a kept row, like the three below.
    """

    id: str | None
    values: Mapping[str, object]
    operator: str | None = None
    reason: str | None = None
    value: str | None = None
    threshold: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain document; a kept row has no reason."""
        document: dict[str, Any] = {"id": self.id, "values": dict(self.values)}
        if self.operator is not None:
            document |= {
                "operator": self.operator,
                "reason": self.reason,
                "value": self.value,
                "threshold": self.threshold,
            }
        return document


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What a stage did, in full.

    Attributes:
        histograms: Of the numbers that it dropped rows by, then of the columns of numbers that it gave.
        kept: At most 20 rows, chosen by a hash of their ids: the same in every run that has them.
        dropped: As `kept`.
    """

    run_id: str
    counts: StageCounts
    histograms: tuple[StageHistogram, ...]
    kept: tuple[StageSample, ...]
    dropped: tuple[StageSample, ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `headrace recipe explain --stage --json`."""
        return {
            "run_id": self.run_id,
            **self.counts.to_json(),
            "histograms": [histogram.to_json() for histogram in self.histograms],
            "samples": {
                "kept": [sample.to_json() for sample in self.kept],
                "dropped": [sample.to_json() for sample in self.dropped],
            },
        }

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"<StageSummary {counts.stage} of {self.run_id}: {counts.rows_in} rows in, {counts.rows_out} out, "
            f"{counts.num_dropped} dropped, {counts.num_quarantined} quarantined>"
        )


def count_stages(
    stage_store: StageStore, record: RunRecord, results: Mapping[str, StageResult]
) -> tuple[StageCounts, ...]:
    """Each stage of a run in short; `results` are those that are still kept."""
    return tuple(count_stage(stage_store, stage, results.get(stage.name)) for stage in record.stages)


def count_stage(stage_store: StageStore, record: StageRecord, result: StageResult | None) -> StageCounts:
    """One stage in short."""
    dropped: tuple[DropGroup, ...] | None = None
    failed: tuple[FailureGroup, ...] | None = None
    if result is not None:
        dropped, _ = group_drops(stage_store.tables(result.dropped))
        failed = group_failures(stage_store.tables(result.failed, columns=["operator", "class"]))
    return _counts(record, dropped, failed)


def summarise_stage(
    stage_store: StageStore,
    record: StageRecord,
    result: StageResult,
    *,
    inputs: Mapping[str, StageRows],
    run_id: str,
    num_samples: int = NUM_SAMPLES,
) -> StageSummary:
    """Read part by part: memory holds the columns in question of one part, and the samples.

    Args:
        inputs: Rows by the names of the stages and sources that it reads, as far as they are kept.

    Raises:
        DataCorrupted: A part is not what was written.
    """
    groups, measured = group_drops(stage_store.tables(result.dropped))
    failed = group_failures(stage_store.tables(result.failed, columns=["operator", "class"]))
    came = next((inputs[origin] for origin in record.inputs.values() if origin in inputs), None)
    kept_rows = came if record.kind == "check" and came is not None else result.rows
    return StageSummary(
        run_id,
        _counts(record, groups, failed),
        stage_histograms(stage_store, record, result, inputs=inputs, measured=measured),
        _kept_samples(stage_store, kept_rows, num_samples),
        _dropped_samples(stage_store, result.dropped, came, num_samples),
    )


def _counts(
    record: StageRecord, dropped: tuple[DropGroup, ...] | None, failed: tuple[FailureGroup, ...] | None
) -> StageCounts:
    return StageCounts(
        record.name,
        record.kind,
        record.summary,
        record.rows_in,
        record.rows_out,
        record.dropped,
        record.quarantined,
        dropped,
        failed,
    )


def _kept_samples(stage_store: StageStore, rows: StageRows, num_samples: int) -> tuple[StageSample, ...]:
    has_ids = "_id" in rows.schema.names
    if has_ids:
        ids = (table.column("_id") for table in stage_store.tables(rows, columns=["_id"]))
        places = choose_rows(ids, num_rows=num_samples)
    else:
        numbered = (pa.array([f"{part}:{row}" for row in range(item.num_rows)]) for part, item in enumerate(rows.parts))
        places = choose_rows(numbered, num_rows=num_samples)
    found = stage_store.take(rows, places, columns=_shown_columns(rows))
    return tuple(StageSample(row.get("_id"), _without_id(row)) for row in map(_short_row, found.to_pylist()))


def _dropped_samples(
    stage_store: StageStore, dropped: StageRows, came: StageRows | None, num_samples: int
) -> tuple[StageSample, ...]:
    ids = (table.column("_id") for table in stage_store.tables(dropped, columns=["_id"]))
    records = stage_store.take(dropped, choose_rows(ids, num_rows=num_samples)).to_pylist()
    values: dict[str, dict[str, object]] = {}
    if records and came is not None and "_id" in came.schema.names:
        wanted = pa.array([record["_id"] for record in records], pa.string())
        places = [
            (part, row)
            for part, table in enumerate(stage_store.tables(came, columns=["_id"]))
            for row in pc.indices_nonzero(pc.is_in(table.column("_id"), wanted)).to_pylist()
        ]
        rows = stage_store.take(came, places[: 4 * num_samples], columns=_shown_columns(came)).to_pylist()
        values = {str(row["_id"]): _without_id(_short_row(row)) for row in rows}
    return tuple(
        StageSample(
            record["_id"],
            values.get(str(record["_id"]), {}),
            record["operator"],
            record["reason"],
            record["value"],
            record["threshold"],
        )
        for record in records
    )


def _shown_columns(rows: StageRows) -> Sequence[str]:
    return [name for name in rows.schema.names if name not in _HIDDEN and (name == "_id" or not name.startswith("_"))]


def _without_id(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "_id"}


def _short_row(row: Mapping[str, object]) -> dict[str, Any]:
    return {name: _short(value) for name, value in row.items()}


def _short(value: object) -> object:
    if isinstance(value, Mapping) and "digest" in value:
        return {name: item for name, item in value.items() if name != "digest" and item is not None}
    if isinstance(value, Mapping):
        return {name: _short(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value[:_VALUE_LENGTH]]
    if isinstance(value, bytes):
        value = value[:_VALUE_LENGTH].hex()
    if isinstance(value, str) and len(value) > _VALUE_LENGTH:
        return f"{value[: _VALUE_LENGTH - 1]}…"
    return value
