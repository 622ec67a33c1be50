"""What table operators keep, and tables in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from headrace.curation import Operator
from headrace.testing import run_operator

__all__ = ["kept_ids", "shuffled"]


def kept_ids(op: Operator[..., Any], table: pa.Table, **settings: Any) -> list[str]:
    """Ids of the rows that stay, sorted."""
    dropped = run_operator(op, table, **settings)["_dropped"].to_pylist()
    return sorted(row for row, reason in zip(table["_id"].to_pylist(), dropped) if reason is None)


def shuffled(table: pa.Table, *, seed: int = 0) -> pa.Table:
    """The same rows in another order."""
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))
