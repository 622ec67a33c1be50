"""What a run would do for one stage: rows, bytes, what is known already, and how long it may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["PlanTotals", "PlannedOperator", "PlannedStage", "RowEstimate", "StageReuse", "TimeEstimate", "totals_of"]

StageReuse = Literal["known", "partly", "to-do"]


@dataclass(frozen=True, slots=True)
class RowEstimate:
    """A number of rows before a run. `at_most` is None where nothing is known of it."""

    at_least: int
    at_most: int | None

    @property
    def exact(self) -> int | None:
        """The number, where it is certain."""
        return self.at_most if self.at_least == self.at_most else None

    def to_json(self) -> dict[str, int | None]:
        """A plain document."""
        return {"exact": self.exact, "at_least": self.at_least, "at_most": self.at_most}


@dataclass(frozen=True, slots=True)
class PlannedOperator:
    """One operator of a stage.

    Attributes:
        known: Rows whose result lies in the lake, at least.
        to_do: Rows that it would be called for; of rows with equal input one counts.
    """

    name: str
    known: int
    to_do: RowEstimate

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {"name": self.name, "known": self.known, "to_do": self.to_do.to_json()}


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """How long the work may take, at most as many seconds as its rows are at most.

    Attributes:
        basis: What it is taken from, in words.
    """

    seconds: float
    seconds_per_row: float
    basis: str

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {"seconds": self.seconds, "seconds_per_row": self.seconds_per_row, "basis": self.basis}


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What a run would do for one stage.

    Attributes:
        cached: The whole result is known.
        num_in: Rows that come.
        num_out: Rows that go on.
        known: Rows of which everything is known, at least.
        to_do: Rows that are worked on: of operators those that one of them is called for, of other stages all.
        num_bytes: To be read at most for the rows that are to do: of media its bytes, of other columns their values;
            None where the rows are not known.
        operators: Those of a stage that works row by row.
        time: None where no earlier run tells.
    """

    name: str
    kind: str
    summary: str
    inputs: tuple[str, ...]
    cached: bool
    num_in: RowEstimate
    num_out: RowEstimate
    known: int
    to_do: RowEstimate
    num_bytes: int | None
    operators: tuple[PlannedOperator, ...] = ()
    time: TimeEstimate | None = None

    @property
    def rows_in(self) -> int | None:
        """Rows that come, where that is certain."""
        return self.num_in.exact

    @property
    def rows_out(self) -> int | None:
        """Rows that go on, where that is certain."""
        return self.num_out.exact

    @property
    def reuse(self) -> StageReuse:
        """Whether all, some or none of it is known."""
        if self.cached:
            return "known"
        return "partly" if self.known else "to-do"

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "name": self.name,
            "kind": self.kind,
            "summary": self.summary,
            "inputs": list(self.inputs),
            "cached": self.cached,
            "reuse": self.reuse,
            "rows_in": self.num_in.to_json(),
            "rows_out": self.num_out.to_json(),
            "known": self.known,
            "to_do": self.to_do.to_json(),
            "num_bytes": self.num_bytes,
            "operators": [operator.to_json() for operator in self.operators],
            "time": None if self.time is None else self.time.to_json(),
        }


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """Of all stages together; stages of which nothing is known are left out and named.

    Attributes:
        to_do: Rows that stages work on, one for each stage that it comes to.
        num_bytes: To be read at most.
        seconds: At most; None where no earlier run tells anything.
    """

    to_do: RowEstimate
    num_bytes: int
    seconds: float | None
    without_rows: tuple[str, ...]
    without_time: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "to_do": self.to_do.to_json(),
            "num_bytes": self.num_bytes,
            "seconds": self.seconds,
            "without_rows": list(self.without_rows),
            "without_time": list(self.without_time),
        }


def totals_of(stages: Sequence[PlannedStage]) -> PlanTotals:
    """What a run would do in all."""
    to_do = [stage for stage in stages if not stage.cached]
    counted = [stage for stage in to_do if stage.to_do.at_most is not None]
    timed = [stage.time.seconds for stage in to_do if stage.time is not None]
    return PlanTotals(
        RowEstimate(sum(stage.to_do.at_least for stage in counted), sum(stage.to_do.at_most or 0 for stage in counted)),
        sum(stage.num_bytes or 0 for stage in counted),
        sum(timed) if timed or not to_do else None,
        tuple(stage.name for stage in to_do if stage.to_do.at_most is None),
        tuple(stage.name for stage in to_do if stage.time is None and stage.to_do.at_most != 0),
    )
