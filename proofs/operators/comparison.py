"""One operator held against its oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Comparison", "largest"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an operator is compared, and how far apart the two may be.

    Attributes:
        operator: Name.
        what: In words what the oracle computes and what is compared.
        difference: (rows, seed) -> the largest difference, in `unit`.
        unit: What the difference counts: "relative", "bits", "rows that differ".
        tolerance: The largest difference that is accepted.
        num_rows: In the full comparison.
    """

    operator: str
    what: str
    difference: Callable[[int, int], float]
    unit: str
    tolerance: float
    num_rows: int = 1_000


def largest(differences: Iterable[float]) -> float:
    """The largest, 0 of none; NaN, which compares with nothing, is the largest of all."""
    found = list(differences)
    return float("nan") if any(value != value for value in found) else max(found, default=0.0)
