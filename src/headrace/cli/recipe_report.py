"""Runs of recipes, their rows, and the way of a sample, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headrace.cli.stage_report import STAGE_COLUMNS
from headrace.cli.tables import Column
from headrace.cli.wording import format_moment
from headrace.units import format_count

if TYPE_CHECKING:
    from headrace.cli.output import Output
    from headrace.curation.explaining import Explanation
    from headrace.curation.recipe_run import Run
    from headrace.curation.run_records import RunRecord, StageRecord
    from headrace.curation.stage_rows import StageRows, StageStore

__all__ = ["print_explanation", "print_record", "print_rows", "print_run"]

_LETTERS = 60


def print_run(output: Output, run: Run) -> None:
    """A run that has just finished."""
    if output.is_json:
        output.document(run.to_json())
        return
    print_record(output, run.record)
    for name, snapshot in run.outputs.items():
        output.note(f"{name}: {snapshot.dataset.name}@{name}, {format_count(snapshot.num_rows)} rows")
    output.next("recipe", "show", run.id, "--lake", run.plan.lake.uri)


def print_record(output: Output, record: RunRecord) -> None:
    """A run as it is written down."""
    if output.is_json:
        output.document(record.to_json())
        return
    output.fields(
        [
            ("run", record.run_id),
            ("recipe", record.recipe),
            ("plan", record.plan_hash),
            ("state", record.state),
            ("started", format_moment(datetime.fromtimestamp(record.started_at, UTC))),
            ("error", record.error),
        ]
    )
    output.line()
    output.table(
        [*STAGE_COLUMNS, Column("called", is_whole=True)],
        [
            (
                stage.name,
                format_count(stage.rows_in),
                format_count(stage.rows_out),
                format_count(stage.dropped),
                format_count(stage.quarantined),
                _calls(stage),
            )
            for stage in record.stages
        ],
    )


def print_rows(output: Output, store: StageStore, rows: StageRows, *, num_rows: int) -> None:
    """The first rows of a stage's result."""
    table = next(iter(store.tables(rows))).slice(0, num_rows)
    names = [name for name in table.column_names if name not in ("_source", "_row", "_digest")]
    found = table.select(names).to_pylist()
    if output.is_json:
        output.document({"num_rows": rows.num_rows, "rows": [_plain(row) for row in found]})
        return
    output.table(
        [Column(name, is_whole=name == "_id") for name in names],
        [[_text(row[name]) for name in names] for row in found],
    )
    output.note(f"{len(found)} of {format_count(rows.num_rows)} rows")


def print_explanation(output: Output, explanation: Explanation) -> None:
    """The way of a sample."""
    if output.is_json:
        document = explanation.to_json()
        output.document({**document, "stages": [_plain(stage) for stage in document["stages"]]})
        return
    output.fields(
        [
            ("sample", explanation.sample),
            ("source", explanation.source_reference or explanation.source),
            ("file", _place(explanation)),
            ("run", explanation.run_id),
            ("outputs", ", ".join(explanation.outputs) or "none"),
        ]
    )
    output.line()
    rows = []
    for stage in explanation.stages:
        said = stage.reason or ""
        if stage.value is not None:
            said += f": {stage.value}" + ("" if stage.threshold is None else f" against {stage.threshold}")
        if not said:
            said = ", ".join(
                f"{name} = {_text(after)}" if before is None else f"{name}: {_text(before)} -> {_text(after)}"
                for name, (before, after) in stage.changed.items()
            )
        rows.append((stage.stage, stage.verdict, said))
    output.table([Column("stage", is_whole=True), Column("verdict", is_whole=True), Column("why")], rows)


def _place(explanation: Explanation) -> str | None:
    """The file with the member or line in it."""
    if explanation.file is None:
        return None
    member = "" if explanation.member is None else f", {explanation.member}"
    return f"{explanation.file}{member}" + ("" if explanation.line is None else f", line {explanation.line}")


def _calls(stage: StageRecord) -> str:
    if stage.cached:
        return "known"
    return ", ".join(f"{name} {format_count(count)}" for name, count in stage.calls.items() if count) or "-"


def _text(value: object) -> str:
    if isinstance(value, dict) and "digest" in value:
        return f"{value.get('format') or 'media'} {value.get('size') or 0:,} B"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
