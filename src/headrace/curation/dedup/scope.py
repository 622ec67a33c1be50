"""Which rows are compared with which: all, only those of one group, or only those of different groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.row_groups import group_codes
from headrace.errors import InvalidInput

__all__ = ["Scope", "comparison_scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The groups of rows, or of what stands for them.

    Attributes:
        codes: A number for each, [num_rows]; all 0 where all are compared.
        is_across: Only rows of different groups are compared; else only rows of the same.
    """

    codes: NDArray[np.int64]
    is_across: bool = False

    def of(self, rows: NDArray[np.int64]) -> Scope:
        """The scope of some of the rows, in their order."""
        return Scope(self.codes[rows], self.is_across)


def comparison_scope(
    table: pa.Table,  # [num_rows]
    *,
    within: str | None,
    across: str | None,
    operator: str,
) -> Scope:
    """The scope that the settings `within` and `across` ask for; rows whose value is null are one group.

    Raises:
        InvalidInput: Both are given, or a column's values cannot be compared.
    """
    if within and across:
        raise InvalidInput(
            f"{operator}: within: {within} and across: {across} exclude each other; give one of them, and the other in "
            "a stage of its own"
        )
    named = within or across
    return Scope(group_codes(table, [named] if named else []), is_across=bool(across))
