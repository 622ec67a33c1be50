"""All comparisons by operator, and one of them run."""

from __future__ import annotations

from dataclasses import dataclass

from proofs.operators.comparison import Comparison
from proofs.operators.dedup_comparisons import DEDUP_COMPARISONS
from proofs.operators.encode_comparisons import ENCODE_COMPARISONS
from proofs.operators.image_comparisons import IMAGE_COMPARISONS
from proofs.operators.table_comparisons import TABLE_COMPARISONS
from proofs.operators.text_comparisons import TEXT_COMPARISONS

__all__ = ["COMPARISONS", "ComparisonResult", "run_comparison"]

COMPARISONS = {
    each.operator: each
    for each in sorted(
        [*DEDUP_COMPARISONS, *ENCODE_COMPARISONS, *IMAGE_COMPARISONS, *TEXT_COMPARISONS, *TABLE_COMPARISONS],
        key=lambda each: each.operator,
    )
}


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """What one run found."""

    operator: str
    what: str
    num_rows: int
    difference: float
    unit: str
    tolerance: float

    @property
    def is_kept(self) -> bool:
        return self.difference <= self.tolerance  # false for NaN


def run_comparison(comparison: Comparison, *, num_rows: int | None, seed: int) -> ComparisonResult:
    """Run it on so many rows; by default on as many as it asks for."""
    rows = comparison.num_rows if num_rows is None else num_rows
    return ComparisonResult(
        operator=comparison.operator,
        what=comparison.what,
        num_rows=rows,
        difference=comparison.difference(rows, seed),
        unit=comparison.unit,
        tolerance=comparison.tolerance,
    )
