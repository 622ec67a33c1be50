"""The seam between a plan and whatever holds the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

__all__ = ["Provider"]


@runtime_checkable
class Provider(Protocol):
    """Rows in physical order, counted from 0. Immutable, thread-safe, and picklable for worker processes."""

    @property
    def identity(self) -> str:
        """Names the rows: another identity means that a plan, and so a state, does not fit any more."""
        ...

    @property
    def name(self) -> str:
        """For messages and `repr`."""
        ...

    @property
    def num_rows(self) -> int: ...

    @property
    def schema(self) -> pa.Schema:
        """All columns; media columns are large binary with their kind in the field's metadata."""
        ...

    @property
    def mean_row_bytes(self) -> int:
        """About what reading one row fetches; decides how many rows a block has."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether a random read costs microseconds."""
        ...

    def narrow(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The columns of all rows in row order, without any media byte; at least one table."""
        ...

    def read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """The values of some rows by number, int64 [num_rows], in the order asked; media as bytes, verified. The
        column "_id" is what names each row.

        Raises:
            DataCorrupted: Bytes differ from what was written, or a file changed.
        """
        ...

    def read_one(self, row: int, columns: Sequence[str]) -> list[Any]:
        """The values of one row, one for each column; as `read`, but as fast as a single row can be read."""
        ...
