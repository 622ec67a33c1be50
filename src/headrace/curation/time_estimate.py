"""How long a stage may take, from what earlier runs in the same lake took for a row."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.curation.planned_stage import TimeEstimate
from headrace.curation.run_records import RunRecord, StageRecord
from headrace.curation.static_plan import FilterWork, OperatorWork, StaticStage
from headrace.units import format_count, format_duration

__all__ = ["EarlierRuns"]

_LOOKED_AT = 10  # records of one kind; of these the one with the most rows tells, because starting up costs too


class EarlierRuns:
    """What finished stages took."""

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        """`runs` are the newest first."""
        self._stages = [
            (run, stage) for run in runs for stage in run.stages if not stage.cached and _num_worked(stage) > 0
        ]

    def estimate(self, stage: StaticStage, *, work: str, num_rows: int) -> TimeEstimate | None:
        """Seconds for so many rows that are to do; None where nothing like it has run.

        Args:
            work: Digest of what the stage does, see `PlanHash.works`.
        """
        names = _operator_names(stage)
        levels = [("the same stage", [pair for pair in self._stages if pair[1].work == work])]
        if names:
            same = [pair for pair in self._stages if _called(pair[1], pair[1].summary) == names]
            levels.append((f"{', '.join(sorted(names))} in another stage", same))
        elif isinstance(stage.work, FilterWork):
            levels.append(("another filter", [pair for pair in self._stages if pair[1].kind == "filter"]))
        for what, found in levels:
            if found:
                rate, basis = _rate(what, found)
                return TimeEstimate(rate * num_rows, rate, basis)
        return self._sum_of_operators(names, num_rows)

    def _sum_of_operators(self, names: frozenset[str], num_rows: int) -> TimeEstimate | None:
        """Operators that never ran together, one after the other; what they share is counted twice."""
        rates: list[float] = []
        bases: list[str] = []
        for name in sorted(names):
            found = [pair for pair in self._stages if _called(pair[1], pair[1].summary) == {name}]
            if not found:
                return None
            rate, basis = _rate(f"{name} alone", found)
            rates.append(rate)
            bases.append(basis)
        if len(names) < 2:
            return None
        return TimeEstimate(sum(rates) * num_rows, sum(rates), "; ".join(bases))


def _rate(what: str, found: Sequence[tuple[RunRecord, StageRecord]]) -> tuple[float, str]:
    """Seconds for a row, and what says so."""
    run, stage = max(found[:_LOOKED_AT], key=lambda pair: _num_worked(pair[1]))
    count = _num_worked(stage)
    basis = f"{what} took {format_duration(stage.seconds)} for {format_count(count)} rows in run {run.run_id}"
    return stage.seconds / count, basis


def _num_worked(stage: StageRecord) -> int:
    """Rows that a stage spent its time on."""
    return max(stage.calls.values()) if stage.calls else stage.rows_in


def _operator_names(stage: StaticStage) -> frozenset[str]:
    uses = stage.work.uses if isinstance(stage.work, OperatorWork) else ()
    return frozenset(use.operator.name for use in uses)


def _called(stage: StageRecord, summary: str) -> frozenset[str]:
    """Operators of a stage that has run; those of tables are not counted row by row."""
    if stage.calls:
        return frozenset(stage.calls)
    return frozenset([summary]) if stage.kind == "operator" else frozenset()
