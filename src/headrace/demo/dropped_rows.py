"""What the stages of a recipe dropped and why, as lines for people and as figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from headrace.demo.steps import Figures

if TYPE_CHECKING:
    from headrace.curation.explaining import Explanation
    from headrace.curation.recipe_run import RunStage

__all__ = ["DroppedRows", "drops_table", "read_drops", "way_of_sample"]

WIDTH = 76  # of a line; the demo indents by four


@dataclass(frozen=True, slots=True)
class DroppedSample:
    """One row that was dropped; value and threshold are None where nothing was measured."""

    sample: str  # _id
    operator: str
    reason: str
    value: str | None
    threshold: str | None

    def __str__(self) -> str:
        reason = " ".join(self.reason.split()).replace(f"{self.sample}: ", "")
        return f"{self.sample}: {reason}" if self.value is None else f"{self.sample}: {reason}: {_rounded(self.value)}"


@dataclass(frozen=True, slots=True)
class DroppedRows:
    """What one stage dropped, with one of the rows as an example."""

    stage: str
    num_in: int
    num_out: int
    num_quarantined: int
    num_dropped: int
    example: DroppedSample | None  # None where nothing was dropped

    @property
    def num_merged(self) -> int:
        """Rows that became one with others."""
        return self.num_in - self.num_out - self.num_quarantined - self.num_dropped

    def to_json(self) -> Figures:
        """Plain JSON values."""
        return {
            "name": self.stage,
            "rows_in": self.num_in,
            "rows_out": self.num_out,
            "dropped": self.num_dropped,
            "quarantined": self.num_quarantined,
            "example": None if self.example is None else asdict(self.example),
        }


def read_drops(stage: RunStage) -> DroppedRows:
    """Count what a stage of a finished run dropped; the example is the row with the smallest `_id`."""
    rows = stage.dropped_rows().sort_by("_id").slice(0, 1).to_pylist()
    example = None
    if rows:
        row = rows[0]
        example = DroppedSample(row["_id"], row["operator"], row["reason"], row["value"], row["threshold"])
    return DroppedRows(stage.record.name, stage.rows_in, stage.rows_out, stage.quarantined, stage.dropped, example)


def drops_table(drops: Sequence[DroppedRows]) -> Iterator[str]:
    """One line for each stage, and one for its example."""
    width = max(len(item.stage) for item in drops)
    yield f"{'stage':{width}} {'in':>6} {'dropped':>8}  why, for example"
    for item in drops:
        line = f"{item.stage:{width}} {item.num_in:6,} {item.num_dropped:8,}"
        if item.example is not None:
            line += f"  {item.example}"
        elif item.num_merged:
            line += f"  {item.num_in:,} rows are {item.num_out:,} digits"
        yield _shortened(line)


def way_of_sample(explanation: Explanation) -> Iterator[str]:
    """One line for each stage that the sample came to."""
    width = max(len(stage.stage) for stage in explanation.stages)
    for stage in explanation.stages:
        said = stage.reason or ", ".join(f"{name} = {_text(after)}" for name, (_, after) in stage.changed.items())
        yield _shortened(f"{stage.stage:{width}}  {stage.verdict:7}  {said}".rstrip(), width=WIDTH - 2)


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shortened(line: str, *, width: int = WIDTH) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
