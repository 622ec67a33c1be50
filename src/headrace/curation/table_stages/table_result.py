"""What a table stage gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from headrace.curation.stage_rows import StageRows

__all__ = ["DROPPED_SCHEMA", "TableResult"]

DROPPED_SCHEMA: Final = pa.schema(
    [
        pa.field("_id", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("value", pa.string()),  # what was measured
        pa.field("threshold", pa.string()),  # what it was held against
    ]
)
"""Columns of the record of rows that left."""


@dataclass(frozen=True, slots=True)
class TableResult:
    """Rows that stay and rows that left, both in the order of the input."""

    rows: StageRows
    dropped: StageRows  # of `DROPPED_SCHEMA`; without rows where none can be dropped
    num_in: int
