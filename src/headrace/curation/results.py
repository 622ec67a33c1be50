"""What an operator may give for a row besides values, and how it says that it cannot work at all."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.errors import InvalidInput

__all__ = ["Drop", "OperatorUnusable", "Replace"]


@dataclass(frozen=True, slots=True)
class Drop:
    """The row leaves the stage, and its record says why.

    Attributes:
        reason: In words of the user's world: "narrower than min_side".
        value: What was measured.
        threshold: What it was held against.
    """

    reason: str
    value: object = None
    threshold: object = None

    def __str__(self) -> str:
        if self.value is None:
            return self.reason
        return f"{self.reason}: {self.value}" + ("" if self.threshold is None else f" against {self.threshold}")


@dataclass(frozen=True, slots=True)
class Replace:
    """New bytes for a media column, given inside a dict under the column's name.

    Attributes:
        column: As the operator's own parameter is called; a recipe may rename it.
        data: The encoded media.
    """

    column: str
    data: bytes


class OperatorUnusable(InvalidInput):
    """Raised by an operator that can work on no row at all, such as one whose model cannot be loaded: the run stops.

    No row goes to quarantine for it.
    """
