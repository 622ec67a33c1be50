"""What a run of a recipe would do, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.cli.tables import Column
from headrace.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from headrace.cli.output import Output
    from headrace.curation.planned_stage import PlannedStage, RowEstimate
    from headrace.curation.recipe_plan import RecipePlan

__all__ = ["print_plan"]

_NOTHING = "-"


def print_plan(output: Output, plan: RecipePlan) -> None:
    """Stages with rows, bytes and time; operators of a stage that know different rows; the sum."""
    from headrace.curation.planned_stage import totals_of

    stages = plan.stages()
    totals = totals_of(stages)
    output.fields([("recipe", plan.static.name), ("hash", plan.hash), ("lake", plan.lake.uri)])
    output.line()
    rows = [row for stage in stages for row in _rows(stage)]
    is_bounded = totals.to_do.exact is None
    to_do = _text(totals.to_do) + (" + ?" if totals.without_rows else "")
    num_bytes = _at_most(format_bytes(totals.num_bytes), is_bounded) + (" + ?" if totals.without_rows else "")
    if totals.seconds is None:
        time = "?"
    else:
        time = _at_most(format_duration(totals.seconds), is_bounded) + (" + ?" if totals.without_time else "")
    rows.append(("total", "", "", "", "", to_do, num_bytes, time))
    output.table(
        [
            Column("stage", is_whole=True),
            Column("what"),
            *(
                Column(heading, "right", is_whole=True)
                for heading in ("rows in", "rows out", "known", "to do", "bytes", "time")
            ),
        ],
        rows,
    )
    bases = {stage.name: stage.time.basis for stage in stages if stage.time is not None and stage.to_do.at_most}
    if bases:
        output.line()
        output.fields([(f"time of {name}", basis) for name, basis in bases.items()])


def _rows(stage: PlannedStage) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            stage.name,
            stage.summary,
            _text(stage.num_in),
            _text(stage.num_out),
            "all" if stage.cached else _NOTHING if not stage.operators else format_count(stage.known),
            _NOTHING if stage.cached else _text(stage.to_do),
            _NOTHING if stage.cached else _bytes(stage),
            _NOTHING if stage.cached else _time(stage),
        )
    ]
    if len({(operator.known, operator.to_do) for operator in stage.operators}) > 1:
        rows += [
            ("", f"  {operator.name}", "", "", format_count(operator.known), _text(operator.to_do), "", "")
            for operator in stage.operators
        ]
    return rows


def _text(rows: RowEstimate) -> str:
    if rows.at_most is None:
        return "?"
    return _at_most(format_count(rows.at_most), rows.exact is None)


def _bytes(stage: PlannedStage) -> str:
    return "?" if stage.num_bytes is None else _at_most(format_bytes(stage.num_bytes), stage.to_do.exact is None)


def _time(stage: PlannedStage) -> str:
    if stage.to_do.at_most == 0:
        return _NOTHING
    return "?" if stage.time is None else _at_most(format_duration(stage.time.seconds), stage.to_do.exact is None)


def _at_most(text: str, is_bounded: bool) -> str:
    return f"<= {text}" if is_bounded else text
