"""A chunk of rows and what is to be computed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """Rows of one stage, and which of its steps they need.

    Attributes:
        table: `_source`, `_row`, `_id`, and the columns that the steps read, media as structs: [num_rows].
        step_idxs: Steps to run on each row, in their order.
        ids: Of the input of each of these steps, bytes [num_rows].
        attempt: From 1.
        is_alone: Its rows may end their process, so nothing else runs there.
    """

    table: pa.Table
    step_idxs: tuple[int, ...]
    ids: tuple[NDArray[np.bytes_], ...]
    attempt: int = 1
    is_alone: bool = False

    @property
    def num_rows(self) -> int:
        return int(self.table.num_rows)

    def without(self, step_idx: int) -> Task:
        """The same rows without one of the steps."""
        left = [place for place, idx in enumerate(self.step_idxs) if idx != step_idx]
        return replace(
            self,
            step_idxs=tuple(self.step_idxs[place] for place in left),
            ids=tuple(self.ids[place] for place in left),
        )

    def part(self, rows: Sequence[int] | NDArray[np.int64]) -> Task:
        """Some of its rows, by place."""
        places = np.asarray(rows, dtype=np.int64)  # [num_wanted]
        return replace(
            self,
            table=self.table.take(pa.array(places)),
            ids=tuple(ids[places] for ids in self.ids),
        )
